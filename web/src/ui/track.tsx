// A track or an object: crops over time, one frame closely, the names it may have.
import { lookAt } from "../logic/acts";
import type { Crop, Ready } from "../logic/deck";
import { clock, sessionTail } from "../logic/words";
import { useReview } from "./context";
import { Actions, Choices, covers, Hint, Question } from "./parts";
import { Spark } from "./spark";
import { isDrawing, Stage } from "./stage";
import { Strip } from "./strip";
import { Unreadable } from "./unreadable";

export function TrackCard({ ready }: { ready: Ready }) {
  const review = useReview();
  const { card } = ready;
  const large = review.large.value;
  const mode = review.mode.value;
  const shot = review.shot.value;
  const sessions = [...new Set(card.views.map((v) => v.session))];
  const several = sessions.length > 1;
  const strip = (
    <Strip
      strip={ready.strip} crops={ready.crops} at={review.stepped.value ? -1 : review.at.value}
      outlines={review.outlines.value} row={large} label="Pictures over time"
      {...(several && { session: (c: Crop) => sessionTail(c.view.session, sessions) })}
      mark={(crop) => marked(crop, review)} choose={(k) => lookAt(review, k)}
    />
  );
  const stage = shot && <Stage shot={shot} label={`Whole frame at ${timeOf(ready, shot.frame_id)}`} />;
  return (
    <article class={large ? "card track large" : "card track"} aria-label={`${card.kind} card`}>
      <section class="left">
        <Question
          asks={card.kind === "object" ? "Is it this one thing in every picture?" : "Is it this in every picture, and outlined well?"}
          title={card.phrase} covers={covers(ready)}
        />
        <Unreadable trouble={ready.trouble} />
        {large ? stage : strip}
        {large && strip}
        <Spark card={card} />
      </section>
      <aside class="right">
        {!large && stage}
        <Hint />
        {mode.is === "look" && <Choices />}
        {mode.is === "split" && <Choices accept={false} />}
        <Actions column={isDrawing(review)} skip={mode.is === "look" || mode.is === "split" ? ["Space", "/"] : []} />
        {isDrawing(review) && <p class="note">Arrows move the cross, Space clicks, N says “not here”.</p>}
      </aside>
    </article>
  );
}

/** How a crop looks while a track is cut. */
function marked({ view: { frame_id } }: Crop, review: ReturnType<typeof useReview>): string {
  const mode = review.mode.value;
  const now = review.shot.value?.frame_id ?? 0;
  if (mode.is === "split") return frame_id >= now ? "later" : "";
  if (mode.is === "trim") return frame_id < mode.first || frame_id > mode.last ? "outside" : "";
  return "";
}

function timeOf({ card }: Ready, frame: number): string {
  const view = card.views.find((v) => v.frame_id === frame);
  return view ? clock(view.seconds) : `frame ${frame}`;
}
