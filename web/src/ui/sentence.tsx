// A relation or a caption: is the sentence so?
import { useLayoutEffect, useRef } from "preact/hooks";
import { lookAt, say } from "../logic/acts";
import type { Ready } from "../logic/deck";
import { clock } from "../logic/words";
import { useReview } from "./context";
import { Actions, covers, Question } from "./parts";
import { Stage } from "./stage";
import { Strip } from "./strip";
import { Unreadable } from "./unreadable";

export function SentenceCard({ ready }: { ready: Ready }) {
  const review = useReview();
  const { card } = ready;
  const shot = review.shot.value;
  const relation = card.kind === "relation";
  return (
    <article class="card sentence" aria-label={`${card.kind} card`}>
      <Question
        asks={relation ? "Is this so?" : "Does this say rightly what is seen?"}
        title={review.mode.value.is === "say" ? <Editor text={card.statement} /> : `“${card.statement}”`}
        covers={relation ? covers(ready) : ""}
      />
      <Unreadable trouble={ready.trouble} />
      <div class="seen">
        {shot && <Stage shot={shot} label="The frame that is spoken of" />}
        {ready.crops.length > 1 && (
          <Strip strip={ready.strip} crops={ready.crops} at={review.at.value} outlines={review.outlines.value}
            label="Pictures over time" choose={(k) => lookAt(review, k)} />
        )}
      </div>
      {relation && <Legend ready={ready} />}
      <Actions bar />
    </article>
  );
}

function Legend({ ready: { card } }: { ready: Ready }) {
  const seen = card.views[useReview().at.value];
  return (
    <p class="legend">
      {card.parts.slice(0, 2).map((part, k) => (
        <span key={k} class={k ? "second" : "first"}>{part.phrase}</span>
      ))}
      {seen && <span class="muted">{clock(seen.seconds)}</span>}
    </p>
  );
}

function Editor({ text }: { text: string }) {
  const review = useReview();
  const field = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    field.current?.focus();
    field.current?.setSelectionRange(text.length, text.length);
  }, []);
  const keys = (e: KeyboardEvent) => {
    if (e.key === "Escape") review.mode.value = { is: "look" };
    else if (e.key === "Enter" && !e.shiftKey) send();
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  const send = () => {
    const said = field.current?.value.trim() ?? "";
    if (said === text.trim()) say(review, "accept");
    else if (said) say(review, "caption", { text: said });
  };
  return (
    <span class="editor">
      <textarea ref={field} rows={2} maxLength={2000} defaultValue={text} onKeyDown={keys} aria-label="What should be said" />
      <span class="row">
        <button type="button" class="action main" onClick={send}><kbd>Enter</kbd><span>say this</span></button>
        <button type="button" class="action" onClick={() => (review.mode.value = { is: "look" })}><kbd>Esc</kbd><span>back</span></button>
      </span>
    </span>
  );
}
