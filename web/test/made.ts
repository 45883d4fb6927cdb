// Things to test with; none has pictures.
import type { Card, Decision, Receipt, State, Subject } from "../src/logic/wire";

export function subject(over: Partial<Subject>): Subject {
  return { kind: "track", session: "s", id: 3, other: -1, predicate: "", ...over };
}

export function card(over: Partial<Card>): Card {
  return {
    id: "c", kind: "track", subject: subject({}), revision: 7, phrase: "mug", choices: ["cup", "bowl"],
    statement: "", views: [], context: null, series: [], parts: [], frames: 40, sessions: 1,
    v: "", contents: {}, ...over,
  };
}

export function state(over: Partial<State>): State {
  return {
    dataset: "kitchen.sk", page: "v1", reviewer: "anna", decided: 0, left: 3, waiting_seconds: 0,
    words: ["mug", "cup"], certificate: null, quality: [], minutes: null, notes: [], ...over,
  };
}

export function saved(sent: readonly Decision[], seq = 20): Receipt[] {
  return sent.map((d, k) => ({ id: d.id, status: "saved", seq: seq + k, reason: "" }));
}

/** The browser's store, in memory. */
export function store(): Storage {
  const kept = new Map<string, string>();
  return {
    get length() {
      return kept.size;
    },
    key: (k) => [...kept.keys()][k] ?? null,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    clear: () => kept.clear(),
  };
}

/** Lets what waits for nothing but promises happen. */
export async function settled(): Promise<void> {
  for (let k = 0; k < 20; k++) await new Promise((done) => setImmediate(done));
}
