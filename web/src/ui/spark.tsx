// The detector's score over time, as a shape: where it dips is worth a look. No number is told.
import { lookAtFrame } from "../logic/acts";
import type { Card } from "../logic/wire";
import { useReview } from "./context";

export function Spark({ card }: { card: Card }) {
  const review = useReview();
  const { series } = card;
  if (series.length < 2) return null;
  const [from, to] = [series[0]![0], series.at(-1)![0]];
  const x = (frame: number) => Math.min(Math.max((frame - from) / Math.max(1, to - from), 0), 1) * 1000;
  const y = heights(series.map(([, score]) => score));
  const line = series.map(([frame], k) => `${k ? "L" : "M"}${x(frame).toFixed(1)} ${y[k]!.toFixed(1)}`).join("");
  const now = review.shot.value?.frame_id;
  const mode = review.mode.value;
  const go = (e: MouseEvent) => {
    const width = (e.currentTarget as Element).clientWidth || 1;
    const wanted = from + (e.offsetX / width) * (to - from);
    const near = series.reduce((a, b) => (Math.abs(b[0] - wanted) < Math.abs(a[0] - wanted) ? b : a));
    void lookAtFrame(review, near[0]);
  };
  return (
    <svg class="spark" viewBox="0 0 1000 40" preserveAspectRatio="none" role="img"
      aria-label="The detector's score over time; a dip is worth a look" onClick={go}>
      <path class="area" d={`${line}L1000 40L0 40Z`} />
      <path class="line" d={line} />
      {card.views.map((view) => (
        <line class="tick" key={view.frame_id} x1={x(view.frame_id)} x2={x(view.frame_id)} y1="34" y2="40" />
      ))}
      {mode.is === "trim" && <rect class="cut" x="0" width={x(mode.first)} height="40" />}
      {mode.is === "trim" && <rect class="cut" x={x(mode.last)} width={1000 - x(mode.last)} height="40" />}
      {mode.is === "split" && now !== undefined && <rect class="later" x={x(now)} width={1000 - x(now)} height="40" />}
      {now !== undefined && now >= from && now <= to && <line class="now" x1={x(now)} x2={x(now)} y1="0" y2="40" />}
    </svg>
  );
}

/** Between 3 and 32 of 40, stretched over what the scores span: its shape, not its height. */
function heights(scores: readonly number[]): number[] {
  const low = Math.min(...scores);
  const span = Math.max(...scores) - low;
  const shown = Math.max(span, 0.1); // a tremble is no dip
  return scores.map((s) => 32 - ((s - low + (shown - span) / 2) / shown) * 29);
}
