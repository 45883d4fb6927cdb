import { render } from "preact";
import { api, Trouble } from "./logic/api";
import { makePictures } from "./logic/pictures";
import { makeReview, type Review } from "./logic/review";
import { App } from "./ui/app";
import { kept, makeTheme } from "./ui/theme";
import "./app.css";

const HEARTBEAT = 30_000; // milliseconds; cards are lent for two minutes

async function open(root: HTMLElement): Promise<void> {
  const theme = makeTheme();
  const version = document.querySelector<HTMLMetaElement>("meta[name=scenekeeper-page]")?.content ?? "";
  const state = await api.state();
  const review = makeReview({
    api, pictures: makePictures(), version, state, store: storage(), now: () => performance.now(),
  });
  document.title = `Review ${state.dataset} - Scenekeeper`;
  render(<App review={review} theme={theme} shortcuts={kept("scenekeeper/keys", true)} />, root);
  review.start();
  stay(review);
}

/** Keeps the cards lent while the page is looked at, and hands them back when it goes. */
function stay(review: Review): void {
  setInterval(() => document.hidden || void review.refresh(), HEARTBEAT);
  addEventListener("focus", () => void review.refresh());
  addEventListener("online", () => void review.outbox.flush());
  addEventListener("pagehide", () => {
    const shown = review.shown.peek()?.card.id;
    void api.release([...(shown ? [shown] : []), ...review.deck.rest()]).catch(() => null);
  });
  addEventListener("pageshow", (e) => e.persisted && location.reload());
}

/** The browser's store, or null where it is forbidden. */
function storage(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

function failed(root: HTMLElement, error: unknown): void {
  const { message, remedy } = error instanceof Trouble ? error : new Trouble(0, String(error));
  const text = remedy || "Is scenekeeper review still running? This page tries again by itself.";
  render(<main class="waiting" ><h1>The review cannot be opened</h1><p role="alert">{message}. {text}</p></main>, root);
  setTimeout(begin, 3000);
}

function begin(): void {
  const root = document.getElementById("app")!;
  open(root).catch((error: unknown) => failed(root, error));
}

begin();
