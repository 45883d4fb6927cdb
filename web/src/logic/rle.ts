// COCO run-length masks: column-major runs, background first, in signed base 32.
import type { Box } from "./wire";

/** Run lengths of a `counts` string; throws a RangeError where it is none. */
export function runs(counts: string): number[] {
  const out: number[] = [];
  let at = 0;
  while (at < counts.length) {
    let value = 0;
    let place = 1; // 32^k: shifts of 32-bit integers would overflow
    for (let more = true; more; place *= 32) {
      const c = counts.charCodeAt(at++) - 48;
      if (!(c >= 0 && c < 64)) throw new RangeError("the mask's bytes are no run lengths");
      value += (c & 31) * place;
      more = (c & 32) !== 0;
      if (!more && c & 16) value -= 32 * place;
    }
    // From the fourth run on, a value is the difference to the run two before it.
    if (out.length > 2) value += out[out.length - 2]!;
    if (value < 0) throw new RangeError("the mask has a negative run");
    out.push(value);
  }
  return out;
}

/** A mask inside a window of its frame: 1 = foreground, row by row. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Decode `counts` of a frame of `size` [height, width] inside a half-open window. */
export function decode(counts: string, size: readonly [number, number], window: Box): Bitmap {
  const [rows, columns] = size;
  const [x0, y0, x1, y1] = window;
  const width = Math.max(0, x1 - x0);
  const height = Math.max(0, y1 - y0);
  const data = new Uint8Array(width * height);
  let start = 0;
  let on = false;
  for (const run of runs(counts)) {
    const end = start + run;
    if (on) fill(start, end);
    start = end;
    on = !on;
  }
  if (start !== rows * columns) {
    throw new RangeError(`the mask covers ${start} pixels, the frame has ${rows * columns}`);
  }
  return { width, height, data };

  function fill(from: number, to: number): void {
    const first = Math.max(Math.floor(from / rows), x0);
    const last = Math.min(Math.floor((to - 1) / rows), x1 - 1);
    for (let x = first; x <= last; x++) {
      const top = Math.max(from - x * rows, y0, 0);
      const bottom = Math.min(to - x * rows, y1, rows);
      for (let y = top; y < bottom; y++) data[(y - y0) * width + (x - x0)] = 1;
    }
  }
}
