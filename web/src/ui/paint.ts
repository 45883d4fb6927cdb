// What is drawn on canvases: crops, frames, outlines.
import { fit, type Placement } from "../logic/geometry";
import type { Crop } from "../logic/deck";
import type { Box, Click, Point } from "../logic/wire";

export const FIRST = "#ffd23e";
export const SECOND = "#57c7ff";
const HALO = "rgb(10 12 16 / 0.72)";

/** A canvas with as many pixels as the screen shows of it. */
export function fresh(canvas: HTMLCanvasElement): [CanvasRenderingContext2D, number, number] {
  const ratio = devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const pen = canvas.getContext("2d")!;
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return [pen, width, height];
}

const paths = new WeakMap<Crop, Path2D>();

/** One crop, as large as its canvas allows. */
export function paintCrop(
  canvas: HTMLCanvasElement, strip: ImageBitmap | null, crop: Crop, outlines: boolean, color = FIRST, line = 2,
): void {
  const [pen, width, height] = fresh(canvas);
  const { view, tile } = crop;
  // A window wider than a tile may be is squeezed by the server, and stretched back here.
  const place = fit(view.window_xyxy, width, height);
  const [x0, y0, x1, y1] = view.window_xyxy;
  const to = [place.x + x0 * place.scale, place.y + y0 * place.scale,
    (x1 - x0) * place.scale, (y1 - y0) * place.scale] as const;
  if (strip) pen.drawImage(strip, tile.x, tile.y, tile.width, tile.height, ...to);
  if (!outlines || !crop.outline) return;
  let path = paths.get(crop);
  if (!path) paths.set(crop, (path = new Path2D(crop.outline)));
  pen.save();
  pen.beginPath();
  pen.rect(...to);
  pen.clip();
  stroke(pen, path, place, color, line);
  pen.restore();
}

/** A whole frame or a part of it. */
export function paintFrame(
  pen: CanvasRenderingContext2D, picture: ImageBitmap, [h, w]: readonly [number, number], place: Placement,
): void {
  pen.imageSmoothingEnabled = place.scale < 6 * (picture.width / w);
  pen.drawImage(picture, place.x, place.y, w * place.scale, h * place.scale);
  pen.imageSmoothingEnabled = true;
}

/** An outline that is seen on light and on dark. */
export function stroke(
  pen: CanvasRenderingContext2D, path: Path2D, place: Placement, color: string, width = 2,
): void {
  pen.save();
  pen.translate(place.x, place.y);
  pen.scale(place.scale, place.scale);
  pen.lineJoin = "round";
  pen.strokeStyle = HALO;
  pen.lineWidth = (width + 2) / place.scale;
  pen.stroke(path);
  pen.strokeStyle = color;
  pen.lineWidth = width / place.scale;
  pen.stroke(path);
  pen.restore();
}

export function fill(pen: CanvasRenderingContext2D, path: Path2D, place: Placement, color: string): void {
  pen.save();
  pen.translate(place.x, place.y);
  pen.scale(place.scale, place.scale);
  pen.globalAlpha = 0.28;
  pen.fillStyle = color;
  pen.fill(path, "evenodd");
  pen.restore();
}

export function boxPath([x0, y0, x1, y1]: Box): Path2D {
  const path = new Path2D();
  path.rect(x0, y0, x1 - x0, y1 - y0);
  return path;
}

/** A click: a ring with a plus, or a minus where the thing is not. */
export function paintClick(
  pen: CanvasRenderingContext2D, [x, y, on]: Click, { scale, x: dx, y: dy }: Placement,
): void {
  const [px, py] = [x * scale + dx, y * scale + dy];
  pen.beginPath();
  pen.arc(px, py, 7, 0, 2 * Math.PI);
  pen.fillStyle = on ? FIRST : "#ff5c4d";
  pen.fill();
  pen.lineWidth = 1.5;
  pen.strokeStyle = "#14171c";
  pen.stroke();
  pen.beginPath();
  pen.moveTo(px - 3.5, py);
  pen.lineTo(px + 3.5, py);
  if (on) {
    pen.moveTo(px, py - 3.5);
    pen.lineTo(px, py + 3.5);
  }
  pen.stroke();
}

/** Lines through the pointer, by which extremes are found. */
export function paintCross(pen: CanvasRenderingContext2D, [x, y]: Point, width: number, height: number): void {
  for (const [color, dash] of [["rgb(0 0 0 / 0.6)", []], ["#ffffff", [4, 4]]] as const) {
    pen.setLineDash([...dash]);
    pen.strokeStyle = color;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(0, Math.round(y) + 0.5);
    pen.lineTo(width, Math.round(y) + 0.5);
    pen.moveTo(Math.round(x) + 0.5, 0);
    pen.lineTo(Math.round(x) + 0.5, height);
    pen.stroke();
  }
  pen.setLineDash([]);
}

/** A name beside its box. */
export function paintName(pen: CanvasRenderingContext2D, text: string, x: number, y: number): void {
  pen.font = "600 12px system-ui, sans-serif";
  const width = pen.measureText(text).width;
  pen.fillStyle = "rgb(10 12 16 / 0.82)";
  pen.beginPath();
  pen.roundRect(x, y - 18, width + 10, 17, 4);
  pen.fill();
  pen.fillStyle = "#fff";
  pen.fillText(text, x + 5, y - 5);
}
