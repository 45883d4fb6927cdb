// Crops side by side, each a button that is looked at closer.
import { useLayoutEffect, useRef } from "preact/hooks";
import { aspect, asStyle, tiling, type Tiling } from "../logic/geometry";
import type { Crop } from "../logic/deck";
import { clock } from "../logic/words";
import { useSize } from "./context";
import { paintCrop } from "./paint";

export interface StripProps {
  readonly strip: ImageBitmap | null;
  readonly crops: readonly Crop[];
  readonly at: number;
  readonly outlines: boolean;
  readonly color?: string;
  readonly label: string;
  /** One row of small crops. */
  readonly row?: boolean;
  /** Said of a crop's state, as a word for its style. */
  readonly mark?: (crop: Crop, index: number) => string;
  readonly session?: (crop: Crop) => string;
  readonly choose: (index: number) => void;
}

const GAP = 8; // pixels
const ROW = 92;

export function Strip(props: StripProps) {
  const [ref, width, height] = useSize<HTMLOListElement>();
  const { crops, row } = props;
  const shape = crops.length ? crops.reduce((sum, c) => sum + aspect(c.view), 0) / crops.length : 1;
  const n = crops.length;
  const tiles = row ? inLine(n, width, shape) : tiling(n, width, height, shape, GAP);
  return (
    <ol ref={ref} class={row ? "crops line" : "crops"} aria-label={props.label} style={asStyle(tiles)}>
      {crops.map((crop, k) => (
        <Tile key={k} {...props} crop={crop} index={k} size={`${tiles.width} ${tiles.height}`} />
      ))}
    </ol>
  );
}

/** All in one line, no higher than it may be. */
function inLine(n: number, width: number, shape: number): Tiling {
  const wide = Math.max(0, Math.floor(Math.min(ROW * shape, (width + GAP) / n - GAP)));
  return { columns: n, width: wide, height: Math.floor(wide / shape) };
}

function Tile({ crop, index, strip, at, outlines, color, mark, session, choose, size }: StripProps & {
  crop: Crop; index: number; size: string;
}) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (canvas.current) paintCrop(canvas.current, strip, crop, outlines, color);
  }, [strip, crop, outlines, color, size]);
  const said = session?.(crop);
  const time = clock(crop.view.seconds);
  return (
    <li class={mark?.(crop, index)}>
      <button
        type="button"
        aria-current={index === at}
        aria-label={`Picture ${index + 1} at ${time}${said ? ` of ${said}` : ""}`}
        onClick={() => choose(index)}
      >
        <canvas ref={canvas} />
        <span class="time">{said ? `${said} ${time}` : time}</span>
      </button>
    </li>
  );
}
