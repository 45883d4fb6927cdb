import assert from "node:assert/strict";
import { test } from "node:test";
import * as acts from "../src/logic/acts";
import { Trouble, type Api } from "../src/logic/api";
import { bindingFor, keymap } from "../src/logic/keymap";
import { makeReview } from "../src/logic/review";
import type { Card, Decision, Part, Receipt } from "../src/logic/wire";
import { card, saved, settled, state, store, subject } from "./made";

interface World {
  api: Api;
  sent: Decision[];
  seqs: Map<string, number>;
  answer: (sent: readonly Decision[]) => Receipt[];
}

function world(cards: Card[]): World {
  const left = [...cards];
  const made: World = {
    sent: [],
    seqs: new Map(),
    answer: (sent) => saved(sent, 20 + made.sent.length),
    api: {
      state: async () => state({}),
      name: async () => null,
      cards: async (n, have) => {
        const dealt = left.filter((c) => !have.includes(c.id)).slice(0, n);
        dealt.forEach((c) => left.splice(left.indexOf(c), 1));
        return { cards: dealt, left: left.length };
      },
      card: async (id) => ({ ...cards.find((c) => c.id === id)!, revision: 99 }),
      release: async () => null,
      decide: async (sent) => {
        made.sent.push(...sent);
        const receipts = made.answer(sent);
        receipts.forEach((r) => made.seqs.set(r.id, r.seq));
        return receipts;
      },
      frame: async () => ({ size: [10, 10], instances: [] }),
      mask: async () => Promise.reject(new Trouble(501, "no segmenter", "Start with --segmenter")),
    },
  };
  return made;
}

function opened(made: World, over = {}) {
  let clock = 0;
  const pictures = { now: () => null, get: async () => Promise.reject(new Trouble(404, "none")) };
  const review = makeReview({
    api: made.api, pictures, version: "v1", state: state(over), store: store(), now: () => (clock += 500),
  });
  review.start();
  return review;
}

const three = [1, 2, 3].map((id) => card({ id: `c${id}`, subject: subject({ id }) }));

test("a key decides, and the next card is there at once", async () => {
  const made = world(three);
  const review = opened(made);
  await settled();
  assert.equal(review.shown.value?.card.id, "c1");
  review.painted();
  bindingFor(review, "Space")!.run(review);
  assert.equal(review.shown.value?.card.id, "c2"); // before the server has answered
  await settled();
  assert.deepEqual(made.sent.map((d) => [d.op, d.card, d.base, d.think_ms]), [["accept", "c1", 7, 500]]);
  assert.equal(review.history.value[0]!.status.value, "saved");
});

test("a card whose answer is on its way is not asked for again", async () => {
  const made = world(three);
  const asked: string[][] = [];
  const { cards } = made.api;
  const api: Api = {
    ...made.api,
    cards: (n, have) => (asked.push([...have]), cards(n, have)),
    decide: () => new Promise(() => undefined), // the answer never comes
  };
  const review = opened({ ...made, api });
  await settled();
  acts.accept(review);
  await settled();
  assert.deepEqual(new Set(asked.at(-1)), new Set(["c1", "c2", "c3"]));
});

test("undo brings the card back, and what is decided then is no conflict with oneself", async () => {
  const made = world(three);
  const review = opened(made);
  await settled();
  acts.choose(review, 1);
  await settled();
  bindingFor(review, "z")!.run(review);
  assert.equal(review.shown.value?.card.id, "c1");
  acts.accept(review); // while the undo is on its way
  await settled();
  assert.deepEqual(made.sent.map((d) => d.op), ["relabel", "undo", "accept"]);
  assert.equal(made.sent[1]!.body.of, made.sent[0]!.id);
  assert.equal(made.sent[2]!.base, -1);
  review.undo(review.history.value[0]);
  await settled();
  acts.accept(review);
  await settled();
  assert.equal(made.sent.at(-2)!.op, "undo");
  assert.equal(made.sent.at(-1)!.base, made.seqs.get(made.sent.at(-2)!.id));
});

test("any of the last decisions can be undone, also after a reload", async () => {
  const made = world(three);
  const kept = store();
  const pictures = { now: () => null, get: async () => Promise.reject(new Trouble(404, "none")) };
  const setting = { api: made.api, pictures, version: "v1", state: state({}), store: kept, now: () => 0 };
  const first = makeReview(setting);
  first.start();
  await settled();
  acts.accept(first);
  acts.accept(first);
  await new Promise((done) => setTimeout(done, 400));
  const again = makeReview(setting);
  assert.equal(again.history.value.length, 2);
  again.undo(again.history.value[1]);
  await settled();
  assert.equal(made.sent.at(-1)!.op, "undo");
  assert.equal(made.sent.at(-1)!.subject.id, 1);
  assert.deepEqual([again.shown.value?.card.id, again.shown.value?.card.revision], ["c1", 99]);
});

test("a conflict says what to do and shows the card again", async () => {
  const made = world(three);
  made.answer = (sent) => sent.map((d) => ({ id: d.id, status: "conflict", seq: 9, reason: "Bea said no." }));
  const review = opened(made);
  await settled();
  acts.accept(review);
  await settled();
  const [notice] = review.notices.value;
  assert.match(notice!.text, /Bea said no/);
  notice!.action!.run();
  await settled();
  assert.equal(review.shown.value?.card.id, "c1");
  assert.equal(review.shown.value?.card.revision, 99);
  acts.accept(review);
  assert.equal(review.shown.value?.card.id, "c2"); // the one that was put aside
});

