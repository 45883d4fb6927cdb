"use strict";
// The recording: a frame on a canvas with its masks on top. `makePlayer` draws, `view` says what.

/** Unpack COCO counts into `owner` (row-major, W x H) as `value`; counts run down the columns. */
function paintMask(counts, owner, W, H, value) {
  const runs = [];
  for (let p = 0; p < counts.length; ) {
    let x = 0, shift = 0, c;
    do {
      c = counts.charCodeAt(p++) - 48;
      x |= (c & 31) << shift;
      shift += 5;
    } while (c & 32);
    if (c & 16) x |= -1 << shift;
    if (runs.length > 2) x += runs[runs.length - 2];
    runs.push(x);
  }
  let at = 0;
  runs.forEach((run, i) => {
    const end = Math.min(at + run, W * H);
    for (let p = at; (i & 1) && p < end; ) {
      const x = Math.floor(p / H), y = p - x * H, n = Math.min(end - p, H - y);
      for (let j = 0, to = y * W + x; j < n; j++, to += W) owner[to] = value;
      p += n;
    }
    at = end;
  });
}

function makePlayer(canvas, describe, onPick, onHover) {
  const ctx = canvas.getContext("2d");
  const layer = document.createElement("canvas");
  const layerCtx = layer.getContext("2d");
  let frame = null, picture = null, owner = null, view = {}, wanted = 0;

  /** Which label owns each pixel: large ones first, so that what lies on them stays visible. */
  function paintOwners() {
    const [W, H] = frame.size;
    layer.width = W;
    layer.height = H;
    owner = new Uint16Array(W * H);
    const order = frame.labels.map((l, k) => [area(l), k]).sort((a, b) => b[0] - a[0]);
    for (const [, k] of order) {
      const l = frame.labels[k];
      if (l.counts && isShown(l)) paintMask(l.counts, owner, W, H, k + 1);
    }
  }
  const area = (l) => (l.box[2] - l.box[0]) * (l.box[3] - l.box[1]);
  const isShown = (l) => view.structure || l.object === view.selected || !describe(l).structure;

  function styleOf(l) {
    const is = describe(l);
    const chosen = l.object >= 0 && l.object === view.selected;
    const hot = l === view.hot;
    let fill = is.structure ? 0.2 : 0.36, edge = is.structure ? 0.45 : 0.95;
    if (view.selected >= 0 && !chosen) [fill, edge] = [0.1, 0.3];
    if (chosen || hot) [fill, edge] = [0.5, 1];
    return { rgb: rgbOf(is.color), fill, edge, bold: chosen || hot };
  }

  function composeLayer() {
    const [W, H] = frame.size;
    const image = layerCtx.createImageData(W, H);
    const out = new Uint32Array(image.data.buffer);
    const styles = frame.labels.map((l) => {
      const s = styleOf(l), [r, g, b] = s.rgb, base = (b << 16) | (g << 8) | r;
      const tone = (a) => (base | (Math.round(a * 255) << 24)) >>> 0;
      return { fill: tone(s.fill), edge: tone(s.edge), reach: s.bold ? 2 : 1 };
    });
    for (let y = 0, i = 0; y < H; y++) {
      for (let x = 0; x < W; x++, i++) {
        const k = owner[i];
        if (!k) continue;
        const s = styles[k - 1], d = s.reach, e = d * W;
        const border = owner[i - d] !== k || owner[i + d] !== k || owner[i - e] !== k || owner[i + e] !== k
          || x < d || x >= W - d;
        out[i] = border ? s.edge : s.fill;
      }
    }
    layerCtx.putImageData(image, 0, 0);
  }

  function drawTag(l, scale) {
    const is = describe(l);
    ctx.font = "600 12.5px system-ui, sans-serif";
    const text = is.text, w = ctx.measureText(text).width + 26, width = canvas.width / scale.dpr;
    const x = Math.max(2, Math.min(l.box[0] * scale.x, width - w - 2));
    const y = Math.max(2, l.box[1] * scale.y - 25);
    ctx.fillStyle = "rgb(14 17 22 / 86%)";
    ctx.beginPath();
    ctx.roundRect(x, y, w, 21, 6);
    ctx.fill();
    ctx.fillStyle = is.color;
    ctx.fillRect(x + 7, y + 6, 9, 9);
    ctx.fillStyle = "#fff";
    ctx.fillText(text, x + 21, y + 15);
  }

  function draw() {
    if (!frame) return;
    const dpr = Math.min(window.devicePixelRatio || 1, 2);
    const [W, H] = frame.size;
    const width = canvas.clientWidth || 640, height = Math.round((width * H) / W);
    canvas.style.aspectRatio = `${W} / ${H}`;
    canvas.width = width * dpr;
    canvas.height = height * dpr;
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    const scale = { x: width / W, y: height / H, dpr };
    if (picture) ctx.drawImage(picture, 0, 0, width, height);
    composeLayer();
    if (view.masks) ctx.drawImage(layer, 0, 0, width, height);
    for (const l of frame.labels) {
      const is = describe(l), chosen = l.object >= 0 && l.object === view.selected;
      if ((!view.boxes && !chosen && (l.counts || !view.masks)) || !isShown(l)) continue;
      const [x0, y0, x1, y1] = l.box;
      ctx.strokeStyle = is.color;
      ctx.lineWidth = chosen ? 2 : 1.3;
      ctx.strokeRect(x0 * scale.x, y0 * scale.y, (x1 - x0) * scale.x, (y1 - y0) * scale.y);
    }
    for (const l of frame.labels) {
      const chosen = l.object >= 0 && l.object === view.selected;
      if (chosen || l === view.hot || (view.masks && describe(l).named && view.selected < 0)) drawTag(l, scale);
    }
  }

  function labelAt(event) {
    if (!frame) return null;
    const r = canvas.getBoundingClientRect(), [W, H] = frame.size;
    const x = ((event.clientX - r.left) / r.width) * W, y = ((event.clientY - r.top) / r.height) * H;
    const k = owner[Math.floor(y) * W + Math.floor(x)];
    if (k) return frame.labels[k - 1];
    const inside = (l) => !l.counts && isShown(l) && x >= l.box[0] && x < l.box[2] && y >= l.box[1] && y < l.box[3];
    return frame.labels.filter(inside).sort((a, b) => area(a) - area(b))[0] || null;
  }
  canvas.addEventListener("mousemove", (e) => onHover(labelAt(e)));
  canvas.addEventListener("mouseleave", () => onHover(null));
  canvas.addEventListener("click", (e) => onPick(labelAt(e)));

  return {
    draw,
    /** Take new view settings; `structure` and `selected` change which masks are painted. */
    look(next) {
      const repaint = next.structure !== view.structure || next.selected !== view.selected;
      view = next;
      if (frame && repaint) paintOwners();
      draw();
    },
    /** Show a frame once its picture is decoded; a later call wins over an earlier one. */
    async show(next, image) {
      const turn = ++wanted;
      if (image) await image.decode().catch(() => null);
      if (turn !== wanted) return;
      frame = next;
      picture = image && image.naturalWidth ? image : null;
      paintOwners();
      draw();
    },
  };
}
