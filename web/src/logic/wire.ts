// What travels between the page and its server, as JSON.

export type Point = readonly [number, number];
export type Box = readonly [number, number, number, number];
/** x, y in pixels of the frame; 1 = on the thing, 0 = not on it. */
export type Click = readonly [number, number, 0 | 1];

export type Kind = "object" | "track" | "pair" | "frame" | "relation" | "caption";
export type CardKind = Kind | "gallery";
export type Op =
  | "accept" | "reject" | "relabel" | "trim" | "split" | "same" | "different"
  | "box" | "mask" | "add" | "caption" | "unsure" | "complete" | "undo";

export interface Subject {
  readonly kind: Kind;
  readonly session: string;
  readonly id: number;
  readonly other: number;
  readonly predicate: string;
}

/** A window of a frame, and the thing in it. `size` is [height, width] of the whole frame. */
export interface View {
  readonly session: string;
  readonly frame_id: number;
  readonly seconds: number;
  readonly size: readonly [number, number];
  readonly window_xyxy: Box;
  readonly box_xyxy: Box | null;
  readonly counts: string | null;
}

export interface Part {
  readonly subject: Subject;
  readonly revision: number;
  readonly phrase: string;
  readonly frames: number;
  readonly views: readonly View[];
}

export interface Card {
  readonly id: string;
  readonly kind: CardKind;
  readonly subject: Subject;
  readonly revision: number;
  readonly phrase: string;
  readonly choices: readonly string[];
  readonly statement: string;
  readonly views: readonly View[];
  readonly context: View | null;
  readonly series: readonly (readonly [number, number])[];
  readonly parts: readonly Part[];
  readonly frames: number;
  readonly sessions: number;
  /** Version of its strip of pictures, and of the recording of each session it shows. */
  readonly v: string;
  readonly contents: Readonly<Record<string, string>>;
}

export interface Decision {
  readonly id: string;
  readonly op: Op;
  readonly subject: Subject;
  readonly body: Readonly<Record<string, unknown>>;
  readonly t_ns: number;
  readonly base: number;
  readonly think_ms: number;
  readonly client: string;
  readonly card: string;
}

export interface Receipt {
  readonly id: string;
  readonly status: "saved" | "already" | "conflict" | "refused";
  readonly seq: number;
  readonly reason: string;
}

export interface Quality {
  readonly kind: string;
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

export interface Certificate {
  readonly statement: string;
  readonly share: number;
  readonly left: number;
  readonly void: boolean;
}

export interface State {
  readonly dataset: string;
  readonly page: string;
  readonly reviewer: string;
  readonly decided: number;
  readonly left: number;
  readonly waiting_seconds: number;
  readonly words: readonly string[];
  readonly certificate: Certificate | null;
  readonly quality: readonly Quality[];
  /** Fingerprint of the labels. */
  readonly snapshot?: string;
  readonly minutes: number | null;
  /** What else the reviewer should know, such as a recording that cannot be read. */
  readonly notes: readonly string[];
}

export interface Instance {
  readonly track: number;
  readonly object: number;
  readonly phrase: string;
  readonly box_xyxy: Box;
  readonly counts: string | null;
}

export interface FrameLabels {
  readonly size: readonly [number, number];
  readonly instances: readonly Instance[];
}

/** The subject in one line, as the server's log has it. */
export function keyOf(s: Subject): string {
  const other = s.other === -1 ? "" : `/${s.other}`;
  return `${s.kind}/${s.session}/${s.id}${other}${s.predicate ? `/${s.predicate}` : ""}`;
}
