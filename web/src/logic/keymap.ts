// Every key, in one table: the page's bar, its help and what is done all come from here.
import * as acts from "./acts";
import type { Review } from "./review";

export interface Binding {
  /** Keys as `keyName` says them. */
  readonly keys: readonly string[];
  /** How the key is shown. */
  readonly show: string;
  readonly label: string;
  /** Whether it is in the bar under the card. */
  readonly bar: boolean;
  readonly run: (review: Review) => void;
}

export interface Group {
  readonly title: string;
  readonly bindings: readonly Binding[];
}

type Run = (review: Review) => void;

function key(keys: string, show: string, label: string, run: Run, bar = true): Binding {
  return { keys: keys.split(" "), show, label, run, bar };
}

const unsure = key("u", "U", "unsure", (r) => acts.say(r, "unsure"));
const reject = key("x", "X", "no such thing", (r) => acts.say(r, "reject"));
const search = key("/", "/", "search a name", (r) => void (r.dialog.value = "search"));
const cancel = key("Escape", "Esc", "back", acts.cancel);
const takeBack = key("Backspace", "⌫", "take back a click", acts.takeBack);
const digits = Array.from({ length: 9 }, (_, k) =>
  key(`${k + 1}`, "1 … 9", "a name of the list", (r) => acts.choose(r, k + 1), false),
);
const accepts = key("Space j", "Space", "right", acts.accept);
const box = key("b", "B", "new box", acts.beginBox);
const mask = key("p", "P", "new mask", acts.beginMask);

const moves: readonly Binding[] = [
  key("ArrowRight", "→", "next picture", (r) => acts.move(r, 1), false),
  key("ArrowLeft", "←", "picture before", (r) => acts.move(r, -1), false),
  key("Shift+ArrowRight End", "⇧→", "ten on", (r) => acts.move(r, 10), false),
  key("Shift+ArrowLeft Home", "⇧←", "ten back", (r) => acts.move(r, -10), false),
];
const steps: readonly Binding[] = [
  key(".", ".", "next frame", (r) => void acts.step(r, 1), false),
  key(",", ",", "frame before", (r) => void acts.step(r, -1), false),
];
const large = key("f", "F", "large picture", (r) => void (r.large.value = !r.large.peek()), false);
const outlines = key("o", "O", "outlines on or off", (r) => void (r.outlines.value = !r.outlines.peek()), false);
const zooms: readonly Binding[] = [
  key("+ =", "+", "zoom in", (r) => acts.zoomBy(r, 1.5), false),
  key("-", "-", "zoom out", (r) => acts.zoomBy(r, 1 / 1.5), false),
  key("0", "0", "whole frame", (r) => void (r.zoom.value = null), false),
];
const anywhere: readonly Binding[] = [
  key("z", "Z", "undo", (r) => r.undo(lastDone(r))),
  key("h", "H", "what you decided", (r) => void (r.dialog.value = "history"), false),
  key("q", "Q", "what the labels are worth", (r) => void (r.dialog.value = "quality"), false),
  key("?", "?", "all keys", (r) => void (r.dialog.value = "help")),
];

function looks(kind: string): readonly Binding[] {
  if (kind === "gallery" || kind === "pair") return [outlines];
  return kind === "track" || kind === "object" ? [large, outlines, ...zooms] : [outlines, ...zooms];
}

/** The groups of keys that mean something now. */
export function keymap(review: Review): Group[] {
  const card = review.shown.value?.card;
  const rest = { title: "Anywhere", bindings: anywhere };
  if (!card) return [rest];
  const looking = [...(card.kind === "track" ? steps : []), ...looks(card.kind)];
  return [
    { title: "Decide", bindings: deciding(review, card.kind) },
    { title: "Look", bindings: [...(card.kind === "gallery" ? grid(review) : moves), ...looking] },
    rest,
  ];
}

