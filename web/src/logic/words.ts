// How numbers are said.
import type { Quality } from "./wire";

const COUNT = new Intl.NumberFormat("en");

export function count(n: number, one: string, many = `${one}s`): string {
  return `${COUNT.format(n)} ${n === 1 ? one : many}`;
}

export function number(n: number): string {
  return COUNT.format(n);
}

/** 75.25 -> 1:15.2 */
export function clock(seconds: number): string {
  const tenths = Math.floor(Math.max(0, seconds) * 10 + 1e-6);
  const s = Math.floor(tenths / 10);
  const rest = `${String(s % 60).padStart(2, "0")}.${tenths % 10}`;
  const m = Math.floor(s / 60);
  return m < 60 ? `${m}:${rest}` : `${Math.floor(m / 60)}:${String(m % 60).padStart(2, "0")}:${rest}`;
}

/** 0.7 -> under a minute, 24.3 -> 24 min, 90 -> 1 h 30 min */
export function duration(minutes: number): string {
  const m = Math.round(minutes);
  if (m < 1) return "< 1 min";
  return m < 60 ? `${m} min` : `${Math.floor(m / 60)} h ${m % 60} min`;
}

/** 0.9532 -> 95.3 % */
export function percent(share: number, digits = share > 0.995 || share < 0.1 ? 1 : 0): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** 0.004, 0.12 -> 0–12 % */
export function interval(low: number, high: number): string {
  const digits = high < 0.095 ? 1 : 0;
  return `${(low * 100).toFixed(digits)}–${(high * 100).toFixed(digits)} %`;
}

/** What is wrong in any way, then the kinds of errors, the most frequent first. */
export function worst(quality: readonly Quality[]): Quality[] {
  const rank = (q: Quality) => (q.kind === "any" ? 2 : q.high);
  return [...quality].sort((a, b) => rank(b) - rank(a));
}

/** The tail of a session's name that tells it from the others. */
export function sessionTail(name: string, all: readonly string[]): string {
  const others = all.filter((other) => other !== name);
  if (!others.length) return name;
  let common = 0;
  while (others.every((other) => other[common] === name[common]) && common < name.length) common++;
  const before = (at: number) => Math.max(...[..."-_/ ."].map((c) => name.lastIndexOf(c, at - 1) + 1), 0);
  const cut = before(common);
  const tail = name.slice(name.length - cut < 3 ? before(cut - 1) : cut); // "visit-2", not "2"
  return tail || name;
}
