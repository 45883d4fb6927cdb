// Two tracks or objects: are they one thing?
import { lookAt } from "../logic/acts";
import type { Crop, Ready } from "../logic/deck";
import { shotOfView } from "../logic/review";
import { count, sessionTail } from "../logic/words";
import type { Part } from "../logic/wire";
import { useReview } from "./context";
import { Actions, Question } from "./parts";
import { Stage } from "./stage";
import { Strip } from "./strip";
import { Unreadable } from "./unreadable";

export function PairCard({ ready }: { ready: Ready }) {
  const { card, parts } = ready;
  const sessions = [...new Set(card.parts.flatMap((p) => p.views.map((v) => v.session)))];
  const [a, b] = card.parts;
  return (
    <article class="card pair" aria-label="pair card">
      <Question
        asks="Are these the same thing?"
        title={a?.phrase === b?.phrase ? a?.phrase ?? "" : `${a?.phrase} and ${b?.phrase}`}
        covers={sessions.length > 1 ? `in ${count(sessions.length, "session")}` : count(card.frames, "label")}
      />
      <Unreadable trouble={ready.trouble} />
      <div class="sides">
        {card.parts.slice(0, 2).map((part, k) => (
          <Side key={`${card.id} ${k}`} name={"AB"[k]!} part={part} crops={parts[k] ?? []} strip={ready.strip} sessions={sessions} />
        ))}
      </div>
      <Actions bar />
    </article>
  );
}

function Side({ name, part, crops, strip, sessions }: {
  name: string; part: Part; crops: readonly Crop[]; strip: ImageBitmap | null; sessions: readonly string[];
}) {
  const review = useReview();
  const at = Math.min(review.at.value, crops.length - 1); // both sides move together
  const view = crops[at]?.view;
  return (
    <section class="side" aria-label={`${name}, ${part.phrase}`}>
      <h2>
        <b>{name}</b> {part.phrase}
        <span class="muted">
          {sessions.length > 1 && view ? `${sessionTail(view.session, sessions)}, ` : ""}
          {count(part.frames, "label")}
        </span>
      </h2>
      <Strip strip={strip} crops={crops} at={at} outlines={review.outlines.value}
        label={`Pictures of ${name}`} choose={(k) => lookAt(review, k)} />
      {view && <Stage shot={shotOfView(view)} label={`Whole frame around ${name}`} />}
    </section>
  );
}
