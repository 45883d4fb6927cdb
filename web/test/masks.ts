import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, runs, type Bitmap } from "../src/logic/rle";
import { loops, outline, pathOf } from "../src/logic/outline";
import { boxAround } from "../src/logic/acts";
import shared from "./shared.json";

type Size = readonly [number, number];

function rowsOf({ width, height, data }: Bitmap): string[] {
  return Array.from({ length: height }, (_, y) =>
    [...data.subarray(y * width, (y + 1) * width)].map((v) => (v ? "#" : ".")).join(""),
  );
}

/** Area inside loops; holes run the other way round. */
function area(found: number[][]): number {
  let twice = 0;
  for (const loop of found) {
    for (let k = 0; k < loop.length; k += 2) {
      const [x, y] = [loop[k]!, loop[k + 1]!];
      const [u, v] = [loop[(k + 2) % loop.length]!, loop[(k + 3) % loop.length]!];
      twice += x * v - u * y;
    }
  }
  return twice / 2;
}

test("masks that Python wrote are read", () => {
  for (const { rows, size, counts } of shared.masks) {
    const [h, w] = size as unknown as Size;
    assert.deepEqual(rowsOf(decode(counts, [h, w], [0, 0, w, h])), rows);
  }
});

test("a window shows its part of the mask, and nothing beyond the frame", () => {
  const { rows, size, counts } = shared.masks[4]!;
  const bitmap = decode(counts, size as unknown as Size, [-1, 2, 3, 7]);
  assert.deepEqual(rowsOf(bitmap), [`.${rows[2]!.slice(0, 3)}`, `.${rows[3]!.slice(0, 3)}`,
    `.${rows[4]!.slice(0, 3)}`, "....", "...."]);
});

test("a large mask keeps its area", () => {
  const { size, counts, area: wanted } = shared.disc;
  const { data } = decode(counts, size as unknown as Size, [0, 0, 640, 480]);
  assert.equal(data.reduce((a, b) => a + b, 0), wanted);
});

test("outlines enclose what the mask holds", () => {
  for (const { rows, size, counts } of shared.masks) {
    const [h, w] = size as unknown as Size;
    const found = loops(decode(counts, [h, w], [0, 0, w, h]));
    assert.equal(area(found), rows.join("").replaceAll(".", "").length);
  }
});

test("pixels that touch at a corner have outlines of their own", () => {
  const { size, counts } = shared.masks[5]!;
  const [h, w] = size as unknown as Size;
  assert.equal(loops(decode(counts, [h, w], [0, 0, w, h])).length, 10);
});

test("an outline is a closed path, in pixels of the frame", () => {
  const path = pathOf([[0, 0, 8, 0, 8, 8, 0, 8]], [10, 20], 2);
  assert.equal(path, "M10 22Q10 20 12 20L16 20Q18 20 18 22L18 26Q18 28 16 28L12 28Q10 28 10 26Z");
  assert.equal(outline(null, [1, 2, 3, 4], [9, 9], [0, 0, 9, 9]), "M1 2H3V4H1Z");
  assert.equal(outline(null, null, [9, 9], [0, 0, 9, 9]), "");
});

test("bytes that are no mask are refused", () => {
  const whole = [0, 0, 4, 3] as const;
  for (const bad of ["~", " ", "P", "\u00e9", "1", "O1"]) {
    assert.throws(() => decode(bad, [3, 4], whole), RangeError, JSON.stringify(bad));
  }
  assert.deepEqual(runs(""), []);
});

test("the box of a mask is tight", () => {
  for (const { rows, size, counts } of shared.masks.filter((m) => m.rows.join("").includes("#"))) {
    const [x0, y0, x1, y1] = boxAround(counts, size as unknown as Size);
    const inside = rows.slice(y0, y1).map((r) => r.slice(x0, x1));
    assert.equal(inside.join("").replaceAll(".", ""), rows.join("").replaceAll(".", ""));
    assert.ok(inside[0]!.includes("#") && inside.at(-1)!.includes("#"));
    assert.ok(inside.some((r) => r.startsWith("#")) && inside.some((r) => r.endsWith("#")));
  }
});
