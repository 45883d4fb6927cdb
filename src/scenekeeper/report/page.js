"use strict";
// The page: one state, small functions that draw each part from it. Text only ever enters the
// page as text nodes, so a name that looks like markup stays a name.

const DATA = JSON.parse(document.getElementById("data").textContent);
const state = { session: null, shown: [], at: 0, selected: -1, hot: null, playing: 0, all: false };
const icons = { play: "M4 2.5v11l9-5.5z", pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z" };

// --- small helpers ---
const shell = (s) => (/^[\w./+-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`);
const quoted = (s) => (/["\\$`!]/.test(s) ? shell(s) : `"${s}"`);

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el("textarea", { style: "position:fixed;opacity:0" }, text);
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  $("toast").textContent = `Copied: ${text}`;
  $("toast").className = "on";
  clearTimeout(copy.timer);
  copy.timer = setTimeout(() => ($("toast").className = ""), 1800);
}
const command = (text) => el("button", { class: "command", title: "Copy", onclick: () => copy(text) }, el("code", {}, text));
const nameCommand = (o, phrase) => `scenekeeper name ${shell(DATA.name)} o${o.id} ${quoted(phrase)}`;

// --- what things are called ---
const titleOf = (o) => (o.phrase === "object" ? `o${o.id}` : `${o.phrase} o${o.id}`);
const phraseNode = (o) => el("span", { class: o.phrase === "object" ? "unnamed" : "phrase" }, o.phrase === "object" ? "no name yet" : o.phrase);
const sizeOf = (o) => o.cm && `${o.cm.map((v) => (v < 10 ? v.toFixed(1) : v.toFixed(0))).join(" × ")} cm`;
const spanOf = (o) => (o.first === null ? "" : `${o.first.toFixed(1)} to ${o.last.toFixed(1)} s`);
function describe(label) {
  const o = state.session.objects[label.object];
  if (o) return { color: o.color, text: titleOf(o), structure: o.structure, named: o.named };
  return { color: "#c9ced6", text: label.phrase || `track ${label.track}`, structure: false, named: false };
}
function wordsOf(k) {
  const { objects, relations } = state.session, words = [];
  const say = (how, ids) => ids.length && words.push(`${how} ${ids.map((i) => titleOf(objects[i])).join(", ")}`);
  for (const how of ["in", "on"]) say(how, relations.filter((r) => r[0] === k && r[1] === how).map((r) => r[2]));
  say("next to", relations.filter((r) => r[1] === "next to" && (r[0] === k || r[2] === k)).map((r) => (r[0] === k ? r[2] : r[0])));
  for (const how of new Set(relations.map((r) => r[1]))) {
    if (!["in", "on", "next to"].includes(how)) say(how, relations.filter((r) => r[0] === k && r[1] === how).map((r) => r[2]));
  }
  for (const how of ["on", "in"]) say(how === "on" ? "carries" : "holds", relations.filter((r) => r[2] === k && r[1] === how).map((r) => r[0]));
  return words.join("; ");
}
/** An example worth naming: the thing of graspable size seen most. */
function exampleOf(objects) {
  const free = objects.filter((o) => !o.structure && o.phrase === "object");
  return free.find((o) => o.cm && Math.max(...o.cm) < 25 && Math.min(...o.cm) > 4) || free[0];
}
function timeline(o) {
  const bar = svg("svg", { class: "line", viewBox: `0 0 ${o.seen.length || 1} 1`, preserveAspectRatio: "none", "aria-hidden": "true" });
  [...o.seen].forEach((d, x) => +d && bar.append(svg("rect", { x, y: 0, width: 1.05, height: 1, fill: o.color, opacity: 0.25 + d / 12 })));
  return bar;
}

