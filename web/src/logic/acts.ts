// What a reviewer can do with the card that is shown.
import { batch } from "@preact/signals";
import { Trouble } from "./api";
import { about, aboutPart, type Saying } from "./decisions";
import { extremes, frameBox, isBox, zoomed } from "./geometry";
import { runs } from "./rle";
import { shotOfLabel, type Fix, type Marked, type Review, type Shot } from "./review";
import type { Box, Card, Click, Op, Point } from "./wire";

export function cardOf(review: Review): Card | null {
  return review.shown.value?.card ?? null;
}

/** The decisions that need nothing but a key. */
export function say(review: Review, op: Op, body: Saying["body"] = {}): void {
  const card = review.shown.peek()?.card;
  if (card) review.settle([about(card, op, body)]);
}

export function accept(review: Review): void {
  const card = review.shown.peek()?.card;
  if (card) say(review, "accept", card.phrase ? { phrase: card.phrase } : {});
}

/** Another name: of the card, of the later part of a split, of a new box or of an odd tile. */
export function name(review: Review, phrase: string): void {
  const card = review.shown.peek()?.card;
  if (!card) return;
  const mode = review.mode.peek();
  if (review.drawn.peek()) mark(review, phrase);
  else if (mode.is === "split") finishSplit(review, phrase);
  else if (card.kind === "gallery") fix(review, { op: "relabel", phrase });
  else if (phrase === card.phrase) accept(review);
  else say(review, "relabel", { phrase });
}

export function choose(review: Review, number: number): void {
  const phrase = review.shown.peek()?.card.choices[number - 1];
  if (phrase) name(review, phrase);
}

// --- moving ---------------------------------------------------------------------------------------

export function count(card: Card): number {
  if (card.kind === "pair") return Math.max(...card.parts.map((part) => part.views.length));
  return card.views.length || card.parts.length;
}

/** To another crop or tile, counted from the one that is looked at. */
export function move(review: Review, by: number): void {
  const card = review.shown.peek()?.card;
  if (card) lookAt(review, Math.min(Math.max(review.at.peek() + by, 0), count(card) - 1));
}

export function lookAt(review: Review, at: number): void {
  batch(() => {
    review.at.value = at;
    review.stepped.value = null;
    review.zoom.value = null;
    const mode = review.mode.peek();
    if (mode.is === "box" || mode.is === "mask") restart(review);
    if (mode.is === "trim") setEnd(review);
  });
}

/** Nearer by a factor, about a point of the frame or the thing's middle. */
export function zoomBy(review: Review, factor: number, about?: Point): void {
  const shot = review.shot.peek();
  if (!shot) return;
  const frame = frameBox(shot.size);
  const [x0, y0, x1, y1] = shot.box ?? frame;
  const point = about ?? [(x0 + x1) / 2, (y0 + y1) / 2];
  const window = zoomed(review.zoom.peek() ?? frame, point, factor, frame);
  const whole = window[2] - window[0] >= frame[2] && window[3] - window[1] >= frame[3];
  review.zoom.value = whole ? null : window;
}

/** To the next frame in which the track was seen, between the crops too. */
export async function step(review: Review, by: number): Promise<void> {
  const card = review.shown.peek()?.card;
  const shot = review.shot.peek();
  if (!card || !shot || card.kind !== "track" || !card.series.length) return;
  const { series } = card;
  const found = series.findIndex(([frame]) => frame >= shot.frame_id);
  const here = found < 0 ? series.length - 1 : found;
  await lookAtFrame(review, series[Math.min(Math.max(here + by, 0), series.length - 1)]![0]);
}

/** Shows any frame of a track's session, with the track's outline in it. */
export async function lookAtFrame(review: Review, frame: number): Promise<void> {
  const card = review.shown.peek()?.card;
  const from = review.shot.peek();
  if (!card || !from || from.frame_id === frame) return;
  const place = { session: card.subject.session || from.session, frame_id: frame, size: from.size };
  review.stepped.value = { ...place, box: null, outline: "" };
  const trim = review.mode.peek().is === "trim";
  if (trim) setEnd(review);
  try {
    const { size, instances } = await review.api.frame(place.session, frame);
    if (review.stepped.peek()?.frame_id !== frame) return; // went on meanwhile
    const mine = instances.find((i) => i.track === card.subject.id);
    review.stepped.value = shotOfLabel({ ...place, size }, mine);
  } catch (error) {
    complain(review, error);
  }
}

// --- trim and split -------------------------------------------------------------------------------

export function beginSplit(review: Review): void {
  const card = review.shown.peek()?.card;
  const shot = review.shot.peek();
  if (!card || !shot) return;
  if (shot.frame_id <= firstFrame(card)) {
    review.notice({
      bad: false,
      text: "There is nothing before this picture.",
      remedy: "Go to the first picture of the other thing with → and press S there.",
    });
    return;
  }
  review.mode.value = { is: "split" };
}

