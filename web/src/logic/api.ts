// Requests to the server that sent this page, and to no other.
import type { Card, Click, Decision, FrameLabels, Receipt, State, Box } from "./wire";

/** Something went wrong, said so that a person can act. `status` 0: nobody answered. */
export class Trouble extends Error {
  readonly status: number;
  readonly remedy: string;

  constructor(status: number, problem: string, remedy = "") {
    super(problem);
    this.status = status;
    this.remedy = remedy;
  }
}

export interface Api {
  state(): Promise<State>;
  name(name: string): Promise<unknown>;
  cards(n: number, have: readonly string[]): Promise<{ cards: Card[]; left: number }>;
  card(id: string): Promise<Card>;
  release(cards: readonly string[]): Promise<unknown>;
  decide(decisions: readonly Decision[]): Promise<Receipt[]>;
  frame(session: string, frame: number): Promise<FrameLabels>;
  mask(request: MaskRequest): Promise<{ counts: string; score: number }>;
}

export interface MaskRequest {
  readonly session: string;
  readonly frame_id: number;
  readonly clicks: readonly Click[];
  readonly box_xyxy?: Box;
}

export const api: Api = {
  state: () => ask("/api/state"),
  name: (name) => ask("/api/reviewer", { name }),
  cards: (n, have) => ask("/api/cards", { n, have }),
  card: (id) => ask(`/api/card/${encodeURIComponent(id)}`),
  release: (cards) => ask("/api/release", { cards }, true),
  decide: (decisions) => ask("/api/decisions", decisions),
  frame: (session, frame) => ask(`/api/frame/${encodeURIComponent(session)}/${frame}`),
  mask: (request) => ask("/api/mask", request),
};

export function stripUrl(card: Card, height: number): string {
  return `/media/strip/${encodeURIComponent(card.id)}.webp?height=${height}&v=${card.v}`;
}

/** `version` is that of the session's recording, so that the browser may keep the picture. */
export function frameUrl(session: string, frame: number, width: number, version = ""): string {
  const v = version && `&v=${encodeURIComponent(version)}`;
  return `/media/frame/${encodeURIComponent(session)}/${frame}.webp?width=${width}${v}`;
}

/** The answer as JSON; throws Trouble. With a body it is a POST. */
async function ask<T>(path: string, body?: unknown, last = false): Promise<T> {
  const post: RequestInit = {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Scenekeeper": "1" },
    body: JSON.stringify(body),
    keepalive: last, // the page is going away
  };
  const answer = await reach(path, body === undefined ? {} : post);
  return (await answer.json()) as T;
}

/** An answer that is good; throws Trouble with what the server says is to be done. */
export async function reach(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...init });
  } catch {
    throw new Trouble(0, "the review server does not answer");
  }
  if (answer.ok) return answer;
  const said = (await answer.json().catch(() => ({}))) as { error?: string; remedy?: string };
  const problem = said.error ?? `the server answered ${answer.status}`;
  throw new Trouble(answer.status, problem, said.remedy ?? "");
}
