import assert from "node:assert/strict";
import { test } from "node:test";
import { about, decisions, told } from "../src/logic/decisions";
import { search } from "../src/logic/fuzzy";
import { extremes, fit, tiles, tiling, toFrame, within, zoomed } from "../src/logic/geometry";
import { uuid7 } from "../src/logic/ids";
import { keyName } from "../src/logic/keymap";
import { clock, count, duration, interval, percent, sessionTail } from "../src/logic/words";
import { keyOf, type Box, type View } from "../src/logic/wire";
import { card, subject } from "./made";
import shared from "./shared.json";

test("tiles lie where the server puts them", () => {
  const views = shared.windows.map((window_xyxy) => ({ window_xyxy }) as unknown as View);
  for (const [height, wanted] of Object.entries(shared.tiles)) {
    const found = tiles(views, Number(height)).map((t) => [t.x, t.y, t.width, t.height]);
    assert.deepEqual(found, wanted);
  }
});

test("a point goes to the screen and back", () => {
  const place = fit([10, 20, 110, 70], 400, 400);
  const [x, y] = toFrame(place, [200, 200]);
  assert.ok(Math.abs(x - 60) < 1e-9 && Math.abs(y - 45) < 1e-9);
});

test("zoom keeps what is pointed at, and stays in the frame", () => {
  const frame: Box = [0, 0, 640, 480];
  const near = zoomed(frame, [320, 240], 4, frame);
  assert.deepEqual(near, [240, 180, 400, 300]);
  assert.deepEqual(zoomed(near, [320, 240], 0.01, frame), frame);
  assert.deepEqual(within([-50, 470, 50, 570], frame), [0, 380, 100, 480]);
  const nearest = zoomed(frame, [0, 0], 1e9, frame);
  assert.ok(nearest[2] - nearest[0] >= 16 - 1e-9);
});

test("four clicks in any order make a box inside the frame", () => {
  const box = extremes([[30, 9], [5, 20], [31.26, 50], [18, 70]], [60, 80]);
  assert.deepEqual(box, [5, 9, 31.3, 60]);
});

test("tiles fill a field as well as they can", () => {
  assert.deepEqual(tiling(12, 800, 600, 1, 0), { columns: 4, width: 200, height: 200 });
  assert.deepEqual(tiling(2, 800, 100, 2, 0), { columns: 2, width: 200, height: 100 });
  for (let n = 1; n < 70; n++) {
    const { columns, width, height } = tiling(n, 900, 500, 1, 6);
    assert.ok(columns * (width + 6) - 6 <= 900 && Math.ceil(n / columns) * (height + 6) - 6 <= 500);
  }
});

test("a name is found by a few of its letters, the likeliest first", () => {
  const words = ["white mug", "mug", "muggle", "game controller", "magazine", "remote control"];
  assert.deepEqual(search(words, "mug").map((m) => m.word), ["mug", "muggle", "white mug"]);
  assert.equal(search(words, "gc")[0]!.word, "game controller");
  assert.equal(search(words, "rcon")[0]!.word, "remote control");
  assert.deepEqual(search(words, "xyz"), []);
  assert.equal(search(words, "").length, words.length);
  for (const { word, at } of search(words, "me con")) {
    assert.equal(at.map((k) => word[k]).join("").replaceAll(" ", ""), "mecon");
  }
});

test("numbers are said shortly", () => {
  assert.equal(clock(75.25), "1:15.2");
  assert.equal(clock(3723.4), "1:02:03.4");
  assert.equal(clock(-1), "0:00.0");
  assert.equal(count(1234, "label"), "1,234 labels");
  assert.equal(count(1, "label"), "1 label");
  assert.equal(duration(0.2), "< 1 min");
  assert.equal(duration(90.2), "1 h 30 min");
  assert.equal(percent(0.061), "6.1 %");
  assert.equal(percent(0.12), "12 %");
  assert.equal(interval(0.004, 0.12), "0–12 %");
  assert.equal(interval(0.032, 0.075), "3.2–7.5 %");
  const two = ["home-7-visit-1", "home-7-visit-2"];
  assert.deepEqual(two.map((s) => sessionTail(s, two)), ["visit-1", "visit-2"]);
  assert.equal(sessionTail("only", ["only"]), "only");
});

test("ids differ, sort by time and suit the server", () => {
  const ids = Array.from({ length: 500 }, () => uuid7(1_700_000_000_000));
  assert.equal(new Set(ids).size, 500);
  assert.ok(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)));
  assert.ok(uuid7(1_700_000_000_000) < uuid7(1_700_000_000_001));
});

test("decisions carry what the server takes, the time shared among them", () => {
  const shown = card({ id: "c", kind: "track" });
  const made = decisions(shown, [about(shown, "accept"), about(shown, "reject")], 3000, "page x");
  assert.deepEqual(made.map((d) => d.think_ms), [1500, 1500]);
  assert.ok(made.every((d) => Number.isInteger(d.t_ns) && d.card === "c" && d.base === 7));
  assert.equal(told(shown, [about(shown, "relabel", { phrase: "cup" })]), "mug → cup");
});

test("a subject's key is the log's", () => {
  assert.equal(keyOf(subject({})), "track/s/3");
  const on = subject({ kind: "relation", other: 4, predicate: "on" });
  assert.equal(keyOf(on), "relation/s/3/4/on");
});

test("keys are known on other keyboards too", () => {
  const press = (key: string, code: string, shiftKey = false) =>
    keyName({ key, code, shiftKey } as KeyboardEvent);
  assert.equal(press(" ", "Space"), "Space");
  assert.equal(press("&", "Digit1"), "1"); // French
  assert.equal(press("/", "Digit7", true), "/"); // German
  assert.equal(press("ы", "KeyS"), "s"); // Russian
  assert.equal(press("X", "KeyX", true), "x");
  assert.equal(press("ArrowRight", "ArrowRight", true), "Shift+ArrowRight");
});
