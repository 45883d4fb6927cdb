// The page: header, one card, what was decided last.
import type { Signal } from "@preact/signals";
import { useEffect, useLayoutEffect } from "preact/hooks";
import type { Ready } from "../logic/deck";
import { bindingFor, keyName } from "../logic/keymap";
import type { Review } from "../logic/review";
import { Reviewing, useReview } from "./context";
import { Dialogs } from "./dialogs";
import { FrameCard } from "./frame";
import { GalleryCard } from "./gallery";
import { Header } from "./header";
import { Blocked, Notices } from "./notices";
import { PairCard } from "./pair";
import { SentenceCard } from "./sentence";
import type { Theme } from "./theme";
import { TrackCard } from "./track";
import { Waiting } from "./waiting";

export function App({ review, theme, shortcuts }: {
  review: Review; theme: Signal<Theme>; shortcuts: Signal<boolean>;
}) {
  return (
    <Reviewing.Provider value={review}>
      <Header theme={theme} />
      <main><Shown /></main>
      <Footer />
      <Notices />
      <Dialogs shortcuts={shortcuts} />
      <Blocked />
      <Keyboard shortcuts={shortcuts} />
    </Reviewing.Provider>
  );
}

function Shown() {
  const review = useReview();
  const ready = review.shown.value;
  useLayoutEffect(() => {
    if (ready) afterPaint(review.painted);
  }, [ready]);
  return ready ? cardFor(ready) : <Waiting />;
}

function cardFor(ready: Ready) {
  switch (ready.card.kind) {
    case "pair": return <PairCard ready={ready} />;
    case "gallery": return <GalleryCard ready={ready} />;
    case "frame": return <FrameCard ready={ready} />;
    case "relation":
    case "caption": return <SentenceCard ready={ready} />;
    default: return <TrackCard ready={ready} />;
  }
}

function Footer() {
  const review = useReview();
  const last = review.history.value.find((d) => d.status.value !== "undone");
  return (
    <footer class="foot">
      {last ? (
        <>
          <button type="button" class="plain" onClick={() => review.undo(last)}><kbd>Z</kbd><span>undo</span></button>
          <span class="last">{last.text}</span>
        </>
      ) : <span class="muted">Each key decides at once; Z takes it back.</span>}
      <span class="grow" />
      <button type="button" class="plain" onClick={() => (review.dialog.value = "history")}><kbd>H</kbd><span>what you decided</span></button>
      <span class="plain"><kbd>←</kbd><kbd>→</kbd><span>pictures</span></span>
      <span class="plain"><kbd>F</kbd><span>large</span></span>
      <span class="plain"><kbd>O</kbd><span>outlines</span></span>
    </footer>
  );
}

/** Keys act wherever the focus is, but not while something is typed. */
function Keyboard({ shortcuts }: { shortcuts: Signal<boolean> }) {
  const review = useReview();
  useEffect(() => {
    const press = (e: KeyboardEvent) => {
      if (e.ctrlKey || e.metaKey || e.altKey || review.dialog.peek() || review.blocked.peek()) return;
      if (isTyped(e) || (!shortcuts.peek() && e.key.length === 1)) return;
      const binding = bindingFor(review, keyName(e));
      if (!binding) return;
      e.preventDefault();
      if (e.repeat && !/^(Shift\+)?Arrow|^[.,]$/.test(keyName(e))) return; // a held key decides once
      review.keyed(e.timeStamp);
      binding.run(review);
    };
    // A click leaves no focus behind, else Space would press the button again.
    const point = (e: PointerEvent) => {
      if ((e.target as Element).closest("button, a, summary")) e.preventDefault();
    };
    document.addEventListener("keydown", press);
    document.addEventListener("mousedown", point as (e: MouseEvent) => void);
    return () => {
      document.removeEventListener("keydown", press);
      document.removeEventListener("mousedown", point as (e: MouseEvent) => void);
    };
  }, []);
  return null;
}

function isTyped(e: KeyboardEvent): boolean {
  const target = e.target as Element;
  if (target.closest("input, textarea, select")) return true;
  return target.closest("button, a") !== null && (e.key === " " || e.key === "Enter");
}

function afterPaint(act: () => void): void {
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = act;
    channel.port2.postMessage(0);
  });
}