// --- loading a session ---
function open(name) {
  const s = (state.session = DATA.sessions.find((x) => x.name === name));
  if (!s.ready) {
    s.objects.forEach((o, k) => Object.assign(o, { k, tag: titleOf(o), url: o.picture && jpeg(o.picture), picture: null }));
    for (const f of s.frames) {
      f.labels = f.labels.map(([object, track, phrase, x0, y0, x1, y1, counts, status]) => ({ object, track, phrase, box: [x0, y0, x1, y1], counts, status }));
      if (f.picture) [f.url, f.picture] = [jpeg(f.picture), null];
    }
    s.ready = true;
  }
  stop();
  Object.assign(state, { selected: -1, hot: null, at: 0 });
  const cameras = s.cameras.filter((_, k) => s.frames.some((f) => f.camera === k));
  $("camera-pick").hidden = cameras.length < 2;
  $("camera").replaceChildren(...cameras.map((c) => el("option", { value: s.cameras.indexOf(c) }, c.name)), el("option", { value: -1 }, "all"));
  drawHead();
  drawCards();
  drawRelations();
  drawQuality();
  drawSpeed();
  drawNext();
  openScene();
  pickCamera();
}
function pickCamera() {
  const wanted = Number($("camera").value);
  state.shown = state.session.frames.filter((f) => wanted < 0 || f.camera === wanted);
  $("slider").max = Math.max(0, state.shown.length - 1);
  drawStrip();
  select(state.selected);
  show(0);
}
function openScene() {
  const s = state.session, poses = s.frames.map((f) => f.pose).filter(Boolean);
  const forward = poses.length && [5, 8].map((k) => poses.reduce((sum, p) => sum + p[k], 0));
  scene.load(s.scene, s.objects, s.relations, forward || null);
  const bare = !s.scene.points && !s.objects.some((o) => o.box);
  $("scene-empty").hidden = !bare;
  $("scene-empty").textContent = `No 3D scene: ${!s.has_depth ? "the recording has no depth" : !s.has_poses ? "the recording has no camera poses" : "nothing has been labelled yet"}.`;
}

