// Decisions as the server takes them.
import { uuid7 } from "./ids";
import type { Card, Decision, Op, Part, Subject } from "./wire";

/** What is said of one subject. */
export interface Saying {
  readonly op: Op;
  readonly subject: Subject;
  readonly revision: number;
  readonly body?: Readonly<Record<string, unknown>>;
}

export function about(card: Card, op: Op, body: Saying["body"] = {}): Saying {
  return { op, subject: card.subject, revision: card.revision, body };
}

export function aboutPart(part: Part, op: Op, body: Saying["body"] = {}): Saying {
  return { op, subject: part.subject, revision: part.revision, body };
}

/** Completes what is said of a card; the time it took is shared evenly. */
export function decisions(
  card: Card,
  sayings: readonly Saying[],
  milliseconds: number,
  client: string,
  base: (saying: Saying) => number = (s) => s.revision,
): Decision[] {
  const now = Date.now();
  return sayings.map((saying) => ({
    id: uuid7(now),
    op: saying.op,
    subject: saying.subject,
    body: saying.body ?? {},
    t_ns: now * 1_000_000,
    base: base(saying),
    think_ms: Math.round(milliseconds / sayings.length),
    client,
    card: card.id,
  }));
}

/** The decision that makes another one not count. */
export function undoing(done: Decision, client: string): Decision {
  const now = Date.now();
  return {
    id: uuid7(now),
    op: "undo",
    subject: done.subject,
    body: { of: done.id },
    t_ns: now * 1_000_000,
    base: -1,
    think_ms: 0,
    client,
    card: done.card,
  };
}

/** What was decided, in a few words. */
export function told(card: Card, sayings: readonly Saying[]): string {
  const [first] = sayings;
  if (!first) return "";
  if (card.kind === "gallery") {
    const odd = sayings.filter((s) => s.op !== "accept").length;
    return `${card.phrase}: ${sayings.length - odd} right, ${odd} odd`;
  }
  if (card.kind === "frame") {
    const added = sayings.filter((s) => s.op === "add").length;
    return added ? `${added} missing in a frame` : "nothing missing in a frame";
  }
  return said(card, first);
}

function said(card: Card, { op, body }: Saying): string {
  const name = card.statement || card.phrase;
  switch (op) {
    case "accept": return `${name} ✓`;
    case "reject": return `${name} ✗`;
    case "relabel": return `${name} → ${String(body?.phrase)}`;
    case "split": return `${name}, split`;
    case "trim": return `${name}, trimmed`;
    case "box": return `${name}, new box`;
    case "mask": return `${name}, new mask`;
    case "same": return "the same thing";
    case "different": return "different things";
    case "caption": return String(body?.text);
    case "unsure": return `${name || "a pair"}, unsure`;
    default: return name;
  }
}
