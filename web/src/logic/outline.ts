// The outline of a mask as SVG path data, in pixels of its frame.
import type { Box } from "./wire";
import { decode, type Bitmap } from "./rle";

type Loop = number[]; // x, y, x, y, ... corners in order; the last joins the first

const STEP = [[1, 0], [0, 1], [-1, 0], [0, -1]] as const; // east, south, west, north

/** Closed loops along the pixels' edges, foreground to the right. */
export function loops({ width, height, data }: Bitmap): Loop[] {
  const stride = width + 1;
  const exits = edges(width, height, data);
  const found: Loop[] = [];
  for (let from = 0; from < exits.length; from++) {
    while (exits[from]) found.push(walk(from));
  }
  return found;

  function walk(from: number): Loop {
    const loop: Loop = [];
    let at = from;
    let heading = 31 - Math.clz32(exits[from]! & -exits[from]!);
    const begun = heading;
    do {
      exits[at]! &= ~(1 << heading);
      at += STEP[heading]![0] + STEP[heading]![1] * stride;
      const next = turn(exits[at]!, heading, at === from ? begun : -1);
      if (next !== heading) loop.push(at % stride, Math.floor(at / stride));
      heading = next;
    } while (!(at === from && heading === begun));
    return loop;
  }
}

/** Right first, so that pixels which touch at a corner only are apart. */
function turn(exits: number, heading: number, begun: number): number {
  for (const by of [1, 0, 3]) {
    const next = (heading + by) % 4;
    if (exits & (1 << next) || next === begun) return next;
  }
  throw new RangeError("the outline is not closed");
}

function edges(width: number, height: number, data: Uint8Array): Uint8Array {
  const stride = width + 1;
  const exits = new Uint8Array(stride * (height + 1));
  for (let y = 0, k = 0; y < height; y++) {
    for (let x = 0; x < width; x++, k++) {
      if (!data[k]) continue;
      const corner = y * stride + x;
      if (y === 0 || !data[k - width]) exits[corner]! |= 1;
      if (x === width - 1 || !data[k + 1]) exits[corner + 1]! |= 2;
      if (y === height - 1 || !data[k + width]) exits[corner + stride + 1]! |= 4;
      if (x === 0 || !data[k - 1]) exits[corner + stride]! |= 8;
    }
  }
  return exits;
}

/** Path data with corners rounded by at most `radius` pixels: steps of pixels become slopes. */
export function pathOf(found: readonly Loop[], [dx, dy]: readonly [number, number], radius = 2): string {
  return found.map((loop) => rounded(loop, dx, dy, radius)).join("");
}

function rounded(loop: Loop, dx: number, dy: number, radius: number): string {
  const n = loop.length / 2;
  let path = "";
  for (let k = 0; k < n; k++) {
    const [x, y] = corner(k);
    const [ax, ay] = toward(x, y, corner(k - 1));
    const [bx, by] = toward(x, y, corner(k + 1));
    path += `${k ? "L" : "M"}${ax} ${ay}Q${x} ${y} ${bx} ${by}`;
  }
  return `${path}Z`;

  function corner(k: number): [number, number] {
    const i = ((k + n) % n) * 2;
    return [loop[i]! + dx, loop[i + 1]! + dy];
  }

  function toward(x: number, y: number, [tx, ty]: [number, number]): [number, number] {
    const length = Math.abs(tx - x) + Math.abs(ty - y);
    const share = Math.min(0.5, radius / length);
    return [x + (tx - x) * share, y + (ty - y) * share];
  }
}

/** Path data of a mask's outline inside a window; of the box where there is no mask. */
export function outline(
  counts: string | null,
  box: Box | null,
  size: readonly [number, number],
  window: Box,
): string {
  if (counts) {
    const found = loops(decode(counts, size, window));
    return pathOf(found, [window[0], window[1]]);
  }
  if (!box) return "";
  const [x0, y0, x1, y1] = box;
  return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
}
