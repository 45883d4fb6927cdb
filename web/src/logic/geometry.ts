// Windows, zoom and boxes, all in pixels.
import type { Box, Point, View } from "./wire";

/** Frame pixel p is drawn at p * scale + [x, y]. */
export interface Placement {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** Where a window of a frame goes so that all of it is seen, in the middle. */
export function fit([x0, y0, x1, y1]: Box, width: number, height: number): Placement {
  const scale = Math.min(width / Math.max(1, x1 - x0), height / Math.max(1, y1 - y0));
  return {
    scale,
    x: (width - (x1 - x0) * scale) / 2 - x0 * scale,
    y: (height - (y1 - y0) * scale) / 2 - y0 * scale,
  };
}

export function toFrame({ scale, x, y }: Placement, [px, py]: Point): Point {
  return [(px - x) / scale, (py - y) / scale];
}

/** The window `factor` times as large as seen, with the point `about` kept where it is. */
export function zoomed(window: Box, about: Point, factor: number, frame: Box): Box {
  const [x0, y0, x1, y1] = window;
  const most = Math.max(frame[2] - frame[0], frame[3] - frame[1]);
  const least = 16; // pixels across: enough to tell one from the next
  const k = Math.min(Math.max((x1 - x0) / factor, least), most) / (x1 - x0);
  const [ax, ay] = about;
  return within([ax - (ax - x0) * k, ay - (ay - y0) * k, ax + (x1 - ax) * k, ay + (y1 - ay) * k], frame);
}

export function moved([x0, y0, x1, y1]: Box, dx: number, dy: number, frame: Box): Box {
  return within([x0 + dx, y0 + dy, x1 + dx, y1 + dy], frame);
}

/** A window pushed back into the frame; centred along a side on which it is larger. */
export function within([x0, y0, x1, y1]: Box, frame: Box): Box {
  const [ax0, ax1] = along(x0, x1, frame[0], frame[2]);
  const [ay0, ay1] = along(y0, y1, frame[1], frame[3]);
  return [ax0, ay0, ax1, ay1];
}

function along(a: number, b: number, low: number, high: number): Point {
  const length = b - a;
  if (length >= high - low) {
    const middle = (low + high) / 2;
    return [middle - length / 2, middle + length / 2];
  }
  const start = Math.min(Math.max(a, low), high - length);
  return [start, start + length];
}

export function frameBox([height, width]: readonly [number, number]): Box {
  return [0, 0, width, height];
}

/** The box around four extreme points, in any order. */
export function extremes(points: readonly Point[], [height, width]: readonly [number, number]): Box {
  const xs = points.map((p) => Math.min(Math.max(p[0], 0), width));
  const ys = points.map((p) => Math.min(Math.max(p[1], 0), height));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)].map(
    (v) => Math.round(v * 10) / 10,
  ) as unknown as Box;
}

/** Whether a box is one: a pixel or more each way. */
export function isBox([x0, y0, x1, y1]: Box): boolean {
  return x1 - x0 >= 1 && y1 - y0 >= 1;
}

/** Pixels of a strip; further tiles begin another row. */
const STRIP_WIDTH = 8192;
/** A tile is at most so many times as wide as high, or as high as wide. */
const WIDEST = 4;

export interface Tile {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Where each view lies in the strip of all views that the server makes. */
export function tiles(views: readonly View[], height: number): Tile[] {
  let x = 0;
  let y = 0;
  return views.map((view) => {
    const width = Math.max(1, Math.round(height * aspect(view)));
    if (x && x + width > STRIP_WIDTH) [x, y] = [0, y + height];
    const tile = { x, y, width, height };
    x += width;
    return tile;
  });
}

/** Width over height of a view's window as it is shown. */
export function aspect({ window_xyxy: [x0, y0, x1, y1] }: View): number {
  return Math.min(Math.max((x1 - x0) / Math.max(1, y1 - y0), 1 / WIDEST), WIDEST);
}

export interface Tiling {
  readonly columns: number;
  readonly width: number;
  readonly height: number;
}

/** How n tiles of an aspect (width / height) fill a field best, with a gap between them. */
export function tiling(n: number, width: number, height: number, shape: number, gap: number): Tiling {
  let best: Tiling = { columns: 1, width: 0, height: 0 };
  for (let columns = 1; columns <= n; columns++) {
    const rows = Math.ceil(n / columns);
    const wide = (width + gap) / columns - gap;
    const high = (height + gap) / rows - gap;
    const w = Math.max(0, Math.floor(Math.min(wide, high * shape)));
    if (w > best.width) best = { columns, width: w, height: Math.floor(w / shape) };
  }
  return best;
}

/** A tiling as the properties that the style sheet reads. */
export function asStyle({ columns, width, height }: Tiling): Record<string, string> {
  return { "--columns": `${columns}`, "--wide": `${width}px`, "--high": `${height}px` };
}