// --- the frame ---
function frame() {
  return state.shown[state.at];
}
function show(k) {
  if (!state.shown.length) {
    $("frame-info").replaceChildren(el("span", {}, "no frames"));
    return;
  }
  state.at = Math.max(0, Math.min(state.shown.length - 1, k));
  const f = frame(), s = state.session;
  if (f.url && !f.image) Object.assign((f.image = new Image()), { src: f.url });
  player.show(f, f.image);
  $("slider").value = state.at;
  $("slider").setAttribute("aria-valuetext", `frame ${f.id}, ${f.t.toFixed(2)} seconds`);
  $("clock").textContent = `frame ${f.id} · ${f.t.toFixed(2)} s`;
  $("frame-info").replaceChildren(
    ...(s.cameras.length > 1 ? [el("span", {}, s.cameras[f.camera]?.name || "")] : []),
    ...f.flags.map((flag) => el("span", { class: "flagged" }, flag.replaceAll("_", " "))),
    ...(f.url ? [] : [el("span", {}, "picture not available")]));
  $("caption").textContent = f.caption ? `“${f.caption}”` : "";
  const strip = $("strip"), old = strip.querySelector("[aria-current]"), now = strip.children[state.at];
  old?.removeAttribute("aria-current");
  if (now) {
    now.setAttribute("aria-current", "true");
    const left = now.offsetLeft - strip.offsetLeft - strip.clientWidth / 2;
    strip.scrollTo({ left, behavior: "auto" });
  }
  document.querySelectorAll(".chart .now").forEach((n) => {
    const x = (f.id / Math.max(1, s.frame_count)) * 1000;
    n.setAttribute("x1", x);
    n.setAttribute("x2", x);
  });
  look();
}
const showFrame = (id) => {
  const nearest = state.session.frames.reduce((a, b) => (Math.abs(b.id - id) < Math.abs(a.id - id) ? b : a));
  if (!state.shown.includes(nearest)) {
    $("camera").value = nearest.camera;
    pickCamera();
  }
  show(state.shown.indexOf(nearest));
};
function stop() {
  clearTimeout(state.playing);
  state.playing = 0;
  $("play").replaceChildren(svg("svg", { viewBox: "0 0 16 16" }, svg("path", { d: icons.play })));
  $("play").setAttribute("aria-label", "Play");
}
function play() {
  if (state.playing) return stop();
  const step = () => {
    const now = frame();
    show((state.at + 1) % state.shown.length);
    const gap = (frame().t - now.t) * 1000;
    state.playing = setTimeout(step, Math.max(45, Math.min(220, gap > 0 ? gap : 220)));
  };
  if (state.shown.length < 2) return;
  if (state.at === state.shown.length - 1) show(0);
  $("play").replaceChildren(svg("svg", { viewBox: "0 0 16 16" }, svg("path", { d: icons.pause })));
  $("play").setAttribute("aria-label", "Pause");
  state.playing = setTimeout(step, 60);
}
/** Tell both canvases what to emphasise. */
function look() {
  const s = state.session, f = frame(), hot = state.hot;
  const hotObject = hot ? hot.object : -1;
  player.look({ masks: $("show-masks").checked, boxes: $("show-boxes").checked, structure: $("show-structure").checked,
    selected: state.selected, hot: f && hot ? f.labels.find((l) => l === hot || (hotObject >= 0 && l.object === hotObject)) : null });
  const camera = s.cameras[f ? f.camera : 0];
  scene.look({ selected: state.selected, hot: hotObject, structure: s.objects.map((o) => o.structure), pose: f && f.pose,
    aspect: camera ? camera.height / camera.width : 0.75, focal: camera && camera.focal ? (2 * camera.focal) / camera.width : 1.6,
    color: $("scene-color").value, boxes: $("scene-boxes").checked, relations: $("scene-relations").checked, path: $("scene-path").checked,
    background: rgbOf(theme("--stage")), ink: theme("--ink"), accent: theme("--accent") });
}
function hover(next) {
  const same = next === state.hot || (next && state.hot && next.object >= 0 && next.object === state.hot.object);
  if (same) return;
  state.hot = next;
  look();
}
function select(k) {
  state.selected = k === state.selected && k >= 0 ? -1 : k;
  document.querySelectorAll("[data-object]").forEach((n) => n.setAttribute("aria-pressed", Number(n.dataset.object) === state.selected));
  state.shown.forEach((f, i) => {
    const mark = $("strip").children[i]?.querySelector(".has"), chosen = state.session.objects[state.selected];
    if (mark) mark.style.background = chosen && f.labels.some((l) => l.object === state.selected) ? chosen.color : "none";
  });
  drawInspector();
  look();
}
function drawStrip() {
  $("strip").replaceChildren(...state.shown.map((f, k) => el("button", { tabindex: -1, title: [`frame ${f.id}`, ...f.flags].join(", "), onclick: () => show(k) },
    f.url && el("img", { src: f.url, alt: "", loading: "lazy", decoding: "async" }),
    f.flags.length > 0 && el("i", { class: "dot" }), el("i", { class: "has" }))));
}
function sighting(k, direction) {
  const n = state.shown.length;
  for (let step = 1; step <= n; step++) {
    const i = (state.at + direction * step + n * step) % n;
    if (state.shown[i].labels.some((l) => l.object === k)) return show(i);
  }
}
function drawInspector() {
  const s = state.session, o = s.objects[state.selected], box = $("inspector");
  if (!o) {
    const hint = s.objects.length ? "Click a thing in the picture, in the scene or below to follow it through the whole recording." : "Nothing is labelled yet.";
    box.replaceChildren(el("p", { class: "muted", style: "grid-column:1/-1;text-align:center" }, hint));
    return;
  }
  const input = el("input", { type: "text", id: "name-input", placeholder: "white mug", maxlength: 80, size: 18, "aria-label": `Name of o${o.id}` });
  const out = el("code", {}, nameCommand(o, "white mug"));
  const text = () => nameCommand(o, input.value.trim() || "white mug");
  input.addEventListener("input", () => (out.textContent = text()));
  box.replaceChildren(
    o.url ? el("img", { src: o.url, alt: `Best view of ${titleOf(o)}` }) : el("span"),
    el("div", {},
      el("p", { class: "name" }, swatch(o.color), `o${o.id}`, phraseNode(o)),
      el("p", { class: "facts" }, ...[sizeOf(o), plural(o.frames, "frame"), spanOf(o), wordsOf(o.k)].filter(Boolean).map((t) => el("span", {}, t)))),
    el("div", { class: "do" },
      el("button", { class: "small", onclick: () => sighting(o.k, -1) }, "‹ previous sighting"),
      el("button", { class: "small", onclick: () => sighting(o.k, 1) }, "next ›"),
      o.best.length > 0 && el("button", { class: "small", onclick: () => showFrame(o.best[0]) }, "best view"),
      el("button", { class: "small", "aria-label": "Clear selection", onclick: () => select(-1) }, "clear")),
    el("div", {}, timeline(o)),
    el("div", { class: "naming" }, input, el("button", { class: "command", title: "Copy", onclick: () => copy(text()) }, out)));
}

