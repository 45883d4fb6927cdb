// Decisions on their way to the server. Each is kept in the browser until it is acknowledged, so
// neither a lost connection nor a closed page loses one.
import { signal, type ReadonlySignal } from "@preact/signals";
import { Trouble } from "./api";
import type { Decision, Receipt } from "./wire";

const BATCH = 64;
const WAITS = [500, 1000, 2000, 4000, 8000, 15000]; // milliseconds

export interface Outbox {
  /** How many are not acknowledged. */
  readonly waiting: ReadonlySignal<number>;
  /** Why they are not, if something is wrong. */
  readonly trouble: ReadonlySignal<Trouble | null>;
  push(decisions: readonly Decision[]): void;
  /** Sends all, or says in `trouble` why not. */
  flush(): Promise<void>;
  /** Whether something about this subject is still on its way. */
  holds(matches: (decision: Decision) => boolean): boolean;
  /** Cards whose answers are still on their way. */
  cards(): string[];
  /** No more is sent until the page is loaded anew. */
  hold(): void;
}

export interface Post {
  readonly store: Pick<Storage, "getItem" | "setItem" | "removeItem" | "key" | "length"> | null;
  readonly prefix: string;
  readonly send: (decisions: readonly Decision[]) => Promise<Receipt[]>;
  /** Called once for each decision that is answered. */
  readonly answered: (decision: Decision, receipt: Receipt) => void;
  readonly later: (act: () => void, milliseconds: number) => void;
}

export function makeOutbox(post: Post): Outbox {
  const pending = kept(post);
  const waiting = signal(pending.length);
  const trouble = signal<Trouble | null>(null);
  let sending = false;
  let held = false;
  let failures = 0;

  return {
    waiting,
    trouble,
    push(decisions) {
      for (const decision of decisions) keep(decision);
      waiting.value = pending.length;
      void flush();
    },
    flush,
    holds: (matches) => pending.some(matches),
    cards: () => [...new Set(pending.map((d) => d.card))],
    hold() {
      held = true;
    },
  };

  function keep(decision: Decision): void {
    pending.push(decision);
    try {
      post.store?.setItem(post.prefix + decision.id, JSON.stringify(decision));
    } catch {
      // The browser's store is full: it is kept in memory, and sent as ever.
    }
  }

  async function flush(): Promise<void> {
    if (sending || held) return;
    sending = true;
    let size = BATCH;
    while (pending.length && !held) {
      const batch = pending.slice(0, size);
      const problem = await deliver(batch);
      if (!problem) {
        failures = 0;
        size = BATCH;
        trouble.value = null;
      } else if (batch.length > 1 && isFinal(problem)) {
        size = 1; // find the one that is not taken
      } else if (isFinal(problem)) {
        const [bad] = batch;
        const reason = [problem.message, problem.remedy].filter(Boolean).join(". ");
        settle(bad!, { id: bad!.id, status: "refused", seq: 0, reason });
      } else {
        trouble.value = problem;
        const wait = WAITS[Math.min(failures++, WAITS.length - 1)]!;
        post.later(() => void flush(), wait);
        break;
      }
    }
    sending = false;
  }

  async function deliver(batch: readonly Decision[]): Promise<Trouble | null> {
    try {
      const receipts = new Map((await post.send(batch)).map((r) => [r.id, r]));
      const answered = batch.filter((d) => receipts.has(d.id));
      for (const decision of answered) settle(decision, receipts.get(decision.id)!);
      return answered.length ? null : new Trouble(0, "the server did not say what it saved");
    } catch (error) {
      return error instanceof Trouble ? error : new Trouble(0, String(error));
    }
  }

  function settle(decision: Decision, receipt: Receipt): void {
    pending.splice(pending.indexOf(decision), 1);
    waiting.value = pending.length;
    post.store?.removeItem(post.prefix + decision.id);
    post.answered(decision, receipt);
  }
}

/** Whether sending the same again would meet the same answer. */
function isFinal({ status }: Trouble): boolean {
  return status === 400 || status === 404 || status === 413 || status === 422;
}

/** What an earlier page left unsent, oldest first: ids sort by time. */
function kept({ store, prefix }: Post): Decision[] {
  const found: [string, Decision][] = [];
  for (let k = 0; store && k < store.length; k++) {
    const key = store.key(k);
    if (!key?.startsWith(prefix)) continue;
    try {
      found.push([key, JSON.parse(store.getItem(key) ?? "") as Decision]);
    } catch {
      // Not ours.
    }
  }
  return found.sort(([a], [b]) => (a < b ? -1 : 1)).map(([, decision]) => decision);
}