export function finishSplit(review: Review, phrase?: string): void {
  const frame = review.shot.peek()?.frame_id;
  if (frame !== undefined) say(review, "split", phrase ? { frame, phrase } : { frame });
}

/** T: what is right ends at this picture; T again: it begins there. */
export function trim(review: Review): void {
  const card = review.shown.peek()?.card;
  if (!card) return;
  const mode = review.mode.peek();
  const first = firstFrame(card);
  const last = lastFrame(card);
  if (mode.is === "trim") {
    review.mode.value = { is: "trim", first, last, end: mode.end === "last" ? "first" : "last" };
  } else {
    review.mode.value = { is: "trim", first, last, end: "last" };
  }
  setEnd(review);
}

function setEnd(review: Review): void {
  const mode = review.mode.peek();
  const frame = review.shot.peek()?.frame_id;
  if (mode.is !== "trim" || frame === undefined) return;
  review.mode.value = mode.end === "last" ? { ...mode, last: frame } : { ...mode, first: frame };
}

export function finishTrim(review: Review): void {
  const mode = review.mode.peek();
  const card = review.shown.peek()?.card;
  if (mode.is !== "trim" || !card) return;
  const { first, last } = mode;
  if (first === firstFrame(card) && last === lastFrame(card)) accept(review);
  else say(review, "trim", { first, last });
}

export function firstFrame({ views, series }: Card): number {
  return Math.min(...views.map((v) => v.frame_id), ...series.map(([frame]) => frame));
}

export function lastFrame({ views, series }: Card): number {
  return Math.max(...views.map((v) => v.frame_id), ...series.map(([frame]) => frame));
}

// --- boxes and masks ------------------------------------------------------------------------------

export function beginBox(review: Review): void {
  batch(() => {
    review.large.value = true;
    review.drawn.value = null;
    review.mode.value = { is: "box", clicks: [] };
  });
}

export function beginMask(review: Review): void {
  batch(() => {
    review.large.value = true;
    review.drawn.value = null;
    review.mode.value = { is: "mask", clicks: [], counts: null, busy: false };
  });
}

/** One click on the stage, in pixels of the frame; `on` = on the thing. */
export function click(review: Review, [x, y]: Point, on: boolean): void {
  const mode = review.mode.peek();
  const shot = review.shot.peek();
  if (!shot || review.drawn.peek()) return;
  const [height, width] = shot.size;
  const point = [clamp(x, width), clamp(y, height)] as const;
  if (mode.is === "box" && mode.clicks.length < 4) {
    review.mode.value = { is: "box", clicks: [...mode.clicks, point] };
    if (mode.clicks.length === 3) boxDone(review, shot);
  } else if (mode.is === "mask") {
    void ask(review, [...mode.clicks, [...point, on ? 1 : 0]]);
  }
}

export function takeBack(review: Review): void {
  const mode = review.mode.peek();
  if (review.drawn.peek()) restart(review);
  else if (mode.is === "box" && mode.clicks.length) {
    review.mode.value = { is: "box", clicks: mode.clicks.slice(0, -1) };
  } else if (mode.is === "mask") void ask(review, mode.clicks.slice(0, -1));
  else if (isFrame(review)) review.marked.value = review.marked.peek().slice(0, -1);
}

/** The box of four clicks; too small a one is begun anew. */
export function boxOf(review: Review): Box | null {
  const mode = review.mode.value;
  const shot = review.shot.value;
  if (mode.is !== "box" || mode.clicks.length < 4 || !shot) return null;
  const box = extremes(mode.clicks, shot.size);
  return isBox(box) ? box : null;
}

function boxDone(review: Review, shot: Shot): void {
  const mode = review.mode.peek();
  if (mode.is !== "box") return;
  const box = extremes(mode.clicks, shot.size);
  if (!isBox(box)) {
    review.mode.value = { is: "box", clicks: [] };
    review.notice({ bad: false, text: "That box has no area.", remedy: "Click its four extremes." });
  } else if (isFrame(review)) askName(review, box, null);
}

function askName(review: Review, box: Box, counts: string | null): void {
  batch(() => {
    review.drawn.value = { box, counts };
    review.dialog.value = "search";
  });
}

async function ask(review: Review, clicks: readonly Click[]): Promise<void> {
  const shot = review.shot.peek();
  if (!shot) return;
  if (!clicks.some(([, , on]) => on)) {
    review.mode.value = { is: "mask", clicks, counts: null, busy: false };
    return;
  }
  const now = review.mode.peek();
  const counts = now.is === "mask" ? now.counts : null;
  const asked = { is: "mask", clicks, counts, busy: true } as const;
  review.mode.value = asked;
  try {
    const { session, frame_id } = shot;
    const answer = await review.api.mask({ session, frame_id, clicks });
    runs(answer.counts); // throws where it is no mask
    if (review.mode.peek() !== asked) return; // clicked on meanwhile
    review.mode.value = { is: "mask", clicks, counts: answer.counts, busy: false };
  } catch (error) {
    if (review.mode.peek() === asked) review.mode.value = { ...asked, busy: false };
    if (error instanceof Trouble && error.status === 501) cancel(review);
    complain(review, error);
  }
}

