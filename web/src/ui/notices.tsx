// What went wrong, and what to do about it.
import { useReview } from "./context";

export function Notices() {
  const review = useReview();
  const trouble = review.outbox.trouble.value;
  return (
    <div class="notices" role="region" aria-label="Notices" aria-live="polite">
      {trouble && (
        <div class="notice bad">
          <p><strong>{trouble.message}.</strong> {trouble.remedy || "Go on: your decisions are kept in this browser and sent when it is back."}</p>
          <button type="button" class="small" onClick={() => void review.outbox.flush()}>try now</button>
        </div>
      )}
      {review.state.value.notes.map((note) => (
        <div key={note} class="notice bad"><p>{note}</p></div>
      ))}
      {review.notices.value.map((n) => (
        <div key={n.id} class={n.bad ? "notice bad" : "notice"}>
          <p><strong>{n.text}</strong> {n.remedy}</p>
          {n.action && (
            <button type="button" class="small" onClick={() => (review.dismiss(n.id), n.action!.run())}>{n.action.label}</button>
          )}
          <button type="button" class="small" aria-label="Dismiss" onClick={() => review.dismiss(n.id)}>✕</button>
        </div>
      ))}
    </div>
  );
}

/** Nothing can go on until the person does something. */
export function Blocked() {
  const review = useReview();
  const why = review.blocked.value;
  if (!why) return null;
  const unsent = review.outbox.waiting.value;
  const kept = unsent ? ` The ${unsent} decisions that are not saved yet are kept and sent then.` : "";
  return (
    <div class="blocked" role="alertdialog" aria-labelledby="why">
      <div class="sheet">
        <h2 id="why">{why === "reload" ? "This page is of another version" : "You are signed out"}</h2>
        <p>
          {why === "reload"
            ? `The server was updated while this page was open. Load it anew to go on.${kept}`
            : `Open the link that the terminal shows where the review was started.${kept}`}
        </p>
        {why === "reload" && (
          <button type="button" class="action main" onClick={() => location.reload()}><span>load anew</span></button>
        )}
      </div>
    </div>
  );
}
