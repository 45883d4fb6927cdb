// How far the review is and what it is worth, on every card.
import type { Signal } from "@preact/signals";
import type { State } from "../logic/wire";
import { duration, interval, number, worst } from "../logic/words";
import type { Theme } from "./theme";
import { useReview } from "./context";

export function Header({ theme }: { theme: Signal<Theme> }) {
  const review = useReview();
  const state = review.state.value;
  const next: Theme = theme.value === "auto" ? "light" : theme.value === "light" ? "dark" : "auto";
  return (
    <header class="top">
      <div class="row">
        <span class="brand"><Mark /><b>{state.dataset}</b></span>
        <Progress state={state} />
        <span class="grow" />
        <Saved />
        <button type="button" class="plain" onClick={() => (review.dialog.value = "name")} aria-label={`Reviewer: ${state.reviewer || "nobody yet"}`}>
          <Person /><span>{state.reviewer || "your name"}</span>
        </button>
        <button type="button" class="plain" aria-label={`Colours: ${theme.value}; switch to ${next}`} onClick={() => (theme.value = next)}>
          <Moon /><span>{theme.value}</span>
        </button>
        <button type="button" class="plain" onClick={() => (review.dialog.value = "help")}><kbd>?</kbd><span>keys</span></button>
      </div>
      <Worth state={state} />
    </header>
  );
}

function Progress({ state: { decided, left, minutes } }: { state: State }) {
  const share = decided + left ? decided / (decided + left) : 0;
  return (
    <p class="progress">
      <span><b>{number(decided)}</b> decided</span>
      <span><b>{number(left)}</b> left</span>
      {minutes !== null && <span><b>{duration(minutes)}</b> planned</span>}
      <progress max={1} value={share} aria-label="Share of the queue that is decided" />
    </p>
  );
}

/** The certificate, and how good each kind of label is; the worst first, should room be short. */
function Worth({ state: { certificate, quality } }: { state: State }) {
  const review = useReview();
  if (!certificate && !quality.length) return null;
  return (
    <div class="row worth">
      {certificate ? (
        <p class={certificate.void ? "certificate void" : "certificate"} title={certificate.statement}>
          {certificate.void && <b>void: the labels have changed. </b>}{certificate.statement}
        </p>
      ) : <p class="muted">Not certified yet.</p>}
      <span class="grow" />
      <ul class="quality" aria-label="Shares of labels that are wrong">
        <li>wrong:</li>
        {worst(quality).map(({ kind, low, high }) => (
          <li key={kind}>{kind} <b>{interval(low, high)}</b></li>
        ))}
      </ul>
      <button type="button" class="plain" onClick={() => (review.dialog.value = "quality")}><kbd>Q</kbd><span>quality</span></button>
    </div>
  );
}

function Saved() {
  const review = useReview();
  const waiting = review.outbox.waiting.value;
  const trouble = review.outbox.trouble.value;
  const text = trouble ? `${number(waiting)} kept here` : waiting ? "saving" : "all saved";
  return <span class={trouble ? "saved bad" : "saved"} role="status">{text}</span>;
}

function Mark() {
  return (
    <svg viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
      <path d="M12 2.5 21 7.5v9L12 21.5 3 16.5v-9z M3 7.5l9 5 9-5 M12 12.5v9" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round" />
    </svg>
  );
}

function Person() {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <circle cx="8" cy="5" r="3" /><path d="M2.5 14.5c0-3.4 2.4-5 5.5-5s5.5 1.6 5.5 5z" />
    </svg>
  );
}

function Moon() {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <circle cx="8" cy="8" r="6.2" fill="none" stroke="currentColor" stroke-width="1.4" /><path d="M8 1.8a6.2 6.2 0 0 1 0 12.4z" />
    </svg>
  );
}
