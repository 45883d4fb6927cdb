"use strict";
// The scene in 3D, drawn by a small software rasteriser: no WebGL, so it works over any remote
// desktop. Points carry normals; those that face away are left out, which opens rooms like a
// doll's house. The frame is upright: z points up.

function makeScene(canvas, onPick, onHover) {
  const ctx = canvas.getContext("2d");
  const eye = { target: [0, 0, 0], yaw: 0, pitch: 0.6, distance: 4 };
  let points = null, boxes = [], colors = [], texts = [], dashes = [], relations = [], linked = new Set(), paths = [], home = null;
  let view = {}, image = null, depth = null, owner = null, queued = false, axes = null;

  function load(scene, objects, links, start) {
    boxes = objects.map((o) => o.box);
    colors = objects.map((o) => rgbOf(o.color));
    texts = objects.map((o) => o.tag);
    dashes = objects.map((o) => o.dash || []); // of a box that is not surely there
    relations = links;
    linked = new Set(links.flatMap(([s, , o]) => [s, o]));
    paths = scene.paths;
    points = scene.points && unpack(scene.points);
    home = fit(start);
    Object.assign(eye, home, { target: [...home.target] });
    redraw();
  }

  function unpack(p) {
    const raw = new Int16Array(bytesOf(p.position).buffer), at = new Float32Array(raw.length);
    for (let i = 0; i < raw.length; i++) at[i] = raw[i] * p.scale + p.center[i % 3];
    return {
      at, count: p.count, size: p.size, rgb: bytesOf(p.rgb),
      normal: new Int8Array(bytesOf(p.normal).buffer),
      owner: new Int16Array(bytesOf(p.owner).buffer),
    };
  }

  /** First view: from where the camera was, a little above and behind it. */
  function fit(start) {
    const middle = [0, 0, 0], spread = [];
    const placed = boxes.filter((b) => b);
    const samples = points ? points.at : new Float32Array(placed.flatMap((b) => b.slice(0, 3)));
    const n = samples.length / 3 || 1;
    for (let k = 0; k < 3; k++) {
      const sorted = Float32Array.from({ length: Math.floor(n) }, (_, i) => samples[3 * i + k]).sort();
      const low = sorted[Math.floor(n * 0.02)] || 0, high = sorted[Math.floor(n * 0.98)] || 0;
      middle[k] = (low + high) / 2;
      spread[k] = high - low;
    }
    const yaw = start ? Math.atan2(-start[1], -start[0]) : -Math.PI / 3;
    return { target: middle, yaw, pitch: 0.62, distance: Math.max(1, 0.98 * Math.hypot(...spread)) };
  }

  function cameraAxes() {
    const cy = Math.cos(eye.yaw), sy = Math.sin(eye.yaw), cp = Math.cos(eye.pitch), sp = Math.sin(eye.pitch);
    const out = [cy * cp, sy * cp, sp];
    return {
      right: [-sy, cy, 0], up: [-cy * sp, -sy * sp, cp], out,
      at: eye.target.map((t, k) => t + out[k] * eye.distance),
    };
  }
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

  /** Canvas pixel and depth of a point, or null behind the eye. */
  function project(p) {
    const d = [p[0] - axes.at[0], p[1] - axes.at[1], p[2] - axes.at[2]];
    const z = -dot(d, axes.out);
    if (z < 0.05) return null;
    return [axes.cx + (axes.f * dot(d, axes.right)) / z, axes.cy - (axes.f * dot(d, axes.up)) / z, z];
  }

  function splat(W, H, background) {
    const out = new Uint32Array(image.data.buffer);
    out.fill((255 << 24) | (background[2] << 16) | (background[1] << 8) | background[0]);
    depth.fill(Infinity);
    owner.fill(-1);
    if (!points) return;
    const { at, normal, rgb, count, size } = points;
    const [ex, ey, ez] = axes.at, [rx, ry] = axes.right, [ux, uy, uz] = axes.up, [ox, oy, oz] = axes.out;
    for (let i = 0, j = 0; i < count; i++, j += 3) {
      const dx = at[j] - ex, dy = at[j + 1] - ey, dz = at[j + 2] - ez;
      const z = -(dx * ox + dy * oy + dz * oz);
      if (z < 0.1 || dx * normal[j] + dy * normal[j + 1] + dz * normal[j + 2] > 12 * z) continue;
      const side = Math.max(1, Math.min(40, Math.round((axes.f * size * 1.25) / z)));
      const x = Math.round(axes.cx + (axes.f * (dx * rx + dy * ry)) / z - side / 2);
      const y = Math.round(axes.cy - (axes.f * (dx * ux + dy * uy + dz * uz)) / z - side / 2);
      if (x < -side || y < -side || x >= W || y >= H) continue;
      const color = tone(rgb, j, points.owner[i], background);
      const xe = Math.min(W, x + side), ye = Math.min(H, y + side);
      for (let v = Math.max(0, y); v < ye; v++) {
        for (let u = Math.max(0, x), t = v * W + u; u < xe; u++, t++) {
          if (z < depth[t]) {
            depth[t] = z;
            out[t] = color;
            owner[t] = points.owner[i];
          }
        }
      }
    }
  }

  function tone(rgb, j, k, background) {
    let r = rgb[j], g = rgb[j + 1], b = rgb[j + 2];
    const chosen = view.selected >= 0 && k === view.selected;
    if (k >= 0 && (chosen || k === view.hot || view.color === "object")) {
      const c = colors[k], w = chosen ? 0.62 : 0.55;
      r += (c[0] - r) * w; g += (c[1] - g) * w; b += (c[2] - b) * w;
    } else if (view.color === "object") {
      r = g = b = 0.5 * (r + g + b) / 3 + 70;
    }
    if (view.selected >= 0 && !chosen) {
      r += (background[0] - r) * 0.5; g += (background[1] - g) * 0.5; b += (background[2] - b) * 0.5;
    }
    return (255 << 24) | (b << 16) | (g << 8) | r | 0;
  }

  /** A line in space; pieces behind the surface are faint. */
  function line(a, b, style, width, alpha = 0.95) {
    const pieces = 14, seen = new Path2D(), hidden = new Path2D();
    let last = project(a);
    for (let k = 1; k <= pieces; k++) {
      const next = project(a.map((v, i) => v + ((b[i] - v) * k) / pieces));
      if (last && next) {
        const mx = Math.round((last[0] + next[0]) / 2), my = Math.round((last[1] + next[1]) / 2);
        const inside = mx >= 0 && my >= 0 && mx < image.width && my < image.height;
        const path = inside && depth[my * image.width + mx] < (last[2] + next[2]) / 2 - 0.06 ? hidden : seen;
        path.moveTo(last[0], last[1]);
        path.lineTo(next[0], next[1]);
      }
      last = next;
    }
    ctx.strokeStyle = style;
    ctx.lineWidth = width * axes.dpr;
    ctx.globalAlpha = alpha;
    ctx.stroke(seen);
    ctx.globalAlpha = alpha * 0.22;
    ctx.stroke(hidden);
    ctx.globalAlpha = 1;
  }

  function corners(b) {
    const [cx, cy, cz, ex, ey, ez, ...R] = b;
    return [0, 1, 2, 3, 4, 5, 6, 7].map((k) => {
      const d = [(k & 1 ? 0.5 : -0.5) * ex, (k & 2 ? 0.5 : -0.5) * ey, (k & 4 ? 0.5 : -0.5) * ez];
      return [cx + dot(R.slice(0, 3), d), cy + dot(R.slice(3, 6), d), cz + dot(R.slice(6, 9), d)];
    });
  }

  function drawBoxes() {
    boxes.forEach((b, k) => {
      const chosen = k === view.selected, hot = k === view.hot;
      if (!b || (!chosen && !hot && (!view.boxes || view.structure[k]))) return;
      const c = corners(b), style = `rgb(${colors[k]})`;
      const alpha = chosen || hot || view.selected < 0 ? 0.95 : 0.25;
      ctx.setLineDash(dashes[k].map((length) => length * axes.dpr));
      for (let i = 0; i < 8; i++) for (const bit of [1, 2, 4]) if (!(i & bit)) line(c[i], c[i | bit], style, chosen ? 2.6 : 1.3, alpha);
    });
    ctx.setLineDash([]);
  }

  function drawRelations() {
    const words = [];
    for (const [s, predicate, o] of relations) {
      if (!boxes[s] || !boxes[o]) continue;
      const mine = s === view.selected || o === view.selected;
      if (view.selected >= 0 && !mine) continue;
      const a = boxes[s].slice(0, 3), b = boxes[o].slice(0, 3);
      ctx.setLineDash(predicate === "next to" ? [5 * axes.dpr, 4 * axes.dpr] : []);
      line(a, b, view.ink, mine ? 2 : 1.2, mine ? 1 : 0.6);
      ctx.setLineDash([]);
      const middle = mine && project(a.map((v, i) => (v + b[i]) / 2));
      if (middle) words.push([predicate, ...middle]);
      for (const [k, p] of [[s, project(a)], [o, project(b)]]) if (p) node(p, colors[k]);
    }
    return words;
  }

  function node(p, color) {
    ctx.fillStyle = `rgb(${color})`;
    ctx.strokeStyle = view.ink;
    ctx.lineWidth = 1.2 * axes.dpr;
    ctx.beginPath();
    ctx.arc(p[0], p[1], 4 * axes.dpr, 0, 7);
    ctx.fill();
    ctx.stroke();
  }

  function drawCamera() {
    for (const path of paths) {
      for (let k = 1; k < path.length; k++) line(path[k - 1], path[k], view.accent, 1.6, 0.65);
    }
    if (!view.pose) return;
    const [x, y, z, ...R] = view.pose, w = 0.16, h = w * view.aspect, d = w * view.focal;
    const at = (p) => [x + dot(R.slice(0, 3), p), y + dot(R.slice(3, 6), p), z + dot(R.slice(6, 9), p)];
    const ring = [[-w, -h, d], [w, -h, d], [w, h, d], [-w, h, d]].map(at);
    ring.forEach((p, k) => {
      line([x, y, z], p, view.accent, 2);
      line(p, ring[(k + 1) % 4], view.accent, 2);
    });
  }

  function tag(text, x, y, color, taken) {
    const s = axes.dpr;
    ctx.font = `600 ${11.5 * s}px system-ui, sans-serif`;
    const w = ctx.measureText(text).width + (color ? 21 : 12) * s, h = 18 * s;
    const box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2];
    if (taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) return;
    taken.push(box);
    ctx.fillStyle = "rgb(14 17 22 / 82%)";
    ctx.beginPath();
    ctx.roundRect(box[0], box[1], w, h, 5 * s);
    ctx.fill();
    if (color) {
      ctx.fillStyle = `rgb(${color})`;
      ctx.fillRect(box[0] + 5 * s, y - 4 * s, 8 * s, 8 * s);
    }
    ctx.fillStyle = "#fff";
    ctx.fillText(text, box[0] + (color ? 16 : 6) * s, y + 4 * s);
  }

  function drawTags(words) {
    const taken = [], order = boxes.map((_, k) => k).sort((a, b) => rank(b) - rank(a));
    for (const k of order) {
      if (!boxes[k] || rank(k) < 0) continue;
      const [x, y, z] = boxes[k], p = project([x, y, z + boxes[k][5] / 2 + 0.04]);
      if (p) tag(texts[k], p[0], p[1], colors[k], taken);
    }
    for (const [text, x, y] of words) tag(text, x, y, null, taken);
  }
  function rank(k) {
    if (k === view.selected || k === view.hot) return 2;
    if (view.selected >= 0) return relations.some(([s, , o]) => (s === view.selected && o === k) || (o === view.selected && s === k)) ? 1 : -1;
    return view.boxes && !view.structure[k] && (linked.has(k) || k < 12) ? 0 : -1;
  }

  function draw() {
    queued = false;
    const dpr = Math.min(window.devicePixelRatio || 1, 2);
    const W = Math.round(canvas.clientWidth * dpr), H = Math.round(canvas.clientHeight * dpr);
    if (!W || !H || !view.background) return;
    if (!image || image.width !== W || image.height !== H) {
      canvas.width = W;
      canvas.height = H;
      image = ctx.createImageData(W, H);
      depth = new Float32Array(W * H);
      owner = new Int16Array(W * H);
    }
    axes = { ...cameraAxes(), dpr, f: 1.15 * Math.min(W, H * 1.3), cx: W / 2, cy: H / 2 };
    splat(W, H, view.background);
    ctx.putImageData(image, 0, 0);
    drawBoxes();
    const words = view.relations ? drawRelations() : [];
    if (view.path) drawCamera();
    drawTags(words);
  }
  function redraw() {
    if (!queued) requestAnimationFrame(draw);
    queued = true;
  }

  // --- input ---
  let held = null, moved = false;
  const objectAt = (e) => {
    if (!image) return -1;
    const r = canvas.getBoundingClientRect();
    const x = Math.floor(((e.clientX - r.left) / r.width) * image.width), y = Math.floor(((e.clientY - r.top) / r.height) * image.height);
    return owner[y * image.width + x] ?? -1;
  };
  function turn(dx, dy) {
    eye.yaw -= dx;
    eye.pitch = Math.max(-1.5, Math.min(1.54, eye.pitch + dy));
    redraw();
  }
  function zoom(factor) {
    eye.distance = Math.max(0.3, Math.min(60, eye.distance * factor));
    redraw();
  }
  canvas.addEventListener("pointerdown", (e) => {
    held = [e.clientX, e.clientY];
    moved = false;
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!held) return onHover(objectAt(e));
    const dx = e.clientX - held[0], dy = e.clientY - held[1];
    if (!moved && Math.hypot(dx, dy) < 4) return;
    moved = true;
    held = [e.clientX, e.clientY];
    if (!e.shiftKey && e.buttons !== 4) return turn(dx * 0.008, dy * 0.008);
    const step = eye.distance / canvas.clientHeight;
    eye.target = eye.target.map((v, k) => v - axes.right[k] * dx * step + axes.up[k] * dy * step);
    redraw();
  });
  canvas.addEventListener("pointerup", (e) => {
    if (held && !moved) onPick(objectAt(e));
    held = null;
  });
  canvas.addEventListener("pointercancel", () => (held = null));
  canvas.addEventListener("mouseleave", () => onHover(-1));
  canvas.addEventListener("wheel", (e) => {
    if (document.activeElement !== canvas && !e.ctrlKey) return; // the page scrolls as usual
    e.preventDefault();
    zoom(Math.exp(e.deltaY * 0.0012));
  }, { passive: false });
  canvas.addEventListener("keydown", (e) => {
    const turns = { ArrowLeft: [0.12, 0], ArrowRight: [-0.12, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (turns[e.key]) turn(...turns[e.key]);
    else if (e.key === "+" || e.key === "=") zoom(0.88);
    else if (e.key === "-") zoom(1.14);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });

  return {
    load,
    redraw,
    look(next) { view = next; redraw(); },
    reset() { Object.assign(eye, home, { target: [...home.target] }); redraw(); },
    /** Counts what is on the canvas, for tests. */
    drawn: () => (owner ? owner.reduce((n, k) => n + (k >= 0), 0) : 0),
  };
}
