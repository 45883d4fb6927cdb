// Many things of one name: pick the odd ones, accept the rest.
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { toggle } from "../logic/acts";
import type { Crop, Ready } from "../logic/deck";
import { asStyle, tiling } from "../logic/geometry";
import type { Fix } from "../logic/review";
import { count } from "../logic/words";
import { useReview, useSize } from "./context";
import { FIRST, paintCrop } from "./paint";
import { Actions, Choices, Hint, Question } from "./parts";
import { Unreadable } from "./unreadable";

const GAP = 6;

export function GalleryCard({ ready }: { ready: Ready }) {
  const review = useReview();
  const { card, parts } = ready;
  const [ref, width, height] = useSize<HTMLUListElement>();
  const tiles = tiling(parts.length, width, height, 1, GAP);
  const { columns } = tiles;
  useEffect(() => void (review.columns.value = columns), [columns]);
  const fixes = review.fixes.value;
  return (
    <article class="card gallery" aria-label="gallery card">
      <section class="left">
        <Question asks="Which of these are something else?" title={card.phrase} covers={describe(parts.length, fixes.size, card.frames)} />
        <Unreadable trouble={ready.trouble} />
        <ul ref={ref} class="tiles" aria-label={`Things called ${card.phrase}`} style={asStyle(tiles)}>
          {parts.map((crops, k) => (
            <Tile key={k} crop={crops[0]} strip={ready.strip} fix={fixes.get(k)} index={k}
              current={k === review.at.value} size={`${tiles.width}`} />
          ))}
        </ul>
      </section>
      <aside class="right">
        <Hint />
        <Actions skip={["/"]} column />
        <h2 class="small">The marked one is a</h2>
        <Choices accept={false} />
      </aside>
    </article>
  );
}

function describe(tiles: number, odd: number, labels: number): string {
  const rest = `${count(tiles, "track")}, ${count(labels, "label")}`;
  return odd ? `${rest}; ${odd} odd` : rest;
}

function Tile({ crop, strip, fix, index, current, size }: {
  crop: Crop | undefined; strip: ImageBitmap | null; fix: Fix | undefined;
  index: number; current: boolean; size: string;
}) {
  const review = useReview();
  const canvas = useRef<HTMLCanvasElement>(null);
  const outlines = review.outlines.value;
  useLayoutEffect(() => {
    if (canvas.current && crop) paintCrop(canvas.current, strip, crop, outlines, FIRST, 1.5);
  }, [strip, crop, outlines, size]);
  const said = fix && wordFor(fix);
  return (
    <li>
      <button type="button" class={current ? "current" : ""} aria-pressed={fix !== undefined}
        aria-label={`Thing ${index + 1}${said ? `, ${said}` : ""}`} onClick={() => toggle(review, index)}>
        <canvas ref={canvas} />
        {said && <span class="said">{said}</span>}
      </button>
    </li>
  );
}

function wordFor({ op, phrase }: Fix): string {
  if (op === "relabel") return phrase ?? "";
  return { odd: "odd", reject: "no such thing", unsure: "unsure" }[op];
}