// --- the rest of the page ---
function drawHead() {
  const s = state.session;
  $("title").textContent = DATA.name;
  const cameras = s.cameras.map((c) => `${c.name} ${c.width}×${c.height}`).join(", ") || "no camera";
  $("subtitle").textContent = [`Session ${s.name}`, s.format, cameras].join(" · ");
  const stats = [[number(s.frame_count), "frames"], [s.seconds.toFixed(1), "seconds"], [number(s.instances), "instances"], [number(s.tracks), "tracks"],
    [number(s.objects.length), "objects"], [`${s.things - s.unnamed} / ${s.things}`, "things named"]];
  $("stats").replaceChildren(...stats.map(([n, what]) => el("div", {}, el("dt", {}, what), el("dd", {}, n))));
  const notes = [];
  const note = (kind, head, ...rest) => notes.push(el("div", { class: `note ${kind}` }, el("p", {}, head && el("strong", {}, head), " ", rest[0]), ...rest.slice(1)));
  if (s.task) note("", "Task.", `“${s.task}”`);
  if (s.unnamed) {
    note("", `${s.unnamed === 1 ? "One thing has" : `${number(s.unnamed)} things have`} no name yet.`,
      "The embedded networks know a closed list of nouns and stay silent when in doubt. Say a name once and every frame has it:",
      el("p", {}, command(nameCommand(exampleOf(s.objects), "white mug"))));
  }
  if (!s.instances) note("warn", "No labels.", s.has_depth && s.has_poses ? "Nothing has been labelled in this session yet, or nothing was found." : "The embedded labeler needs depth and camera poses; frames are indexed and checked for quality.");
  if (s.pictures_missing) note("warn", "Pictures are missing.", s.pictures_missing);
  if (s.speed.failures.length) note("warn", `${plural(s.speed.failures.length, "clip")} failed.`, `Label again to retry. ${s.speed.failures.slice(0, 3).map(([stage, clip, why]) => `${stage}, clip ${clip}: ${why}`).join("; ")}`);
  if (s.notes.length) {
    const said = s.notes.map((t) => el("p", { class: "muted" }, t));
    note("", s.registered ? "Depth and colour did not line up; this was measured and corrected." : "About this recording.", "", ...said);
  }
  if (DATA.sessions_left_out) note("", `${plural(DATA.sessions_left_out, "more session")} not on this page;`, `this shows the first ${DATA.sessions.length}.`);
  $("notes").replaceChildren(...notes);
}
const ORDERS = { frames: (a, b) => b.frames - a.frames, size: (a, b) => volume(b) - volume(a), first: (a, b) => (a.first ?? 1e9) - (b.first ?? 1e9), id: (a, b) => a.id - b.id };
const FIRST_CARDS = 16;
const volume = (o) => (o.cm ? o.cm.reduce((x, y) => x * Math.max(y, 1), 1) : 0);
function drawCards() {
  const s = state.session, query = $("search").value.trim().toLowerCase();
  const found = s.objects.filter((o) => !query || `o${o.id} ${o.phrase} ${wordsOf(o.k)}`.toLowerCase().includes(query)).sort(ORDERS[$("sort").value]);
  const [things, structure] = [found.filter((o) => !o.structure), found.filter((o) => o.structure)];
  $("object-count").textContent = query ? `${found.length} of ${s.objects.length}` : String(things.length);
  const some = query || state.all ? things : things.slice(0, FIRST_CARDS);
  $("cards").replaceChildren(...some.map(card));
  $("more").hidden = some.length === things.length;
  $("more").textContent = `Show all ${things.length}`;
  if (!things.length) $("cards").append(el("p", { class: "muted" }, query ? "Nothing matches." : "There are none."));
  $("structure").hidden = !structure.length;
  $("structure").querySelector("summary").textContent = `Walls, floor and supports (${structure.length})`;
  $("structure-cards").replaceChildren(...structure.map(card));
}
function card(o) {
  return el("button", { class: "card", "data-object": o.k, "aria-pressed": o.k === state.selected, onclick: () => select(o.k),
    onmouseenter: () => hover({ object: o.k }), onmouseleave: () => hover(null) },
    o.url ? el("img", { class: "crop", src: o.url, alt: `Best view of ${titleOf(o)}`, loading: "lazy" }) : el("span", { class: "crop" }, "no picture"),
    el("span", { class: "body" },
      el("span", { class: "head" }, swatch(o.color), `o${o.id}`, phraseNode(o)),
      el("span", {}, sizeOf(o) || "size unknown"),
      el("span", {}, `${plural(o.frames, "frame")}${o.first === null ? "" : ` · ${spanOf(o)}`}`),
      el("span", { class: "words" }, wordsOf(o.k)), timeline(o)));
}
function drawRelations() {
  const { objects, relations } = state.session;
  const chip = (k) => el("button", { class: "chip", "data-object": k, "aria-pressed": k === state.selected, onclick: () => select(k),
    onmouseenter: () => hover({ object: k }), onmouseleave: () => hover(null) }, swatch(objects[k].color), titleOf(objects[k]));
  const held = relations.filter((r) => r[1] === "on" || r[1] === "in"), under = new Set(held.map((r) => r[0]));
  const others = (k) => relations.filter((r) => r[0] === k && r[1] !== "on" && r[1] !== "in");
  const item = (k, how, path) => el("li", {}, how && el("span", { class: "how" }, how), chip(k),
    ...others(k).flatMap(([, p, o]) => [el("span", { class: "how" }, ` ${p} `), chip(o)]),
    !path.includes(k) && el("ul", {}, held.filter((r) => r[2] === k).map((r) => item(r[0], r[1], [...path, k]))));
  const roots = [...new Set(held.map((r) => r[2]))].filter((k) => !under.has(k));
  const loose = [...new Set(relations.map((r) => r[0]))].filter((k) => !under.has(k) && !roots.includes(k));
  const list = [...roots, ...loose].map((k) => item(k, "", []));
  $("relations").replaceChildren(list.length ? el("ul", {}, list) : el("p", { class: "muted" }, "No relations were found."));
}
function chart(title, values, unit, flagged) {
  const known = values.filter((v) => v !== null), top = Math.max(...known, 1e-9), n = Math.max(1, values.length - 1);
  const at = values.map((v, k) => `${((k / n) * 1000).toFixed(1)} ${(78 - (70 * (v ?? 0)) / top).toFixed(1)}`);
  const plot = svg("svg", { class: "chart", viewBox: "0 0 1000 80", preserveAspectRatio: "none", role: "img", "aria-label": `${title} over time` },
    svg("path", { class: "area", d: `M0 80L${at.join("L")}L1000 80Z` }), svg("path", { class: "curve", d: `M${at.join("L")}` }),
    ...flagged.map((count, k) => (count ? svg("line", { class: "flagged", x1: (k / n) * 1000, x2: (k / n) * 1000, y1: 72, y2: 80 }) : "")),
    svg("line", { class: "now", x1: 0, x2: 0, y1: 0, y2: 80 }));
  plot.addEventListener("click", (e) => {
    const r = plot.getBoundingClientRect();
    showFrame(((e.clientX - r.left) / r.width) * state.session.frame_count);
  });
  const mean = known.reduce((a, b) => a + b, 0) / Math.max(1, known.length);
  return el("div", { class: "box" }, el("h3", {}, title, el("span", { class: "muted" }, ` mean ${mean.toPrecision(3)}${unit}`)), plot,
    el("div", { class: "axis" }, el("span", {}, "0 s"), el("span", {}, `${state.session.seconds.toFixed(1)} s`)));
}
function drawQuality() {
  const s = state.session, q = s.quality;
  if (!q) return $("quality-body").replaceChildren(el("p", { class: "muted" }, "Quality was not measured."));
  const say = { lookalike: "instances with a look-alike beside them", small: "small instances", truncated: "instances cut by the border" };
  const counts = q.frame_flags.map(([flag, n]) => `${plural(n, "frame")} ${flag.replaceAll("_", " ")}`);
  q.instance_flags.forEach(([flag, n]) => counts.push(`${number(n)} ${say[flag] || flag}`));
  const charts = [chart("Sharpness", q.sharpness, "", q.flagged), chart("Brightness", q.brightness, " of 255", q.flagged)];
  if (q.depth.some((d) => d !== null)) charts.push(chart("Pixels with depth", q.depth.map((d) => d && d * 100), " %", q.flagged));
  const looks = q.notable.map(([id, why]) => {
    const f = s.frames.find((x) => x.id === id);
    return el("button", { onclick: () => { showFrame(id); $("look").scrollIntoView(); } },
      f && f.url ? el("img", { src: f.url, alt: "", loading: "lazy" }) : el("span", { class: "none" }), `frame ${id}: ${why}`);
  });
  $("quality-body").replaceChildren(
    el("div", { class: "counts" }, counts.length ? counts.map((t) => el("span", {}, t)) : el("span", {}, "no frame was flagged")),
    el("div", { class: "two" }, el("div", { class: "stack" }, charts), looks.length > 0 && el("div", { class: "box" }, el("h3", {}, "Frames worth a look"), el("div", { class: "looks" }, looks))));
}
function drawSpeed() {
  const s = state.session, total = s.speed.stages.reduce((sum, [, t]) => sum + t, 0), top = Math.max(...s.speed.stages.map((x) => x[1]), 1e-9);
  const row = (...cells) => el("tr", {}, cells.map((c) => (c instanceof Node ? c : el("td", {}, c))));
  const head = (...names) => el("tr", {}, names.map((n) => el("th", { scope: "col" }, n)));
  const stages = s.speed.stages.map(([stage, t]) => row(stage, el("td", { class: "number" }, `${t.toFixed(2)} s`),
    el("td", { class: "number" }, t > 0 ? number(Math.round(s.frame_count / t)) : ""), el("td", {}, el("div", { class: "meter" }, el("i", { style: `width:${(100 * t) / top}%` })))));
  const flat = (facts, prefix = "") => Object.entries(facts).flatMap(([k, v]) => (v && typeof v === "object" && !Array.isArray(v) ? flat(v, `${prefix}${k}.`) : [`${prefix}${k} = ${JSON.stringify(v)}`]));
  const runs = s.runs.map((r) => row(r.table, el("td", { class: "mono" }, r.run), r.stage, Object.keys(r.reads).join(", "), el("td", { class: "mono" }, flat(r.facts).join(", "))));
  $("speed-body").replaceChildren(el("div", { class: "two" },
    el("div", { class: "box" }, el("h3", {}, total ? `${(s.frame_count / total).toFixed(1)} frames/s over ${total.toFixed(1)} s of work` : "No timings were kept."),
      total > 0 && el("table", {}, el("thead", {}, head("stage", "work", "frames/s", "")), el("tbody", {}, stages)),
      total > 0 && el("p", { class: "muted", style: "margin-top:8px;font-size:12.5px" }, "Stages that share a pass over the frames share its time equally.")),
    el("div", { class: "box" }, el("h3", {}, "Who made each table, from what"),
      runs.length ? el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head("table", "run", "stage", "reads", "facts")), el("tbody", {}, runs))) : el("p", { class: "muted" }, "Nothing is labelled yet."))));
}
function drawNext() {
  const name = shell(DATA.name), stem = DATA.name.replace(/\.sk$/, ""), o = exampleOf(state.session.objects);
  const steps = [
    o && ["Name a thing, once and in every frame", nameCommand(o, "white mug")],
    ["See what is there, and write this page again", `scenekeeper show ${name} --page`],
    ["Train a detector or segmenter", `scenekeeper export ${name} coco ${shell(`${stem}.json`)}`],
    ["Train a policy with the labels beside the actions", `scenekeeper export ${name} lerobot ${shell(`${stem}-lerobot/`)}`],
    ["Look at it beside the recording in Foxglove", `scenekeeper export ${name} foxglove ${shell(`${stem}-labels.mcap`)}`],
    ["Ask anything in SQL", `cd ${name} && duckdb -init views.sql`],
  ];
  $("next-body").replaceChildren(el("p", { class: "muted", style: "margin-bottom:12px" }, `Run these in the folder that holds ${DATA.name}; click to copy.`),
    el("div", { class: "steps" }, steps.filter(Boolean).map(([why, text]) => el("div", { class: "box" }, el("p", {}, why), command(text)))));
}

