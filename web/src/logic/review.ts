// The state of one review: what is shown, what was decided, what is wrong.
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { Trouble, type Api } from "./api";
import { makeDeck, outlineOf, prepared, traced, type Deck, type Ready } from "./deck";
import { decisions, told, undoing, type Saying } from "./decisions";
import { frameBox } from "./geometry";
import { makeOutbox, type Outbox } from "./outbox";
import type { Pictures } from "./pictures";
import { keyOf, type Box, type Card, type Click, type Decision, type Point } from "./wire";
import type { Receipt, State, View } from "./wire";

/** What keys and clicks mean just now. */
export type Mode =
  | { readonly is: "look" }
  | { readonly is: "split" }
  | { readonly is: "trim"; readonly first: number; readonly last: number; readonly end: "first" | "last" }
  | { readonly is: "box"; readonly clicks: readonly Point[] }
  | { readonly is: "mask"; readonly clicks: readonly Click[]; readonly counts: string | null; readonly busy: boolean }
  | { readonly is: "odd" }
  | { readonly is: "say" };

/** A whole frame with one thing in it, as the stage shows it. */
export interface Shot {
  readonly session: string;
  readonly frame_id: number;
  readonly size: readonly [number, number];
  readonly box: Box | null;
  readonly outline: string;
}

/** Something that no label shows. */
export interface Marked {
  readonly phrase: string;
  readonly box: Box;
  readonly counts: string | null;
}

/** What an odd tile of a gallery is; `odd`: not said yet. */
export interface Fix {
  readonly op: "odd" | "relabel" | "reject" | "unsure";
  readonly phrase?: string;
}

export interface Notice {
  readonly id: number;
  readonly bad: boolean;
  readonly text: string;
  readonly remedy: string;
  readonly action?: { readonly label: string; readonly run: () => void };
}

export interface Done {
  readonly card: string;
  readonly text: string;
  readonly decisions: readonly Decision[];
  readonly ready: Ready | null;
  readonly status: Signal<"waiting" | "saved" | "conflict" | "refused" | "undone">;
}

export type Dialog = "help" | "quality" | "history" | "name" | "search" | null;

export interface Review {
  readonly api: Api;
  readonly pictures: Pictures;
  readonly deck: Deck;
  readonly outbox: Outbox;
  readonly state: Signal<State>;
  /** Why nothing can go on: sign in again, or load the page anew. */
  readonly blocked: Signal<"sign-in" | "reload" | null>;
  readonly shown: Signal<Ready | null>;
  readonly mode: Signal<Mode>;
  readonly dialog: Signal<Dialog>;
  /** Which crop, or which tile of a gallery. */
  readonly at: Signal<number>;
  /** A frame between the crops that was stepped to. */
  readonly stepped: Signal<Shot | null>;
  readonly shot: ReadonlySignal<Shot | null>;
  readonly large: Signal<boolean>;
  /** The part of the frame that the stage shows; null = all of it. */
  readonly zoom: Signal<Box | null>;
  readonly outlines: Signal<boolean>;
  /** Tiles in a row of a gallery. */
  readonly columns: Signal<number>;
  readonly fixes: Signal<ReadonlyMap<number, Fix>>;
  readonly marked: Signal<readonly Marked[]>;
  /** A box that waits for its name. */
  readonly drawn: Signal<{ readonly box: Box; readonly counts: string | null } | null>;
  readonly notices: Signal<readonly Notice[]>;
  readonly history: Signal<readonly Done[]>;
  /** Sends what is said of the card that is shown, and shows the next. */
  settle(sayings: readonly Saying[]): void;
  undo(done: Done | undefined): void;
  notice(notice: Omit<Notice, "id">): void;
  dismiss(id: number): void;
  refresh(): Promise<void>;
  /** A key was pressed, at a time of the browser's clock. */
  keyed(milliseconds: number): void;
  /** The card that is shown has been painted. */
  painted(): void;
  start(): void;
}

const REMEMBERED = 50;
const WITH_PICTURES = 12;

export interface Setting {
  readonly api: Api;
  readonly pictures: Pictures;
  readonly version: string;
  /** The dataset's state when the page was opened. */
  readonly state: State;
  readonly store: Storage | null;
  readonly now: () => number;
}

