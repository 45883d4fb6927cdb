// Small pieces that every card has: keys, buttons, the question, the names to choose from.
import type { ComponentChildren } from "preact";
import * as acts from "../logic/acts";
import { keymap, type Binding } from "../logic/keymap";
import type { Ready } from "../logic/deck";
import { count } from "../logic/words";
import { useReview } from "./context";

export function Key({ children }: { children: ComponentChildren }) {
  return <kbd>{children}</kbd>;
}

export function Action({ binding, main = false }: { binding: Binding; main?: boolean }) {
  const review = useReview();
  return (
    <button type="button" class={main ? "action main" : "action"} onClick={() => binding.run(review)}>
      <Key>{binding.show}</Key>
      <span>{binding.label}</span>
    </button>
  );
}

/** What can be decided now, as buttons that teach their keys. */
export function Actions({ bar = false, column = false, skip = [] }: {
  bar?: boolean; column?: boolean; skip?: readonly string[];
}) {
  const review = useReview();
  const [decide] = keymap(review);
  const bindings = decide!.bindings.filter((b) => b.bar && !skip.includes(b.show));
  return (
    <div class={bar ? "actions bar" : column ? "actions column" : "actions"} role="group" aria-label="Decide">
      {bindings.map((b, k) => (
        <Action key={b.show} binding={b} main={k === 0 && (bar || (column && b.show === "Enter"))} />
      ))}
    </div>
  );
}

export function Question({ asks, title, covers }: {
  asks: string; title: ComponentChildren; covers: string;
}) {
  return (
    <header class="question">
      <p class="asks">{asks}</p>
      <h1>{title}</h1>
      <p class="covers">{covers}</p>
    </header>
  );
}

export function covers({ card }: Ready): string {
  const labels = count(card.frames, "label");
  return card.sessions > 1 ? `${labels} in ${count(card.sessions, "session")}` : labels;
}

/** The names it may have: the machine's first, each with the key that says so. */
export function Choices({ accept = true }: { accept?: boolean }) {
  const review = useReview();
  const card = review.shown.value!.card;
  return (
    <div class="choices" role="group" aria-label="Names">
      {accept && (
        <button type="button" class="choice first" onClick={() => acts.accept(review)}>
          <Key>Space</Key>
          <span>{card.phrase}</span>
        </button>
      )}
      {card.choices.slice(0, 9).map((phrase, k) => (
        <button type="button" class="choice" key={phrase} onClick={() => acts.name(review, phrase)}>
          <Key>{k + 1}</Key>
          <span>{phrase}</span>
        </button>
      ))}
      <button type="button" class="choice other" onClick={() => (review.dialog.value = "search")}>
        <Key>/</Key>
        <span>another name</span>
      </button>
    </div>
  );
}

/** What is to be done now that a tool is in hand. */
export function Hint() {
  const review = useReview();
  const text = hint(review);
  return text ? <p class="hint" role="status">{text}</p> : null;
}

function hint(review: ReturnType<typeof useReview>): string {
  const mode = review.mode.value;
  const frame = review.shown.value?.card.kind === "frame";
  switch (mode.is) {
    case "split":
      return "From the marked picture on it is another thing. What is it? Arrows move the cut.";
    case "trim":
      return `Right ${mode.end === "last" ? "until" : "from"} the marked picture. Arrows move it, comma and point by single frames.`;
    case "box":
      if (mode.clicks.length === 4 && !frame) return "Enter takes this box.";
      if (frame && !mode.clicks.length) return "";
      return `Click the thing's outermost points: top, left, bottom, right, in any order (${mode.clicks.length} of 4).`;
    case "mask":
      if (mode.busy) return "Looking for the thing …";
      return mode.clicks.length
        ? "Click more of it; right button or Shift where it is not. Enter takes it."
        : "Click on the thing.";
    case "odd":
      return "What is the marked one?";
    default:
      return "";
  }
}
