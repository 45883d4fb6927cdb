"use strict";
// The world page: one state, small functions that draw each part from it.

const DATA = JSON.parse(document.getElementById("data").textContent);
const THINGS = DATA.things;
const STATUSES = {
  confirmed: "seen, surely", tentative: "seen, not surely", stale: "not looked at for long",
  missing: "looked for in vain", moved: "moved in the last session", conflicted: "observations contradict",
};
const state = { selected: -1, hot: -1, statuses: new Set(), visible: new Set() };
const shots = new Map();

const percent = (p) => (p === null ? "?" : `${p >= 0.995 && p < 1 ? ">99" : p > 0 && p < 0.005 ? "<1" : Math.round(p * 100)} %`);
const metres = (v) => (v === null ? "?" : v.toFixed(2));
const when = (t) => (t.ago === "now" ? "now" : `${t.ago} ago`);
const nameOf = (t) => t.phrase || "no name yet";
const whereOf = (t) => (t.holder ? `${t.holder[0]} ${THINGS[t.holder[1]].tag}` : "");
const sizeOf = (t) => `${t.extent.map((v) => (v === null ? "?" : v < 0.1 ? (100 * v).toFixed(1) : (100 * v).toFixed(0))).join(" × ")} cm`;
const relationsOf = (k) => DATA.relations.filter((r) => r[0] === k || r[2] === k);

// --- choosing ---
function select(k) {
  state.selected = k === state.selected ? -1 : k;
  state.hot = -1;
  const t = THINGS[state.selected];
  history.replaceState(null, "", t ? `#o${t.id}` : location.pathname + location.search);
  drawList();
  drawDetails();
  look();
  const row = document.querySelector('#list [aria-pressed="true"]');
  if (row) row.scrollIntoView({ block: "nearest" });
}
function hover(k) {
  if (k === state.hot) return;
  state.hot = k;
  look();
}
function look() {
  const { selected, hot, visible } = state;
  plan.look({ selected, hot, visible, relations: DATA.relations, photo: $("plan-photo").checked, labels: $("plan-labels").checked });
  scene.look({ selected, hot, color: $("scene-color").value, boxes: $("scene-boxes").checked, relations: $("scene-relations").checked,
    structure: THINGS.map((t, k) => t.structure || !visible.has(k)), path: false,
    background: rgbOf(theme("--stage")), ink: theme("--ink"), accent: theme("--accent") });
}

// --- the list ---
const volume = (t) => t.extent.reduce((v, e) => v * Math.max(e || 0, 0.01), 1);
const ORDERS = {
  name: (a, b) => (a.phrase === null) - (b.phrase === null) || nameOf(a).localeCompare(nameOf(b)) || a.id - b.id,
  belief: (a, b) => b.existence - a.existence, seen: (a, b) => b.seen - a.seen, size: (a, b) => volume(b) - volume(a), id: (a, b) => a.id - b.id,
};
function matches(t, query) {
  const names = t.names.map((n) => n[0]).join(" ");
  const text = `o${t.id} ${t.tag} ${names} ${t.said_color} ${t.status} ${whereOf(t)}`.toLowerCase();
  return query.split(/\s+/).every((word) => text.includes(word));
}
function drawList() {
  const query = $("search").value.trim().toLowerCase(), order = ORDERS[$("sort").value];
  const fits = (t) => (!state.statuses.size || state.statuses.has(t.status)) && matches(t, query);
  const listed = THINGS.map((t, k) => k).filter((k) => fits(THINGS[k]) && (!THINGS[k].structure || $("structure").checked || query));
  state.visible = new Set(THINGS.map((t, k) => k).filter((k) => (query || state.statuses.size ? fits(THINGS[k]) : true)));
  listed.sort((a, b) => order(THINGS[a], THINGS[b]));
  const focused = document.activeElement?.dataset?.thing;
  $("list").replaceChildren(...listed.map(row));
  if (focused) document.querySelector(`#list [data-thing="${focused}"]`)?.focus();
  $("count").textContent = listed.length ? `${listed.length} of ${plural(THINGS.length, "thing")}` : "Nothing matches.";
}
function row(k) {
  const t = THINGS[k], gone = t.status === "missing";
  const button = el("button", { type: "button", "data-thing": k, "aria-pressed": k === state.selected ? "true" : "false", class: gone ? "gone" : "", onclick: () => select(k),
    onmouseenter: () => hover(k), onmouseleave: () => hover(-1) },
    swatch(t.color), el("span", { class: "name" }, el("span", { class: t.phrase ? "" : "unnamed" }, nameOf(t)), el("span", { class: "id" }, `o${t.id}`)),
    el("span", { class: "belief", title: "Belief that it is there" }, percent(t.existence)),
    el("span", { class: "where" }, [t.status === "confirmed" ? "" : t.status, whereOf(t)].filter(Boolean).join(" · ") || t.kind));
  return el("li", {}, button);
}
function drawStatuses() {
  const counts = Object.keys(STATUSES).map((s) => [s, THINGS.filter((t) => t.status === s).length]).filter(([, n]) => n);
  $("statuses").replaceChildren(...counts.map(([status, n]) => el("button", { type: "button", "aria-pressed": state.statuses.has(status) ? "true" : "false", title: STATUSES[status],
    onclick: () => {
      if (!state.statuses.delete(status)) state.statuses.add(status);
      drawStatuses();
      drawList();
      look();
    } }, `${status} ${n}`)));
}