export function makeReview({ api, pictures, version, state, store, now }: Setting): Review {
  const place = `scenekeeper/${state.dataset}/`; // one browser may review several datasets
  const record = recorder(store, `${place}history`, () => review.history.peek());
  const client = `page ${version}`;
  const known = new Map<string, number>(); // subject -> number of the last event of ours
  let since = 0;
  let pressed: number | null = null;
  let notices = 0;
  let { snapshot } = state;
  let refreshing = false;

  const shown = signal<Ready | null>(null);
  const at = signal(0);
  const stepped = signal<Shot | null>(null);
  const shot = computed(() => stepped.value ?? shotOf(shown.value, at.value));
  const deck = makeDeck(api, pictures, {
    arrived: () => shown.peek() ?? advance(),
    held: () => [...outbox.cards(), ...(shown.peek() ? [shown.peek()!.card.id] : [])],
  });
  const outbox = makeOutbox({
    store,
    prefix: `${place}decision/`,
    send: (sent) => api.decide(sent),
    answered,
    later: (act, milliseconds) => void setTimeout(act, milliseconds),
  });

  const review: Review = {
    api, pictures, deck, outbox, shown, at, stepped, shot,
    state: signal(state),
    blocked: signal(null),
    mode: signal({ is: "look" }),
    dialog: signal(null),
    large: signal(false),
    zoom: signal(null),
    outlines: signal(true),
    columns: signal(1),
    fixes: signal(new Map()),
    marked: signal([]),
    drawn: signal(null),
    notices: signal([]),
    history: signal(recalled(store, `${place}history`)),
    settle,
    undo,
    notice(notice) {
      const same = (n: Notice) => n.text === notice.text && n.remedy === notice.remedy;
      const rest = review.notices.peek().filter((n) => !same(n));
      review.notices.value = [...rest, { ...notice, id: ++notices }].slice(-4);
    },
    dismiss(id) {
      review.notices.value = review.notices.peek().filter((n) => n.id !== id);
    },
    refresh,
    keyed: (milliseconds) => void (pressed = milliseconds),
    painted() {
      since = now();
      if (pressed !== null) performance.measure("key to card", { start: pressed });
      pressed = null;
    },
    start() {
      check(state);
      void outbox.flush();
      void deck.fill();
    },
  };
  return review;

  function show(ready: Ready | null): void {
    batch(() => {
      shown.value = ready;
      at.value = ready ? startAt(ready.card) : 0;
      stepped.value = null;
      review.large.value = false;
      review.zoom.value = null;
      review.outlines.value = true;
      review.fixes.value = new Map();
      review.marked.value = [];
      review.drawn.value = null;
      review.dialog.value = null;
      review.mode.value = modeOf(ready?.card);
    });
  }

  function advance(): void {
    show(deck.take());
  }

  function settle(sayings: readonly Saying[]): void {
    const ready = shown.peek();
    if (!ready || !sayings.length || review.blocked.peek()) return;
    const made = decisions(ready.card, sayings, now() - since, client, baseOf);
    const text = told(ready.card, sayings);
    const status = signal<"waiting">("waiting");
    remember({ card: ready.card.id, text, decisions: made, ready, status });
    outbox.push(made); // first, so that the card counts as answered when more are asked for
    advance();
  }

  /** The revision that was seen; ours since then is no conflict, and what is on its way neither. */
  function baseOf({ subject, revision }: Saying): number {
    const key = keyOf(subject);
    if (outbox.holds((d) => keyOf(d.subject) === key)) return -1;
    return Math.max(revision, known.get(key) ?? -1);
  }

  function remember(done: Done): void {
    const list = [done, ...review.history.peek()].slice(0, REMEMBERED);
    review.history.value = list.map((d, k) =>
      k < WITH_PICTURES || !d.ready ? d : { ...d, ready: null },
    );
    record();
  }

  function answered(decision: Decision, receipt: Receipt): void {
    const good = receipt.status === "saved" || receipt.status === "already";
    if (good) {
      const key = keyOf(decision.subject);
      known.set(key, Math.max(receipt.seq, known.get(key) ?? -1));
    }
    const done = review.history.peek().find((d) => d.decisions.some((x) => x.id === decision.id));
    if (done && done.status.peek() !== "undone") {
      const { status } = receipt;
      if (status === "conflict" || status === "refused") done.status.value = status;
      else if (done.status.peek() === "waiting") done.status.value = "saved";
      record();
    }
    if (!good) complain(decision, receipt, done);
    if (!outbox.waiting.peek()) void refresh();
  }

  function complain(decision: Decision, { status, reason }: Receipt, done: Done | undefined): void {
    const what = done ? `“${done.text}”` : "a decision";
    review.notice({
      bad: true,
      text: status === "conflict"
        ? `${what} needs another look: ${reason}`
        : `${what} was not taken. ${reason}`,
      remedy: status === "conflict"
        ? "Nothing is lost; decide with what is known now."
        : "Nothing else is affected; look again and decide anew.",
      action: { label: "Look again", run: () => void again(decision.card) },
    });
  }

  function undo(done: Done | undefined): void {
    if (!done || done.status.peek() === "undone" || review.blocked.peek()) return;
    const standing = done.status.peek() === "refused" ? [] : done.decisions;
    done.status.value = "undone";
    record();
    void bringBack(done);
    outbox.push(standing.map((d) => undoing(d, client)).reverse());
  }

  async function bringBack(done: Done): Promise<void> {
    if (done.ready) return inFront(done.ready);
    await outbox.flush();
    await again(done.card);
  }

  /** Shows a card again as the server has it now. */
  async function again(id: string): Promise<void> {
    try {
      inFront(await prepared(await api.card(id), api, pictures));
    } catch (error) {
      const { message, remedy } = error as Trouble;
      review.notice({ bad: true, text: message, remedy: remedy ?? "" });
    }
  }

  function inFront(ready: Ready): void {
    const current = shown.peek();
    if (current?.card.id === ready.card.id) return;
    if (current) deck.back(current);
    show(ready);
  }

  async function refresh(): Promise<void> {
    if (refreshing) return;
    refreshing = true;
    try {
      const state = await api.state();
      review.state.value = state;
      check(state);
    } catch (error) {
      if (error instanceof Trouble && error.status === 401) review.blocked.value = "sign-in";
    }
    refreshing = false;
  }

  /** Labels may be made anew under an open page; two versions of the page do not mix: what is not sent waits for the new one. */
  function check(state: State): void {
    if (snapshot !== state.snapshot) deck.renew(); // its cards show labels that are no more
    snapshot = state.snapshot;
    if (state.page && version && state.page !== version) {
      review.blocked.value = "reload";
      outbox.hold();
    } else if (review.blocked.peek() === "sign-in") {
      review.blocked.value = null;
    }
  }
}