function deciding(review: Review, kind: string): readonly Binding[] {
  const mode = review.mode.value;
  if (kind === "frame") return framing(review);
  switch (mode.is) {
    case "split":
      return [
        key("Enter", "Enter", "another thing, same name", (r) => acts.finishSplit(r)),
        ...digits, search, cancel,
      ];
    case "trim":
      return [
        key("Enter", "Enter", "only this part is right", acts.finishTrim),
        key("t", "T", mode.end === "last" ? "move its beginning" : "move its end", acts.trim),
        cancel,
      ];
    case "box":
    case "mask":
      return [key("Enter", "Enter", "take it", acts.finishDrawing), takeBack, cancel];
    case "odd":
      return [
        ...digits, search,
        key("x", "X", "no such thing", (r) => acts.fix(r, { op: "reject" })),
        key("u", "U", "unsure", (r) => acts.fix(r, { op: "unsure" })),
        key("Enter", "Enter", "unsure of those left", acts.confirmGallery),
        key("Escape", "Esc", "back", (r) => void (r.mode.value = { is: "look" })),
      ];
    case "say":
      return [];
    case "look":
      return plain(kind);
  }
}

function plain(kind: string): readonly Binding[] {
  switch (kind) {
    case "track":
      return [
        accepts, reject, ...digits, search,
        key("s", "S", "split here", acts.beginSplit),
        key("t", "T", "trim to here", acts.trim),
        box, mask, unsure,
        key("Escape", "Esc", "small picture", acts.cancel, false),
      ];
    case "object":
      return [accepts, reject, ...digits, search, unsure];
    case "pair":
      return [
        key("m", "M", "same thing", (r) => acts.say(r, "same")),
        key("d", "D", "different things", (r) => acts.say(r, "different")),
        unsure,
      ];
    case "gallery":
      return [
        key("Enter", "Enter", "the rest is right", acts.confirmGallery),
        key("g Space", "G", "odd one", (r) => acts.toggle(r)),
        ...digits, search,
        key("x", "X", "no such thing", (r) => acts.fix(r, { op: "reject" })),
      ];
    case "relation":
      return [accepts, key("x", "X", "not so", (r) => acts.say(r, "reject")), unsure];
    case "caption":
      return [
        accepts,
        key("e c /", "E", "say it otherwise", (r) => void (r.mode.value = { is: "say" })),
        key("x", "X", "all wrong", (r) => acts.say(r, "reject")),
        unsure,
      ];
    default:
      return [];
  }
}

function framing(review: Review): readonly Binding[] {
  const mode = review.mode.value;
  const begun = (mode.is === "box" || mode.is === "mask") && mode.clicks.length > 0;
  const finish =
    mode.is === "mask" && begun
      ? key("Enter", "Enter", "take it", acts.finishDrawing)
      : key("Enter", "Enter", "nothing else is missing", (r) => begun || acts.complete(r));
  return [
    finish,
    { ...takeBack, label: begun ? "take back a click" : "take back the last" },
    { ...box, label: "box by four clicks" },
    { ...mask, label: "mask by clicks" },
    unsure,
    key("Escape", "Esc", "begin anew", acts.cancel, false),
  ];
}

function grid(review: Review): readonly Binding[] {
  const row = () => review.columns.peek();
  return [
    ...moves,
    key("ArrowDown", "↓", "row below", () => acts.move(review, row()), false),
    key("ArrowUp", "↑", "row above", () => acts.move(review, -row()), false),
  ];
}

function lastDone(review: Review) {
  return review.history.peek().find((d) => d.status.peek() !== "undone");
}

/** A pressed key by name: the letter on it also where another alphabet is set. */
export function keyName(event: KeyboardEvent): string {
  const { key, code, shiftKey } = event;
  if (key === " ") return "Space";
  if (key.length > 1) return shiftKey && key.startsWith("Arrow") ? `Shift+${key}` : key;
  if (/^Digit[0-9]$/.test(code) && !shiftKey) return code[5]!; // digits without Shift, on any layout
  if (/^Numpad[0-9]$/.test(code)) return code[6]!;
  if (key.charCodeAt(0) > 127 && code.startsWith("Key")) return code[3]!.toLowerCase();
  return key.toLowerCase();
}

export function bindingFor(review: Review, name: string): Binding | undefined {
  for (const group of keymap(review)) {
    const found = group.bindings.find((b) => b.keys.includes(name));
    if (found) return found;
  }
  return undefined;
}
