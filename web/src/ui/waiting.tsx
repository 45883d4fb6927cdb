// When there is no card: they are coming, they cannot come, or all is done.
import { useEffect } from "preact/hooks";
import { count, duration } from "../logic/words";
import { useReview } from "./context";

const ASK_AGAIN = 3000; // milliseconds

export function Waiting() {
  const review = useReview();
  const { deck } = review;
  const trouble = deck.trouble.value;
  const empty = deck.empty.value;
  useEffect(() => {
    const timer = setInterval(() => void deck.fill(), ASK_AGAIN);
    return () => clearInterval(timer);
  }, []);
  if (trouble) {
    return (
      <section class="waiting" role="status">
        <h1>No card can be had</h1>
        <p>{trouble.message}. {trouble.remedy || "It is tried again every few seconds; what you decided is safe."}</p>
      </section>
    );
  }
  return empty ? <Finished /> : <section class="waiting" role="status"><p class="muted">Looking for cards …</p></section>;
}

function Finished() {
  const { state, deck } = useReview();
  const { decided, minutes, certificate, dataset } = state.value;
  const left = deck.left.value;
  return (
    <section class="waiting" role="status">
      <h1>{left ? "The rest is in other hands" : "Nothing is left to decide"}</h1>
      <p>
        {left
          ? `${count(left, "card")} are open on other screens; those not decided come here.`
          : `${count(decided, "decision")}${minutes === null ? "" : ` in ${duration(minutes)}`}.`}
      </p>
      {certificate && <p class="statement">{certificate.statement}</p>}
      {!left && <p class="muted">Next, in the terminal: <code>scenekeeper certify {dataset}</code></p>}
    </section>
  );
}