// --- details ---
const chip = (k) => el("button", { type: "button", class: "chip", onclick: () => select(k), onmouseenter: () => hover(k), onmouseleave: () => hover(-1) }, swatch(THINGS[k].color), THINGS[k].tag);
const fact = (what, ...said) => [el("dt", {}, what), el("dd", {}, ...said)];
const part = (title, ...inside) => el("div", {}, el("h3", {}, title), ...inside);
function measure(name, p) {
  return el("div", { class: "measure" }, el("span", { title: name }, name), el("div", { class: "meter", "aria-hidden": "true" }, el("i", { style: `width:${100 * (p || 0)}%` })), el("output", {}, percent(p)));
}
function pictures(t) {
  if (!shots.has(t.id)) shots.set(t.id, t.pictures.map(jpeg));
  return shots.get(t.id);
}
function drawDetails() {
  const t = THINGS[state.selected];
  $("details").replaceChildren(...(t ? detailsOf(t, state.selected) : overview()));
  $("details").scrollTop = 0;
}
function detailsOf(t, k) {
  const rest = 1 - t.names.reduce((sum, [, p]) => sum + (p || 0), 0), shown = pictures(t), related = relationsOf(k);
  const std = t.std.map((v) => (v === null ? "?" : (100 * v).toFixed(1))).join(", ");
  return [
    el("h2", {}, swatch(t.color), el("span", { class: t.phrase ? "" : "unnamed" }, nameOf(t)), el("span", { class: "muted" }, `o${t.id}`)),
    el("p", { class: "head" }, el("span", { class: `badge-status ${t.status}` }, t.status), el("span", { class: "muted" }, STATUSES[t.status]),
      el("span", { class: "grow" }), el("button", { type: "button", class: "small", onclick: () => select(-1) }, "Close")),
    shown.length > 0 && el("div", { class: "shots" }, shown.map((url, i) => el("img", { src: url, alt: `View ${i + 1} of ${t.tag}` }))),
    part("Belief", measure("it is there", t.existence)),
    part(t.verified ? "Name, said by a person" : "Names", ...(t.names.length ? [...t.names.map(([name, p]) => measure(name, p)), rest >= 0.005 && measure("any other", rest)] : [el("p", { class: "muted" }, "Nothing is known yet.")])),
    el("dl", {}, ...fact("where", whereOf(t) ? el("span", {}, t.holder[0], " ", chip(t.holder[1])) : "not known"),
      ...fact("position", t.center.map(metres).join(", "), " m ", el("div", { class: "muted" }, `± ${std} cm`)), ...fact("size", sizeOf(t)), ...fact("colour", swatch(t.surface), " ", t.said_color), ...fact("kind", t.kind),
      ...fact("last seen", when(t), el("div", { class: "muted" }, t.last)), ...fact("first seen", t.first), ...fact("frames", number(t.frames)),
      ...fact("sessions", t.sessions.length ? t.sessions.join(", ") : "none"), ...(t.views.length ? fact("best views", t.views.map(([s, f]) => `${s}/${f}`).join(", ")) : [])),
    part("Relations", related.length ? el("ul", { class: "links" }, related.map(([s, predicate, o, score, source, frame]) => el("li", { title: [source, frame].filter(Boolean).join(", ") },
      s === k ? [el("span", { class: "how" }, `${predicate} `), chip(o)] : [chip(s), el("span", { class: "how" }, ` ${predicate} it`)], el("span", { class: "sure" }, percent(score))))) : el("p", { class: "muted" }, "None are known.")),
  ].filter(Boolean);
}
function overview() {
  const held = new Map();
  THINGS.forEach((t, k) => t.holder && held.set(t.holder[1], [...(held.get(t.holder[1]) || []), k]));
  const item = (k) => el("li", {}, THINGS[k].holder && el("span", { class: "how" }, THINGS[k].holder[0]), chip(k), held.has(k) && el("ul", {}, held.get(k).map(item)));
  const roots = THINGS.map((t, k) => k).filter((k) => !THINGS[k].holder && held.has(k));
  const loose = THINGS.map((t, k) => k).filter((k) => !THINGS[k].holder && !held.has(k) && !THINGS[k].structure);
  return [
    el("h2", {}, "What is where"),
    el("p", { class: "muted" }, "Click a thing in the plan, in 3D or in a list to see what is known of it."),
    roots.length > 0 && el("ul", { class: "tree" }, roots.map(item)),
    loose.length > 0 && part("On nothing that is known", el("ul", { class: "tree" }, loose.map(item))),
    !THINGS.length && el("p", { class: "muted" }, "Nothing is known of this world yet."),
  ].filter(Boolean);
}