/** The frame around one crop. */
function shotOf(ready: Ready | null, at: number): Shot | null {
  if (!ready) return null;
  const { card } = ready;
  const view = card.views[at] ?? card.context ?? card.parts[at]?.views[0];
  return view ? shotOfView(view) : null;
}

export function shotOfView(view: View): Shot {
  const whole = { ...view, window_xyxy: frameBox(view.size) };
  return {
    session: view.session,
    frame_id: view.frame_id,
    size: view.size,
    box: view.box_xyxy,
    outline: outlineOf(whole),
  };
}

/** One labelled thing in a whole frame. */
export function shotOfLabel(
  place: Pick<Shot, "session" | "frame_id" | "size">,
  label: { box_xyxy: Box; counts: string | null } | undefined,
): Shot {
  const whole = frameBox(place.size);
  const drawn = label ? traced(label.counts, label.box_xyxy, place.size, whole) : "";
  return { ...place, box: label?.box_xyxy ?? null, outline: drawn };
}

function modeOf(card: Card | undefined): Mode {
  return card?.kind === "frame" ? { is: "box", clicks: [] } : { is: "look" };
}

/** The crop whose frame is the card's context, so that both show the same. */
function startAt({ views, context }: Card): number {
  const same = (v: View) => v.session === context?.session && v.frame_id === context.frame_id;
  return Math.max(0, views.findIndex(same));
}

/** Keeps what was decided for after a reload, a moment later so that no key waits for it. */
function recorder(store: Storage | null, place: string, history: () => readonly Done[]): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      const kept = history().map(({ card, text, decisions, status }) => ({
        card, text, decisions: decisions.map(bare), status: status.peek(),
      }));
      try {
        store?.setItem(place, JSON.stringify(kept));
      } catch {
        // The browser's store is full: it can be undone until the page is closed.
      }
    }, 300);
  };
}

/** What undoing needs; a mask's bytes are not among it. */
function bare(decision: Decision): Decision {
  return { ...decision, body: {} };
}

function recalled(store: Storage | null, place: string): Done[] {
  try {
    const kept = JSON.parse(store?.getItem(place) ?? "[]") as (Omit<Done, "status" | "ready"> & {
      status: "waiting" | "saved" | "conflict" | "refused" | "undone";
    })[];
    return kept.map((d) => ({ ...d, ready: null, status: signal(d.status) }));
  } catch {
    return [];
  }
}
