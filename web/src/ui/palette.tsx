// Search of a name: type a few of its letters, Enter takes it.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { cancel, name } from "../logic/acts";
import { search, type Match } from "../logic/fuzzy";
import { useReview } from "./context";
import { Modal } from "./modal";

export function Palette() {
  const review = useReview();
  const [typed, type] = useState("");
  const [at, move] = useState(0);
  const list = useRef<HTMLUListElement>(null);
  const card = review.shown.value?.card;
  const words = useMemo(() => {
    const first = card ? [card.phrase, ...card.choices].filter(Boolean) : [];
    return [...new Set([...first, ...review.state.value.words])];
  }, [card, review.state.value.words]);
  const found: Match[] = search(words, typed, 60);
  const said = typed.trim().replace(/\s+/g, " ");
  const fresh = said && !words.includes(said) ? [{ word: said, score: 0, at: [] }] : [];
  const options = [...found, ...fresh];
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);

  const close = () => {
    review.dialog.value = null;
    if (review.drawn.peek()) cancelDrawn();
  };
  const cancelDrawn = () => {
    const { large } = review;
    const was = large.peek();
    cancel(review);
    large.value = was;
  };
  const take = (match: Match | undefined) => {
    if (!match) return;
    review.dialog.value = null;
    name(review, match.word);
  };
  const keys = (e: KeyboardEvent) => {
    if (e.key === "ArrowDown") move(Math.min(at + 1, options.length - 1));
    else if (e.key === "ArrowUp") move(Math.max(at - 1, 0));
    else if (e.key === "Enter") take(options[at]);
    else return;
    e.preventDefault();
  };
  return (
    <Modal title="What is it?" close={close} class="palette" typed>
      <input
        type="text" autofocus role="combobox" aria-expanded="true" aria-controls="names" aria-label="Name"
        aria-activedescendant={options[at] ? `name-${at}` : undefined} autocomplete="off" spellcheck={false}
        maxLength={100} placeholder="Type a few letters" value={typed}
        onInput={(e) => (type(e.currentTarget.value), move(0))} onKeyDown={keys}
      />
      <ul id="names" role="listbox" aria-label="Names" ref={list}>
        {options.map((match, k) => (
          <li key={match.word} id={`name-${k}`} role="option" aria-selected={k === at} onClick={() => take(match)}>
            <Lit match={match} />
            {k >= found.length && <span class="muted">a new name</span>}
          </li>
        ))}
        {!options.length && <li role="option" aria-selected="false" aria-disabled="true" class="muted">No names yet: type one.</li>}
      </ul>
    </Modal>
  );
}

function Lit({ match: { word, at } }: { match: Match }) {
  const lit = new Set(at);
  return <span>{[...word].map((c, k) => (lit.has(k) ? <b key={k}>{c}</b> : c))}</span>;
}
