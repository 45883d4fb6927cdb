// One whole frame to look at closely, and to draw boxes and masks on.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { boxOf, click, zoomBy } from "../logic/acts";
import { frameUrl } from "../logic/api";
import { FRAME_WIDTH } from "../logic/deck";
import { fit, frameBox, moved, toFrame, type Placement } from "../logic/geometry";
import { traced } from "../logic/deck";
import type { Review, Shot } from "../logic/review";
import type { Point } from "../logic/wire";
import { useReview, useSize } from "./context";
import * as paint from "./paint";

export function Stage({ shot, label }: { shot: Shot; label: string }) {
  const review = useReview();
  const [box, width, height] = useSize<HTMLDivElement>();
  const canvas = useRef<HTMLCanvasElement>(null);
  const [pointer, point] = useState<Point | null>(null);
  const picture = usePicture(review, shot);
  const drawing = isDrawing(review);
  const place = fit(review.zoom.value ?? frameBox(shot.size), width || 1, height || 1);
  useLayoutEffect(() => {
    if (canvas.current) draw(canvas.current, review, shot, picture.bitmap, drawing ? pointer : null);
  });
  useEffect(() => {
    if (drawing && review.large.value) canvas.current?.focus();
  }, [drawing, review.large.value]);
  useWheel(canvas, place, review);
  const drag = useDrag(review, shot, place, point);
  return (
    <div class={drawing ? "stage drawing" : "stage"} ref={box} style={{ "--shape": `${shot.size[1]} / ${shot.size[0]}` }}>
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        tabIndex={drawing ? 0 : -1}
        onKeyDown={(e) => cursor(e, review, place, [width, height], pointer, point)}
        {...drag}
      />
      {picture.problem && <p class="missing">{picture.problem}</p>}
    </div>
  );
}

export function isDrawing(review: Review): boolean {
  const { is } = review.mode.value;
  return is === "box" || is === "mask";
}

/** The frame's picture, a larger one where it is looked at closely. */
function usePicture(review: Review, { session, frame_id, size: [, width] }: Shot) {
  const close = review.large.value || review.zoom.value !== null;
  const wide = Math.min(width, close ? 2 * FRAME_WIDTH : FRAME_WIDTH);
  const version = review.shown.value?.card.contents[session];
  const url = frameUrl(session, frame_id, wide, version);
  const small = frameUrl(session, frame_id, Math.min(width, FRAME_WIDTH), version);
  const [problem, told] = useState<[string, string]>(["", ""]);
  const [, arrived] = useState("");
  useEffect(() => {
    let wanted = true;
    review.pictures.get(url).then(
      () => wanted && arrived(url),
      (error: Error & { remedy?: string }) =>
        wanted && told([url, [error.message, error.remedy].filter(Boolean).join(". ")]),
    );
    return () => void (wanted = false);
  }, [url]);
  const bitmap = review.pictures.now(url) ?? review.pictures.now(small);
  return { bitmap, problem: problem[0] === url ? problem[1] : "" };
}

function draw(
  canvas: HTMLCanvasElement, review: Review, shot: Shot, picture: ImageBitmap | null, pointer: Point | null,
): void {
  const [pen, width, height] = paint.fresh(canvas);
  const place = fit(review.zoom.value ?? frameBox(shot.size), width, height);
  if (picture) paint.paintFrame(pen, picture, shot.size, place);
  const ready = review.shown.value;
  if (review.outlines.value) {
    for (const path of ready?.labelled ?? []) paint.stroke(pen, new Path2D(path), place, paint.SECOND, 1.5);
    for (const path of secondOf(review, shot)) paint.stroke(pen, new Path2D(path), place, paint.SECOND);
    const plain = !isDrawing(review) || ready?.card.kind === "frame";
    if (shot.outline && plain) paint.stroke(pen, new Path2D(shot.outline), place, paint.FIRST);
  }
  drawMarks(pen, review, shot, place);
  if (pointer) paint.paintCross(pen, pointer, width, height);
}

/** Outlines of the other thing of a relation in the same frame. */
function secondOf(review: Review, shot: Shot): string[] {
  const ready = review.shown.value;
  if (ready?.card.kind !== "relation") return [];
  const [, other] = ready.card.parts;
  const same = (other?.views ?? []).filter(
    (v) => v.session === shot.session && v.frame_id === shot.frame_id,
  );
  return same.map((v) => traced(v.counts, v.box_xyxy, v.size, frameBox(v.size)));
}