export function finishDrawing(review: Review): void {
  const mode = review.mode.peek();
  const frame = review.shot.peek()?.frame_id;
  if (frame === undefined) return;
  const box = boxOf(review);
  if (mode.is === "box" && box) say(review, "box", { frame, box_xyxy: box });
  if (mode.is === "mask" && mode.counts && !mode.busy) {
    const { counts, clicks } = mode;
    if (isFrame(review)) askName(review, boxAround(counts, review.shot.peek()!.size), counts);
    else say(review, "mask", { frame, counts, clicks });
  }
}

/** The tight box of a mask, from its runs. */
export function boxAround(counts: string, [rows]: readonly [number, number]): Box {
  let [x0, y0, x1, y1] = [Infinity, Infinity, 0, 0];
  let start = 0;
  runs(counts).forEach((run, k) => {
    const end = start + run;
    if (k % 2 && run) {
      const [left, right] = [Math.floor(start / rows), Math.floor((end - 1) / rows)];
      [x0, x1] = [Math.min(x0, left), Math.max(x1, right + 1)];
      y0 = Math.min(y0, left === right ? start % rows : 0);
      y1 = Math.max(y1, left === right ? ((end - 1) % rows) + 1 : rows);
    }
    start = end;
  });
  return [x0, y0, x1, y1];
}

// --- whole frames ---------------------------------------------------------------------------------

function mark(review: Review, phrase: string): void {
  const drawn = review.drawn.peek();
  if (!drawn) return;
  batch(() => {
    const found: Marked = { phrase, ...drawn };
    review.marked.value = [...review.marked.peek(), found];
    restart(review);
  });
}

export function complete(review: Review): void {
  const card = review.shown.peek()?.card;
  if (!card) return;
  const marked = review.marked.peek();
  const added = marked.map(({ phrase, box, counts }) =>
    about(card, "add", { phrase, box_xyxy: box, ...(counts ? { counts } : {}) }),
  );
  review.settle([...added, about(card, "complete", { missed: marked.length })]);
}

// --- galleries ------------------------------------------------------------------------------------

/** Marks the tile that is looked at as odd, or takes that back. */
export function toggle(review: Review, at = review.at.peek()): void {
  batch(() => {
    review.at.value = at;
    const fixes = new Map(review.fixes.peek());
    if (!fixes.delete(at)) fixes.set(at, { op: "odd" });
    review.fixes.value = fixes;
  });
}

/** Says what the tile that is looked at is; goes on to the next odd one if asked one by one. */
export function fix(review: Review, what: Fix): void {
  batch(() => {
    const fixes = new Map(review.fixes.peek()).set(review.at.peek(), what);
    review.fixes.value = fixes;
    if (review.mode.peek().is === "odd" && !toNextOdd(review)) finishGallery(review);
  });
}

function toNextOdd(review: Review): boolean {
  const left = [...review.fixes.peek()].filter(([, f]) => f.op === "odd").map(([k]) => k);
  if (!left.length) return false;
  review.at.value = Math.min(...left);
  return true;
}

/** Enter: asks what the odd ones are; again: is unsure of those not named, and accepts the rest. */
export function confirmGallery(review: Review): void {
  if (review.mode.peek().is !== "odd" && toNextOdd(review)) review.mode.value = { is: "odd" };
  else finishGallery(review);
}

function finishGallery(review: Review): void {
  const card = review.shown.peek()?.card;
  if (!card) return;
  const fixes = review.fixes.peek();
  review.settle(
    card.parts.map((part, k) => {
      const found = fixes.get(k);
      if (!found) return aboutPart(part, "accept", { phrase: part.phrase });
      if (found.op === "relabel") return aboutPart(part, "relabel", { phrase: found.phrase });
      return aboutPart(part, found.op === "reject" ? "reject" : "unsure");
    }),
  );
}

// --- leaving --------------------------------------------------------------------------------------

/** Back to plain looking, nothing said. */
export function cancel(review: Review): void {
  batch(() => {
    review.drawn.value = null;
    review.large.value = false;
    review.mode.value = isFrame(review) ? { is: "box", clicks: [] } : { is: "look" };
  });
}

/** The same tool from the start. */
function restart(review: Review): void {
  review.drawn.value = null;
  review.mode.value =
    review.mode.peek().is === "mask"
      ? { is: "mask", clicks: [], counts: null, busy: false }
      : { is: "box", clicks: [] };
}

function isFrame(review: Review): boolean {
  return review.shown.peek()?.card.kind === "frame";
}

function complain(review: Review, error: unknown): void {
  const { message, remedy = "" } = error as { message: string; remedy?: string };
  review.notice({ bad: true, text: message, remedy });
}

function clamp(value: number, most: number): number {
  return Math.round(Math.min(Math.max(value, 0), most) * 10) / 10;
}