test("labels made anew bring new cards, and the one that is looked at stays", async () => {
  const made = world(three);
  const review = opened({ ...made, api: { ...made.api, state: async () => state({ snapshot: "b" }) } }, { snapshot: "a" });
  await settled();
  assert.deepEqual([review.shown.value?.card.id, review.deck.rest()], ["c1", ["c2", "c3"]]);
  await review.refresh();
  assert.deepEqual([review.shown.value?.card.id, review.deck.rest()], ["c1", []]);
});

test("another version of the page neither decides nor sends", async () => {
  const made = world(three);
  const review = opened(made, { page: "v2" });
  await settled();
  assert.equal(review.blocked.value, "reload");
  acts.accept(review);
  await settled();
  assert.equal(made.sent.length, 0);
});

test("split, trim and search say what was seen", async () => {
  const view = (frame_id: number) => ({
    session: "s", frame_id, seconds: frame_id, size: [10, 10] as const, window_xyxy: [0, 0, 4, 4] as const,
    box_xyxy: [1, 1, 3, 3] as const, counts: null,
  });
  const tracks = three.map((c) => ({ ...c, views: [0, 10, 20, 30].map(view), series: [[0, 1], [35, 1]] as const }));
  const made = world(tracks);
  const review = opened(made);
  await settled();
  bindingFor(review, "s")!.run(review);
  assert.equal(review.mode.value.is, "look"); // nothing lies before the first picture
  acts.move(review, 2);
  bindingFor(review, "s")!.run(review);
  bindingFor(review, "1")!.run(review);
  await settled();
  assert.deepEqual(made.sent[0]!.body, { frame: 20, phrase: "cup" });
  acts.move(review, 2);
  bindingFor(review, "t")!.run(review);
  acts.move(review, -1);
  bindingFor(review, "t")!.run(review);
  bindingFor(review, "Enter")!.run(review);
  await settled();
  assert.deepEqual(made.sent[1]!.body, { first: 10, last: 35 });
  bindingFor(review, "/")!.run(review);
  acts.name(review, "spoon");
  await settled();
  assert.deepEqual(made.sent[2]!.body, { phrase: "spoon" });
});

test("a gallery: odd ones are named one by one, the rest accepted", async () => {
  const parts: Part[] = [1, 2, 3, 4].map((id) =>
    ({ subject: subject({ id }), revision: id, phrase: "mug", frames: 5, views: [] }));
  const made = world([card({ id: "g", kind: "gallery", parts }), ...three]);
  const review = opened(made);
  await settled();
  acts.toggle(review, 0);
  acts.toggle(review, 2);
  acts.toggle(review, 3);
  acts.toggle(review, 3); // taken back
  bindingFor(review, "Enter")!.run(review);
  assert.deepEqual([review.mode.value.is, review.at.value], ["odd", 0]);
  bindingFor(review, "2")!.run(review);
  assert.equal(review.at.value, 2);
  bindingFor(review, "x")!.run(review);
  await settled();
  assert.deepEqual(made.sent.map((d) => [d.op, d.subject.id, d.base, d.body.phrase]), [
    ["relabel", 1, 1, "bowl"], ["accept", 2, 2, "mug"], ["reject", 3, 3, undefined], ["accept", 4, 4, "mug"],
  ]);
  review.undo(review.history.value[0]);
  await settled();
  assert.deepEqual(new Set(made.sent.slice(4).map((d) => d.body.of)), new Set(made.sent.slice(0, 4).map((d) => d.id)));
});

test("a frame: four clicks and a name for each missing thing, then all is said", async () => {
  const seen = { session: "s", frame_id: 5, seconds: 0, size: [100, 100] as const,
    window_xyxy: [0, 0, 100, 100] as const, box_xyxy: null, counts: null };
  const made = world([card({ id: "f", kind: "frame", views: [seen], subject: subject({ kind: "frame", id: 5 }) })]);
  const review = opened(made);
  await settled();
  for (const point of [[10, 20], [30, 5], [50, 20], [30, 44]] as const) acts.click(review, point, true);
  assert.equal(review.dialog.value, "search");
  acts.name(review, "cup");
  bindingFor(review, "p")!.run(review);
  acts.click(review, [50, 50], true);
  await settled();
  assert.match(review.notices.value[0]!.remedy, /--segmenter/);
  bindingFor(review, "Enter")!.run(review);
  await settled();
  assert.deepEqual(made.sent.map((d) => [d.op, d.body]), [
    ["add", { phrase: "cup", box_xyxy: [10, 5, 50, 44] }], ["complete", { missed: 1 }],
  ]);
});

test("no key means two things on any card", async () => {
  for (const kind of ["track", "object", "pair", "gallery", "relation", "caption", "frame"] as const) {
    const review = opened(world([card({ kind })]));
    await settled();
    const keys = keymap(review).flatMap((g) => g.bindings.flatMap((b) => b.keys));
    assert.equal(new Set(keys).size, keys.length, `${kind}: ${keys.join(" ")}`);
  }
});