// --- head and legend ---
function drawHead() {
  $("title").textContent = DATA.name;
  const things = THINGS.filter((t) => !t.structure);
  $("subtitle").textContent = [plural(things.length, "thing"), plural(DATA.sessions.length, "session"), `as of ${DATA.moment}`].join(" · ");
}
function drawLegend() {
  const sample = (status, kind) => {
    const box = svg("svg", { viewBox: "0 0 24 14", "aria-hidden": "true" }, svg("rect", { class: `mark ${status} ${kind}`, x: 2, y: 2, width: 20, height: 10, fill: "#5b8def", stroke: "#5b8def" }));
    if (status === "missing") box.append(svg("path", { class: "cross", d: "M2 2L22 12M22 2L2 12" }));
    return box;
  };
  const there = Object.entries(STATUSES).filter(([s]) => s === "confirmed" || THINGS.some((t) => t.status === s));
  $("legend").replaceChildren(...there.map(([s, said]) => el("span", { title: said }, sample(s, ""), s)), el("span", {}, sample("", "structure"), "wall, support"));
}

// --- wiring ---
const plan = makePlan($("plan"), (k) => (k >= 0 || state.selected >= 0) && select(k), hover);
const scene = makeScene($("scene"), (k) => (k >= 0 || state.selected >= 0) && select(k), hover);
plan.load(THINGS, DATA.plan);
scene.load({ points: DATA.points, paths: [] }, THINGS, DATA.relations.map(([s, p, o]) => [s, p, o]), null);
$("scene-empty").hidden = THINGS.some((t) => t.box);
for (const id of ["plan-photo", "plan-labels", "scene-color", "scene-boxes", "scene-relations"]) $(id).addEventListener("change", look);
$("plan-in").addEventListener("click", () => plan.zoom(1.3));
$("plan-out").addEventListener("click", () => plan.zoom(1 / 1.3));
$("plan-reset").addEventListener("click", () => plan.reset());
$("scene-reset").addEventListener("click", () => scene.reset());
for (const [id, event] of [["search", "input"], ["sort", "change"], ["structure", "change"]]) $(id).addEventListener(event, () => { drawList(); look(); });
$("layout").addEventListener("click", (e) => {
  const chosen = e.target.closest("[data-layout]");
  if (!chosen) return;
  $("views").dataset.layout = chosen.dataset.layout;
  for (const b of $("layout").children) b.setAttribute("aria-pressed", b === chosen ? "true" : "false");
});
$("list").addEventListener("keydown", (e) => {
  const rows = [...$("list").querySelectorAll("button")], at = rows.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[e.key];
  if (to === undefined || !rows[to]) return;
  rows[to].focus();
  e.preventDefault();
});
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === "Escape" && state.selected >= 0) select(-1);
  else if (e.key === "/" && !e.target.matches?.("input, select")) $("search").focus();
  else return;
  e.preventDefault();
});
const resized = new ResizeObserver(() => { plan.resize(); scene.redraw(); });
for (const id of ["plan", "scene"]) resized.observe($(id));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", look);
drawHead();
drawLegend();
drawStatuses();
drawList();
const linked = THINGS.findIndex((t) => location.hash === `#o${t.id}`);
if (linked >= 0) select(linked);
else {
  drawDetails();
  look();
}