// --- wiring ---
const player = makePlayer($("picture"), describe, (label) => select(label && label.object >= 0 ? label.object : -1), hover);
const scene = makeScene($("scene"), (k) => select(k), (k) => hover(k >= 0 ? { object: k } : null));
for (const id of ["show-masks", "show-boxes", "show-structure", "scene-color", "scene-boxes", "scene-relations", "scene-path"]) $(id).addEventListener("change", look);
$("play").addEventListener("click", play);
$("slider").addEventListener("input", () => { stop(); show(Number($("slider").value)); });
$("scene-reset").addEventListener("click", () => scene.reset());
$("search").addEventListener("input", drawCards);
$("sort").addEventListener("change", drawCards);
$("more").addEventListener("click", () => { state.all = true; drawCards(); });
$("camera").addEventListener("change", () => { stop(); pickCamera(); });
$("session").addEventListener("change", () => open($("session").value));
document.addEventListener("keydown", (e) => {
  const at = e.target, typing = at.matches?.("input, select, textarea"), button = at.matches?.("button, summary, a");
  if (typing || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === " " && !button) play();
  else if (e.key === "ArrowLeft") { stop(); show(state.at - 1); }
  else if (e.key === "ArrowRight") { stop(); show(state.at + 1); }
  else if (e.key === "Escape") select(-1);
  else return;
  e.preventDefault();
});
new ResizeObserver(() => { player.draw(); scene.redraw(); }).observe($("look"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", look);
if (DATA.sessions.length) {
  $("session-pick").hidden = DATA.sessions.length < 2;
  $("session").replaceChildren(...DATA.sessions.map((s) => el("option", { value: s.name }, s.name)));
  open(DATA.sessions[0].name);
} else {
  $("title").textContent = DATA.name;
  $("notes").append(el("p", { class: "note warn" }, `This dataset is empty. Label a recording: scenekeeper label RECORDING --into ${shell(DATA.name)}`));
  for (const id of ["look", "objects", "quality", "speed", "next"]) $(id).hidden = true;
}
