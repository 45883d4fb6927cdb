// The next cards, fetched with their pictures before they are wanted.
import { signal, type ReadonlySignal } from "@preact/signals";
import { frameUrl, stripUrl, Trouble, type Api } from "./api";
import { frameBox, tiles, type Tile } from "./geometry";
import { outline } from "./outline";
import type { Pictures } from "./pictures";
import type { Box, Card, View } from "./wire";

export const AHEAD = 8;
const LEASED = 12;
const AT_ONCE = 3;
export const STRIP_HEIGHT = 192;
export const FRAME_WIDTH = 960;

/** A view as it is painted: a tile of a strip and an outline as SVG path data. */
export interface Crop {
  readonly view: View;
  readonly tile: Tile;
  readonly outline: string;
}

/** A card with everything that is needed to paint it at once. */
export interface Ready {
  readonly card: Card;
  readonly strip: ImageBitmap | null;
  readonly crops: readonly Crop[];
  /** Crops of each part, in the order of the parts. */
  readonly parts: readonly (readonly Crop[])[];
  /** Outlines of what is labelled in the frame of a frame card. */
  readonly labelled: readonly string[];
  /** Why there are no pictures. */
  readonly trouble: Trouble | null;
}

export interface Deck {
  readonly left: ReadonlySignal<number>;
  /** Asked for cards and got none. */
  readonly empty: ReadonlySignal<boolean>;
  readonly trouble: ReadonlySignal<Trouble | null>;
  /** The next card if there is one; more are fetched. */
  take(): Ready | null;
  /** Puts a card in front. */
  back(ready: Ready): void;
  fill(): Promise<void>;
  /** Gives up the cards that were not taken, and asks for others. */
  renew(): void;
  /** Ids of the cards that were not taken. */
  rest(): string[];
}

export interface Table {
  /** A card is ready. */
  readonly arrived: () => void;
  /** Cards that were taken and whose decision has not arrived. */
  readonly held: () => readonly string[];
}

export function makeDeck(api: Api, pictures: Pictures, { arrived, held }: Table): Deck {
  const left = signal(0);
  const empty = signal(false);
  const trouble = signal<Trouble | null>(null);
  const ready: Ready[] = [];
  const coming: Card[] = [];
  const begun = new Map<string, Promise<Ready>>();
  let filling = false;
  let preparing = false;

  return {
    left,
    empty,
    trouble,
    take() {
      queueMicrotask(() => void this.fill()); // by then it is known who holds this one
      return ready.shift() ?? null;
    },
    back: (card) => void ready.unshift(card),
    async fill() {
      if (filling || ready.length + coming.length >= AHEAD) return;
      filling = true;
      try {
        const known = new Set([...this.rest(), ...held()]); // others count as lost, and come again
        const answer = await api.cards(LEASED, [...known]);
        left.value = answer.left;
        trouble.value = null;
        const fresh = answer.cards.filter((card) => !known.has(card.id));
        empty.value = !fresh.length && !this.rest().length;
        coming.push(...fresh);
      } catch (error) {
        trouble.value = error instanceof Trouble ? error : new Trouble(0, String(error));
      } finally {
        filling = false;
      }
      await prepare();
    },
    renew() {
      ready.length = 0;
      coming.length = 0;
      void this.fill();
    },
    rest: () => [...ready.map((r) => r.card.id), ...coming.map((c) => c.id)],
  };

  /** In order, so that no card is passed over because its pictures came late. */
  async function prepare(): Promise<void> {
    if (preparing) return;
    preparing = true;
    for (let first = coming[0]; first; first = coming[0]) {
      const waited = !ready.length && !held().length; // somebody looks at an empty page
      for (const card of coming.slice(0, waited ? 1 : AT_ONCE)) {
        if (!begun.has(card.id)) begun.set(card.id, prepared(card, api, pictures));
      }
      const made = await begun.get(first.id)!;
      begun.delete(first.id);
      if (coming[0] !== first) continue; // given up meanwhile
      coming.shift();
      ready.push(made);
      arrived();
    }
    preparing = false;
  }
}

/** A card with its pictures decoded and its outlines traced; never fails. */
export async function prepared(card: Card, api: Api, pictures: Pictures): Promise<Ready> {
  const views = [...card.views, ...card.parts.flatMap((part) => part.views)];
  const all = tiles(views, STRIP_HEIGHT);
  const crops = views.map((view, k) => ({ view, tile: all[k]!, outline: outlineOf(view) }));
  let at = card.views.length;
  const parts = card.parts.map((part) => crops.slice(at, (at += part.views.length)));
  const context = contextUrl(card);
  const around = context ? pictures.get(context).catch(() => null) : null;
  const base = { card, crops: crops.slice(0, card.views.length), parts };
  try {
    const labelled = card.kind === "frame" ? await outlinesOf(card, api) : [];
    const strip = views.length && card.kind !== "frame"
      ? await pictures.get(stripUrl(card, STRIP_HEIGHT))
      : null;
    await around;
    return { ...base, strip, labelled, trouble: null };
  } catch (error) {
    const trouble = error instanceof Trouble ? error : new Trouble(0, String(error));
    return { ...base, strip: null, labelled: [], trouble };
  }
}

async function outlinesOf(card: Card, api: Api): Promise<string[]> {
  const { size, instances } = await api.frame(card.subject.session, card.subject.id);
  return instances.map((i) => traced(i.counts, i.box_xyxy, size, frameBox(size)));
}

function contextUrl(card: Card): string | null {
  const view = card.context ?? card.views[0] ?? card.parts[0]?.views[0];
  return view ? frameUrl(view.session, view.frame_id, frameWidth(view), card.contents[view.session]) : null;
}

/** How wide a frame is asked for. */
export function frameWidth({ size: [, width] }: View): number {
  return Math.min(FRAME_WIDTH, width);
}

/** The outline inside the view's window. */
export function outlineOf({ counts, box_xyxy, size, window_xyxy }: View): string {
  return traced(counts, box_xyxy, size, window_xyxy);
}

/** The outline of a mask; of the box where the mask's bytes are bad. */
export function traced(
  counts: string | null,
  box: Box | null,
  size: readonly [number, number],
  window: Box,
): string {
  try {
    return outline(counts, box, size, window);
  } catch {
    return outline(null, box, size, window);
  }
}
