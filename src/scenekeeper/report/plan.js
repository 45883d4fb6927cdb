"use strict";
// The scene from above, in SVG. Metres of the upright frame are turned to pixels by one transform;
// labels lie above it in pixels, as many as find room.

function makePlan(root, onPick, onHover) {
  const [under, ground, links, shapes, labels] = ["", "", "", "", ""].map(() => svg("g", {}));
  const world = svg("g", {}, ground, under, shapes, links), ruler = svg("g", {});
  root.append(world, labels, ruler);
  const eye = { x: 0, y: 0, scale: 100 };
  let things = [], box = [-1, -1, 1, 1], nodes = [], view = {}, touched = false;

  function load(shown, picture) {
    things = shown;
    const corners = things.flatMap((t) => t.outline || []);
    if (picture) corners.push(picture.box.slice(0, 2), picture.box.slice(2));
    if (corners.length) {
      const [xs, ys] = [0, 1].map((k) => corners.map((c) => c[k]));
      box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
    }
    const area = (t) => (t.outline ? (t.extent[0] || 0) * (t.extent[1] || 0) : 0);
    const order = things.map((_, k) => k).sort((a, b) => things[b].structure - things[a].structure || area(things[b]) - area(things[a]));
    nodes = things.map((t, k) => (t.outline ? shape(t, k) : null));
    shapes.replaceChildren(...order.map((k) => nodes[k]).filter(Boolean));
    under.replaceChildren();
    if (picture) {
      const [x0, y0, x1, y1] = picture.box;
      under.append(svg("image", { href: `data:image/png;base64,${picture.png}`, x: x0, y: -y1, width: x1 - x0, height: y1 - y0, preserveAspectRatio: "none", transform: "scale(1 -1)" }));
    }
    fit();
  }

  function shape(t, k) {
    const points = t.outline.map((c) => c.join(" ")).join(" ");
    const mark = svg("polygon", { points, class: `mark ${t.status}${t.structure ? " structure" : ""}${t.kind === "flat" ? " flat" : ""}`, fill: t.color, stroke: t.color });
    const node = svg("g", { "data-thing": k }, mark);
    if (t.status === "missing") node.append(...crossOf(t.outline));
    node.addEventListener("pointerenter", () => onHover(k));
    node.addEventListener("pointerleave", () => onHover(-1));
    return node;
  }
  function crossOf(outline) {
    const n = outline.length, half = Math.max(1, n >> 1);
    return [[0, half], [n >> 2 || 1, (half + (n >> 2 || 1)) % n]].map(([a, b]) => svg("line", { class: "cross", x1: outline[a][0], y1: outline[a][1], x2: outline[b][0], y2: outline[b][1] }));
  }

  function fit() {
    const r = root.getBoundingClientRect(), pad = 34;
    Object.assign(eye, { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2,
      scale: Math.max(1, Math.min((r.width - 2 * pad) / Math.max(box[2] - box[0], 0.5), (r.height - 2 * pad) / Math.max(box[3] - box[1], 0.5))) });
    touched = false;
    draw();
  }
  const toPixels = ([x, y]) => {
    const r = root.getBoundingClientRect();
    return [r.width / 2 + (x - eye.x) * eye.scale, r.height / 2 - (y - eye.y) * eye.scale];
  };

  function draw() {
    const r = root.getBoundingClientRect();
    if (!r.width) return;
    world.setAttribute("transform", `translate(${r.width / 2} ${r.height / 2}) scale(${eye.scale} ${-eye.scale}) translate(${-eye.x} ${-eye.y})`);
    drawGrid(r);
    under.setAttribute("visibility", view.photo ? "visible" : "hidden");
    const near = neighbours();
    nodes.forEach((node, k) => {
      if (!node) return;
      const chosen = k === view.selected, faded = view.selected >= 0 && !chosen && !near.has(k);
      node.setAttribute("class", `${chosen ? "chosen" : ""} ${k === view.hot ? "hot" : ""} ${faded ? "faded" : ""}`);
      node.setAttribute("display", view.visible && !view.visible.has(k) && !chosen ? "none" : "inline");
    });
    drawLinks();
    drawLabels(near);
  }
  const neighbours = () => new Set((view.relations || []).filter((q) => q[0] === view.selected || q[2] === view.selected).flatMap((q) => [q[0], q[2]]));

  function drawGrid(r) {
    const step = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 50].find((s) => s * eye.scale >= 48) || 100;
    const [w, h] = [r.width / eye.scale / 2, r.height / eye.scale / 2], lines = [];
    for (let x = Math.ceil((eye.x - w) / step) * step; x < eye.x + w; x += step) lines.push({ x1: x, x2: x, y1: eye.y - h, y2: eye.y + h });
    for (let y = Math.ceil((eye.y - h) / step) * step; y < eye.y + h; y += step) lines.push({ x1: eye.x - w, x2: eye.x + w, y1: y, y2: y });
    ground.replaceChildren(...lines.map((l) => svg("line", { class: "grid", ...l })));
    const [x, y, long] = [14, r.height - 12, step * eye.scale];
    const word = svg("text", { x: x + long / 2, y: y - 8 }, step < 1 ? `${Math.round(step * 100)} cm` : `${step} m`);
    ruler.replaceChildren(svg("path", { class: "rule", d: `M${x} ${y - 4}v4h${long}v-4` }), word);
  }

  function drawLinks() {
    const t = things[view.selected], lines = [];
    if (t && t.box) {
      for (const [s, , o] of view.relations || []) {
        const other = things[s === view.selected ? o : s];
        if ((s !== view.selected && o !== view.selected) || !other.box) continue;
        lines.push(svg("line", { class: "link", x1: t.box[0], y1: t.box[1], x2: other.box[0], y2: other.box[1] }));
      }
      if (t.spread[0] !== null) lines.push(svg("ellipse", { class: "ellipse", cx: t.box[0], cy: t.box[1], rx: 2 * t.spread[0], ry: 2 * t.spread[1] }));
    }
    links.replaceChildren(...lines);
  }

  function drawLabels(near) {
    const rank = (k) => (k === view.selected ? 4 : k === view.hot ? 3 : near.has(k) ? 2 : things[k].structure ? 0 : 1);
    const size = (k) => (things[k].extent[0] || 0) * (things[k].extent[1] || 0);
    const order = things.map((_, k) => k).filter((k) => nodes[k] && (!view.visible || view.visible.has(k) || k === view.selected));
    const taken = [], texts = [];
    for (const k of order.sort((a, b) => rank(b) - rank(a) || size(b) - size(a))) {
      if (rank(k) < 2 && (!view.labels || view.selected >= 0)) continue;
      const text = things[k].tag.length > 30 ? `${things[k].tag.slice(0, 29)}…` : things[k].tag, half = text.length * 3.1 + 4;
      const free = placesOf(things[k]).find(([x, y]) => !taken.some((q) => Math.abs(q[0] - x) < q[2] + half && Math.abs(q[1] - y) < 13));
      if (!free) continue;
      taken.push([...free, half]);
      texts.push(svg("text", { x: free[0], y: free[1] + 4 }, text));
    }
    labels.replaceChildren(...texts);
  }

  /** Where a label may stand: inside what is large enough, else above or below, so nothing is hidden. */
  function placesOf(t) {
    const corners = t.outline.map(toPixels), ys = corners.map((c) => c[1]), xs = corners.map((c) => c[0]);
    const [x, y] = toPixels(t.box), above = [x, Math.min(...ys) - 9], below = [x, Math.max(...ys) + 9];
    const large = Math.max(...ys) - Math.min(...ys) > 34 && Math.max(...xs) - Math.min(...xs) > 50;
    return large ? [[x, y], [x, y - 14], [x, y + 14]] : [above, below];
  }

  // --- input ---
  let held = null, moved = false;
  function zoom(factor, at) {
    const r = root.getBoundingClientRect(), [px, py] = at || [r.width / 2, r.height / 2];
    const next = Math.max(5, Math.min(3000, eye.scale * factor)), dx = px - r.width / 2, dy = r.height / 2 - py;
    eye.x += dx / eye.scale - dx / next;
    eye.y += dy / eye.scale - dy / next;
    eye.scale = next;
    touched = true;
    draw();
  }
  function move(dx, dy) {
    eye.x -= dx / eye.scale;
    eye.y += dy / eye.scale;
    touched = true;
    draw();
  }
  root.addEventListener("pointerdown", (e) => {
    held = [e.clientX, e.clientY];
    moved = false;
  });
  root.addEventListener("pointermove", (e) => {
    if (!held || !e.buttons) return;
    const dx = e.clientX - held[0], dy = e.clientY - held[1];
    if (!moved && Math.hypot(dx, dy) < 4) return;
    if (!moved) root.setPointerCapture(e.pointerId); // not before, or clicks would miss the things
    moved = true;
    held = [e.clientX, e.clientY];
    move(dx, dy);
  });
  root.addEventListener("pointerup", (e) => {
    const node = e.target.closest("[data-thing]");
    if (held && !moved) onPick(node ? Number(node.dataset.thing) : -1);
    held = null;
  });
  root.addEventListener("wheel", (e) => {
    e.preventDefault();
    const r = root.getBoundingClientRect();
    zoom(Math.exp(-e.deltaY * 0.0012), [e.clientX - r.left, e.clientY - r.top]);
  }, { passive: false });
  root.addEventListener("keydown", (e) => {
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (moves[e.key]) move(...moves[e.key]);
    else if (e.key === "+" || e.key === "=") zoom(1.2);
    else if (e.key === "-") zoom(1 / 1.2);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });

  return {
    load, zoom,
    reset: fit,
    resize: () => (touched ? draw() : fit()),
    look(next) { view = next; draw(); },
  };
}