/** What has been drawn and not been sent. */
function drawMarks(pen: CanvasRenderingContext2D, review: Review, shot: Shot, place: Placement): void {
  const mode = review.mode.value;
  for (const { box, phrase } of review.marked.value) {
    paint.stroke(pen, paint.boxPath(box), place, paint.FIRST);
    paint.paintName(pen, phrase, box[0] * place.scale + place.x, box[1] * place.scale + place.y);
  }
  const drawn = review.drawn.value?.box ?? boxOf(review);
  if (drawn) paint.stroke(pen, paint.boxPath(drawn), place, paint.FIRST);
  if (mode.is === "mask" && mode.counts) {
    const path = new Path2D(traced(mode.counts, null, shot.size, frameBox(shot.size)));
    paint.fill(pen, path, place, paint.FIRST);
    paint.stroke(pen, path, place, paint.FIRST);
  }
  if (mode.is === "box") for (const [x, y] of mode.clicks) paint.paintClick(pen, [x, y, 1], place);
  if (mode.is === "mask") for (const c of mode.clicks) paint.paintClick(pen, c, place);
}

// --- pointer and keys -----------------------------------------------------------------------------

function useDrag(review: Review, shot: Shot, place: Placement, point: (p: Point | null) => void) {
  const held = useRef<{ from: Point; last: Point; dragged: boolean } | null>(null);
  const at = (e: PointerEvent): Point => [e.offsetX, e.offsetY];
  return {
    onPointerDown(e: PointerEvent) {
      held.current = { from: at(e), last: at(e), dragged: false };
      (e.currentTarget as Element).setPointerCapture(e.pointerId);
    },
    onPointerMove(e: PointerEvent) {
      const now = at(e);
      const hold = held.current;
      if (hold && Math.hypot(now[0] - hold.from[0], now[1] - hold.from[1]) > 4) hold.dragged = true;
      if (hold?.dragged && review.zoom.peek()) {
        const [dx, dy] = [(hold.last[0] - now[0]) / place.scale, (hold.last[1] - now[1]) / place.scale];
        review.zoom.value = moved(review.zoom.peek()!, dx, dy, frameBox(shot.size));
      }
      if (hold) hold.last = now;
      if (isDrawing(review)) point(now);
    },
    onPointerUp(e: PointerEvent) {
      const hold = held.current;
      held.current = null;
      const on = e.button === 0 && !e.shiftKey && !e.altKey;
      if (hold && !(hold.dragged && review.zoom.peek())) click(review, toFrame(place, at(e)), on);
    },
    onPointerLeave: () => point(null),
    onContextMenu: (e: Event) => e.preventDefault(),
    onDblClick: (e: MouseEvent) =>
      isDrawing(review) || zoomBy(review, 2, toFrame(place, [e.offsetX, e.offsetY])),
  };
}

/** Wheel to zoom; by hand, because the page must not scroll. */
function useWheel(canvas: { current: HTMLCanvasElement | null }, place: Placement, review: Review): void {
  useEffect(() => {
    const element = canvas.current;
    const turn = (e: WheelEvent) => {
      e.preventDefault();
      zoomBy(review, Math.exp(-e.deltaY / 400), toFrame(place, [e.offsetX, e.offsetY]));
    };
    element?.addEventListener("wheel", turn, { passive: false });
    return () => element?.removeEventListener("wheel", turn);
  });
}

const ARROWS: Record<string, Point> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

/** Drawing by keys: arrows move the cross, Space clicks, N says that the thing is not there. */
function cursor(
  e: KeyboardEvent, review: Review, place: Placement, [width, height]: Point,
  pointer: Point | null, point: (p: Point) => void,
): void {
  if (!isDrawing(review)) return;
  const way = ARROWS[e.key];
  const [x, y] = pointer ?? [width / 2, height / 2];
  if (way) {
    const by = e.shiftKey ? 20 : 2;
    point([clamp(x + way[0] * by, width), clamp(y + way[1] * by, height)]);
  } else if (pointer && (e.key === " " || e.key === "n")) {
    click(review, toFrame(place, pointer), e.key === " ");
  } else return;
  e.preventDefault();
  e.stopPropagation();
}

function clamp(value: number, most: number): number {
  return Math.min(Math.max(value, 0), most);
}
