// All keys, what was decided, whose decisions these are.
import type { Signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { keymap } from "../logic/keymap";
import { interval, percent, worst } from "../logic/words";
import { useReview } from "./context";
import { Modal } from "./modal";
import { Palette } from "./palette";

export function Dialogs({ shortcuts }: { shortcuts: Signal<boolean> }) {
  const review = useReview();
  const close = () => void (review.dialog.value = null);
  switch (review.dialog.value) {
    case "help": return <Help close={close} shortcuts={shortcuts} />;
    case "history": return <History close={close} />;
    case "quality": return <Worth close={close} />;
    case "name": return <Name close={close} />;
    case "search": return <Palette />;
    default: return null;
  }
}

function Help({ close, shortcuts }: { close: () => void; shortcuts: Signal<boolean> }) {
  const review = useReview();
  return (
    <Modal title="Keys on this card" close={close} class="help">
      <div class="groups">
        {keymap(review).map(({ title, bindings }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {bindings.filter((b, k) => bindings[k - 1]?.show !== b.show).map((b) => (
                <div key={b.show}>
                  <dt><kbd>{b.show}</kbd></dt>
                  <dd>{b.label}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <label class="check">
        <input type="checkbox" checked={shortcuts.value}
          onChange={(e) => void (shortcuts.value = e.currentTarget.checked)} />
        Single keys decide (switch off where a program speaks or types for you)
      </label>
    </Modal>
  );
}

/** Shares of wrong labels with their intervals, and what is certified. */
function Worth({ close }: { close: () => void }) {
  const { certificate, quality } = useReview().state.value;
  const most = Math.max(0.1, ...quality.map((q) => q.high));
  const x = (share: number) => (share / most) * 200;
  return (
    <Modal title="What the labels are worth" close={close} class="worth">
      <p class="statement">{certificate ? certificate.statement : "Nothing is certified yet."}</p>
      {certificate?.void && <p>It is void: the labels have changed since.</p>}
      {quality.length > 0 && (
        <table>
          <thead><tr><th scope="col">wrong</th><th scope="col">share</th><th scope="col" colSpan={2}>95 % interval</th></tr></thead>
          <tbody>
            {worst(quality).map(({ kind, share, low, high }) => (
              <tr key={kind}>
                <th scope="row">{kind === "any" ? "in any way" : kind}</th>
                <td>{percent(share)}</td>
                <td>{interval(low, high)}</td>
                <td>
                  <svg viewBox="-4 0 208 12" width="208" height="12" aria-hidden="true">
                    <line class="base" x1="0" x2="200" y1="6" y2="6" />
                    <line class="span" x1={x(low)} x2={Math.max(x(high), x(low) + 1)} y1="6" y2="6" />
                    <circle cx={x(share)} cy="6" r="3.5" />
                  </svg>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p class="muted">Estimated from cards that were drawn at random; more decisions make the intervals narrower.</p>
    </Modal>
  );
}

const SAID = {
  waiting: "waiting", saved: "saved", conflict: "conflict", refused: "not taken", undone: "undone",
} as const;

function History({ close }: { close: () => void }) {
  const review = useReview();
  const list = review.history.value;
  return (
    <Modal title="What you decided" close={close} class="past">
      {!list.length && <p class="muted">Nothing yet.</p>}
      <ol>
        {list.map((done) => (
          <li key={done.decisions[0]?.id} class={done.status.value}>
            <span class="text">{done.text}</span>
            <span class="muted">{SAID[done.status.value]}</span>
            <button type="button" class="small" disabled={done.status.value === "undone"}
              aria-label={`Undo: ${done.text}`} onClick={() => (close(), review.undo(done))}>undo</button>
          </li>
        ))}
      </ol>
    </Modal>
  );
}

function Name({ close }: { close: () => void }) {
  const review = useReview();
  const field = useRef<HTMLInputElement>(null);
  const keep = async (e: Event) => {
    e.preventDefault();
    const name = field.current?.value.trim();
    if (!name) return;
    try {
      await review.api.name(name);
      close();
      await review.refresh();
    } catch (error) {
      const { message, remedy = "" } = error as { message: string; remedy?: string };
      review.notice({ bad: true, text: message, remedy });
    }
  };
  return (
    <Modal title="Who decides?" close={close} class="name" typed>
      <form onSubmit={(e) => void keep(e)}>
        <p class="muted">Your name is kept with each decision, so that reviewers can be compared.</p>
        <input ref={field} type="text" autofocus aria-label="Your name" maxLength={60} defaultValue={review.state.value.reviewer} />
        <button type="submit" class="action main"><kbd>Enter</kbd><span>keep</span></button>
      </form>
    </Modal>
  );
}
