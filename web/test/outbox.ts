import assert from "node:assert/strict";
import { test } from "node:test";
import { Trouble } from "../src/logic/api";
import { about, decisions } from "../src/logic/decisions";
import { makeOutbox, type Post } from "../src/logic/outbox";
import type { Decision, Receipt } from "../src/logic/wire";
import { card, saved, settled, store } from "./made";

const shown = card({});

function some(n: number): Decision[] {
  return Array.from({ length: n }, () => decisions(shown, [about(shown, "accept")], 1, "t")[0]!);
}

function setting(send: Post["send"], kept = store()) {
  const answers: Receipt[] = [];
  const later: (() => void)[] = [];
  const post: Post = {
    store: kept, prefix: "p/", send,
    answered: (_, receipt) => void answers.push(receipt),
    later: (act) => void later.push(act),
  };
  return { post, answers, later, kept };
}

test("what cannot be sent is kept and sent later, in order and once", async () => {
  let up = false;
  const got: string[] = [];
  const { post, answers, later, kept } = setting(async (sent) => {
    if (!up) throw new Trouble(0, "nobody answers");
    got.push(...sent.map((d) => d.id));
    return saved(sent);
  });
  const outbox = makeOutbox(post);
  const mine = some(5);
  outbox.push(mine.slice(0, 2));
  outbox.push(mine.slice(2));
  await settled();
  assert.equal(outbox.waiting.value, 5);
  assert.equal(outbox.trouble.value?.message, "nobody answers");
  assert.equal(kept.length, 5);
  up = true;
  later.at(-1)!();
  await settled();
  assert.deepEqual(got, mine.map((d) => d.id));
  assert.equal(outbox.waiting.value, 0);
  assert.equal(outbox.trouble.value, null);
  assert.equal(kept.length, 0);
  assert.equal(answers.length, 5);
});

test("a page that is opened again sends what the last one left", async () => {
  const { post, kept } = setting(async () => Promise.reject(new Trouble(0, "gone")));
  const mine = some(3);
  makeOutbox(post).push(mine);
  await settled();
  const got: string[] = [];
  const next = setting(async (sent) => (got.push(...sent.map((d) => d.id)), saved(sent)), kept);
  const outbox = makeOutbox(next.post);
  assert.equal(outbox.waiting.value, 3);
  await outbox.flush();
  assert.deepEqual(got.sort(), mine.map((d) => d.id).sort());
  assert.equal(kept.length, 0);
});

test("one that the server will never take does not hold up the others", async () => {
  const mine = some(4);
  const bad = mine[2]!.id;
  const { post, answers } = setting(async (sent) => {
    if (sent.some((d) => d.id === bad)) throw new Trouble(413, "too large", "Draw it smaller");
    return saved(sent);
  });
  const outbox = makeOutbox(post);
  outbox.push(mine);
  await settled();
  assert.equal(outbox.waiting.value, 0);
  assert.deepEqual(answers.map((r) => r.status), ["saved", "saved", "refused", "saved"]);
  assert.match(answers[2]!.reason, /too large. Draw it smaller/);
});

test("a full disk, a refused origin and a restart lose nothing", async () => {
  const problems = [new Trouble(507, "disk full", "free some"), new Trouble(403, "origin"), new Trouble(500, "fault")];
  const { post, answers, later } = setting(async (sent) => {
    const next = problems.shift();
    if (next) throw next;
    return saved(sent);
  });
  const outbox = makeOutbox(post);
  outbox.push(some(3));
  for (let k = 0; k < 4; k++) {
    await settled();
    later.pop()?.();
  }
  assert.equal(outbox.waiting.value, 0);
  assert.ok(answers.every((r) => r.status === "saved"));
});

test("a server that forgets one is asked again", async () => {
  let calls = 0;
  const { post, answers } = setting(async (sent) => saved(calls++ ? sent : sent.slice(0, 1)));
  const outbox = makeOutbox(post);
  outbox.push(some(3));
  await settled();
  assert.equal(answers.length, 3);
});

test("conflicts are told", async () => {
  const { post, answers } = setting(async (sent) =>
    sent.map((d) => ({ id: d.id, status: "conflict", seq: 4, reason: "decided by bea" })));
  makeOutbox(post).push(some(1));
  await settled();
  assert.equal(answers[0]!.reason, "decided by bea");
});

test("a store that is full or forbidden costs nothing but safety", async () => {
  const full = { ...store(), setItem: () => { throw new Error("quota"); } } as Storage;
  const { post, answers } = setting(async (sent) => saved(sent), full);
  makeOutbox(post).push(some(2));
  await settled();
  assert.equal(answers.length, 2);
  const none = setting(async (sent) => saved(sent));
  const outbox = makeOutbox({ ...none.post, store: null });
  outbox.push(some(1));
  await settled();
  assert.equal(outbox.waiting.value, 0);
});

test("held, it sends nothing", async () => {
  let calls = 0;
  const { post } = setting(async (sent) => (calls++, saved(sent)));
  const outbox = makeOutbox(post);
  outbox.hold();
  outbox.push(some(1));
  await settled();
  assert.equal(calls, 0);
  assert.equal(outbox.waiting.value, 1);
});
