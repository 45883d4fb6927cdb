// A whole frame: mark everything that has no outline.
import type { Ready } from "../logic/deck";
import { clock, count } from "../logic/words";
import { useReview } from "./context";
import { Actions, Hint, Question } from "./parts";
import { Stage } from "./stage";
import { Unreadable } from "./unreadable";

export function FrameCard({ ready }: { ready: Ready }) {
  const review = useReview();
  const { card, labelled } = ready;
  const shot = review.shot.value;
  const marked = review.marked.value;
  return (
    <article class="card frame" aria-label="frame card">
      <section class="left">
        <Question
          asks="Mark each thing that has no outline"
          title="What is missing?"
          covers={`${count(labelled.length, "thing")} outlined, ${card.views[0] ? clock(card.views[0].seconds) : ""}`}
        />
        <Unreadable trouble={ready.trouble} />
        {shot && <Stage shot={shot} label="The whole frame" />}
      </section>
      <aside class="right">
        <h2 class="small">Marked</h2>
        {marked.length ? (
          <ol class="marked">{marked.map((m, k) => <li key={k}>{m.phrase}</li>)}</ol>
        ) : (
          <p class="note">Nothing yet. Click the thing's top, left, bottom and right, then say what it is.</p>
        )}
        <Hint />
        <Actions column />
        <p class="note">Wheel or + and − zoom, 0 shows all, O hides the outlines. By keys: arrows move the cross, Space clicks.</p>
      </aside>
    </article>
  );
}
