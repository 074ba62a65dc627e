// The page of `imgfac graph --format html`. All text of the fleet goes through textContent or
// fillText: nothing of it is ever read as markup.

const { graph, picture, asOf } = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const [WIDTH, HEIGHT] = picture.node;
const COLOURS = ["#2f7de1", "#d9622b", "#2a9d63", "#b0479b", "#a58a00", "#7a5cd6", "#12939a", "#d1495b", "#7f8c1f", "#8a6d5b"];
const ROWS = 1000;
const DAY = 86_400_000;
const FILTERS = ["kind", "status", "registry", "team"];

// ------------------------------------------------------------------------------------- the graph

const index = new Map(graph.nodes.map((node, at) => [node.id, at]));
const nodes = graph.nodes.map((node, at) => ({
  ...node,
  team: node.team ?? "",
  at,
  label: picture.labels[at][0],
  detail: picture.labels[at][1],
  full: picture.labels[at][2],
  x: picture.nodes[at][0],
  y: picture.nodes[at][1],
  bases: [],
  dependents: [],
  text: `${node.name} ${node.image} ${picture.labels[at][2]}${node.endOfLife ? ` end of life ${node.endOfLife}` : ""}`.toLowerCase(),
}));
const circles = new Set(graph.cycles.flatMap((cycle) => cycle.edges.map((edge) => `${edge.image}>${edge.base}`)));
const edges = graph.edges.map((edge, at) => ({
  image: index.get(edge.image),
  base: index.get(edge.base),
  needed: edge.needed,
  places: edge.uses.map(({ role, stage }) => (stage ? `${role} in ${stage}` : role)).join(", "),
  circle: circles.has(`${edge.image}>${edge.base}`),
  path: new Path2D(picture.edges[at][0]),
  colour: COLOURS[picture.edges[at][1]],
}));
const between = new Map();
for (const { image, base, places } of edges) {
  between.set(`${image}>${base}`, places);
  nodes[image].bases.push(base);
  nodes[base].dependents.push(image);
}

/// Everything that can be reached from a node, without it.
function reach(start, direction) {
  const found = new Set();
  const open = [start];
  while (open.length) {
    for (const next of nodes[open.pop()][direction]) {
      if (next !== start && !found.has(next)) {
        found.add(next);
        open.push(next);
      }
    }
  }
  return found;
}
for (const node of nodes) node.above = reach(node.at, "dependents").size;

function age(node) {
  const [since, now] = [Date.parse(node.changed), Date.parse(asOf)];
  if (Number.isNaN(since) || since > now) return "";
  const days = Math.floor((now - since) / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

/// Whether the last day of a base is past; days of this form compare as text.
const past = (node) => (node.endOfLife ?? "9999") < asOf.slice(0, 10);
function ending(node) {
  if (node.endOfLife === null) return "";
  return past(node) ? `past its end of life (${node.endOfLife})` : `end of life ${node.endOfLife}`;
}

// ------------------------------------------------------------------------------------- the state

let chosen = null;
let below = new Set();
let above = new Set();
let shown = nodes.map(() => true);
let sort = { key: "name", up: true };
let rows = ROWS;

// ----------------------------------------------------------------------------------- the picture

const canvas = byId("picture");
const pen = canvas.getContext("2d");
const eye = { x: 0, y: 0, scale: 1 };
let colours = {};
let waiting = false;

function readColours() {
  const probe = document.createElement("span");
  document.body.append(probe);
  const names = ["page", "ink", "faint", "line", "accent", "below", "above", "warn"];
  for (const kind of ["managed", "external", "base", "pinned"]) names.push(kind, `${kind}-line`);
  for (const name of [...names, "failed"]) {
    probe.style.color = `var(--${name})`;
    colours[name] = getComputedStyle(probe).color;
  }
  probe.remove();
}

// Thousands of curves cost more than a frame. They are drawn onto a layer of their own, a little
// larger than what is seen; while the picture moves the layer moves with it, and is drawn anew
// when it stands still. Few curves are drawn in every frame.
const layer = document.createElement("canvas");
const MARGIN = 0.25;
const FEW = 300;
const PAUSE = 120;
let lines = [];
let drawnFor = null;
let pause = 0;

/// Which edges are drawn, and how.
function pickLines() {
  lines = [];
  for (const edge of edges) {
    if (!shown[edge.image] || !shown[edge.base]) continue;
    let [colour, width, order] = [edge.colour, 1.3, 0];
    if (chosen !== null) {
      const inside = (node, set) => node === chosen || set.has(node);
      if (inside(edge.image, below) && inside(edge.base, below)) [colour, width, order] = ["below", 2, 1];
      else if (inside(edge.image, above) && inside(edge.base, above)) [colour, width, order] = ["above", 2, 1];
      else continue;
    }
    if (edge.circle) [colour, width, order] = ["warn", 2.5, 2];
    lines.push({ ...edge, colour, width, order, key: `${order} ${colour} ${edge.needed}` });
  }
  drawnFor = null;
}

/// The edges that may be seen between two corners.
function linesBetween(left, top, right, bottom) {
  return lines.filter(({ image, base }) => {
    const [a, b] = [nodes[base], nodes[image]];
    return Math.min(a.x, b.x) < right && Math.max(a.x, b.x) + WIDTH > left && Math.min(a.y, b.y) - HEIGHT < bottom && Math.max(a.y, b.y) + 2 * HEIGHT > top;
  });
}

/// Edges that look alike are drawn in one stroke.
function strokeLines(pen, some, scale) {
  const groups = new Map();
  for (const line of some) {
    if (!groups.has(line.key)) groups.set(line.key, { ...line, path: new Path2D() });
    groups.get(line.key).path.addPath(line.path);
  }
  for (const { colour, width, needed, path } of [...groups.values()].sort((a, b) => a.order - b.order)) {
    pen.strokeStyle = colours[colour] ?? colour;
    // A line that is thinner than a pixel costs as much and shows less.
    pen.lineWidth = Math.max(width, 0.6 / scale);
    pen.setLineDash(needed || scale < 0.3 ? [] : [5, 4]);
    pen.stroke(path);
  }
}

function drawLines(ratio, width, height) {
  const { x, y, scale } = eye;
  const inView = linesBetween(-x / scale, -y / scale, (width - x) / scale, (height - y) / scale);
  if (inView.length <= FEW) {
    pen.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * x, ratio * y);
    strokeLines(pen, inView, scale);
    return;
  }
  const same = drawnFor && drawnFor.x === x && drawnFor.y === y && drawnFor.scale === scale;
  if (!drawnFor || drawnFor.width !== width || drawnFor.height !== height) drawLayer(ratio, width, height);
  else if (!same) {
    clearTimeout(pause);
    pause = setTimeout(() => {
      drawnFor = null;
      redraw();
    }, PAUSE);
  }
  const by = scale / drawnFor.scale;
  const [left, top] = [x - by * (drawnFor.x + MARGIN * width), y - by * (drawnFor.y + MARGIN * height)];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.drawImage(layer, left, top, (layer.width / ratio) * by, (layer.height / ratio) * by);
}

function drawLayer(ratio, width, height) {
  const { x, y, scale } = eye;
  const [wide, tall] = [Math.round(width * (1 + 2 * MARGIN) * ratio), Math.round(height * (1 + 2 * MARGIN) * ratio)];
  // Setting its size empties it.
  [layer.width, layer.height] = [wide, tall];
  const pen = layer.getContext("2d");
  const [left, top] = [x + MARGIN * width, y + MARGIN * height];
  pen.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * left, ratio * top);
  strokeLines(pen, linesBetween(-left / scale, -top / scale, (wide / ratio - left) / scale, (tall / ratio - top) / scale), scale);
  drawnFor = { x, y, scale, width, height };
}

function look(node) {
  const bad = node.inCycle || node.status === "failed" || node.status === "unreadable" || past(node);
  const kind = node.status === "pinned" ? "pinned" : node.kind;
  return {
    fill: bad ? colours.failed : colours[kind],
    stroke: bad ? colours.warn : colours[`${kind}-line`],
    width: bad ? 2 : 1.2,
    dash: { pinned: [2, 2], pending: [6, 3], missing: [6, 3] }[node.status] ?? [],
    round: { managed: 4, external: 0, base: HEIGHT / 2 }[node.kind],
  };
}

function shape(pen, { fill, stroke, width, dash, round }, x, y, wide, tall) {
  pen.beginPath();
  pen.roundRect(x, y, wide, tall, Math.min(round, tall / 2));
  pen.fillStyle = fill;
  pen.fill();
  pen.strokeStyle = stroke;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.stroke();
}

function shortened(text, limit) {
  const letters = [...text];
  if (letters.length <= limit) return text;
  return `${letters.slice(0, (limit - 1) >> 1).join("")}…${letters.slice(letters.length - (limit >> 1)).join("")}`;
}

function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.fillStyle = colours.page;
  pen.fillRect(0, 0, width, height);
  const scale = eye.scale;
  drawLines(ratio, width, height);
  pen.setTransform(ratio * scale, 0, 0, ratio * scale, ratio * eye.x, ratio * eye.y);
  pen.textAlign = "center";
  const [left, top] = [-eye.x / scale, -eye.y / scale];
  const [right, bottom] = [left + width / scale, top + height / scale];
  for (const node of nodes) {
    if (node.x > right || node.y > bottom || node.x + WIDTH < left || node.y + HEIGHT < top) continue;
    const related = chosen === null || node.at === chosen || below.has(node.at) || above.has(node.at);
    pen.globalAlpha = shown[node.at] && related ? 1 : 0.15;
    const style = look(node);
    if (node.at === chosen) Object.assign(style, { stroke: colours.accent, width: 4, dash: [] });
    else if (chosen !== null && related) Object.assign(style, { stroke: colours[below.has(node.at) ? "below" : "above"], width: 2.5 });
    if (scale < 0.3) {
      style.dash = [];
      style.width = Math.max(style.width, 0.6 / scale);
    }
    shape(pen, style, node.x, node.y, WIDTH, HEIGHT);
    if (scale >= 0.4) {
      pen.fillStyle = colours.ink;
      pen.font = "11px ui-monospace, 'DejaVu Sans Mono', monospace";
      pen.fillText(shortened(node.label, 31), node.x + WIDTH / 2, node.y + 17, WIDTH - 8);
      pen.fillStyle = colours.faint;
      pen.font = "10px system-ui, sans-serif";
      pen.fillText(shortened(node.detail, 38), node.x + WIDTH / 2, node.y + 30, WIDTH - 8);
    }
  }
  pen.globalAlpha = 1;
  // The names of layers stay in sight.
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.textAlign = "left";
  pen.font = "600 12px system-ui, sans-serif";
  let free = -Infinity;
  for (const [x, name] of picture.layers) {
    const at = x * scale + eye.x;
    if (at < free) continue;
    const wide = pen.measureText(name).width;
    pen.fillStyle = colours.page;
    pen.fillRect(at - 4, 4, wide + 8, 18);
    pen.fillStyle = colours.faint;
    pen.fillText(name, at, 17);
    free = at + wide + 12;
  }
  // Where the picture is, for tests.
  canvas.dataset.eye = [eye.x, eye.y, scale].join(" ");
}

function redraw() {
  if (!waiting) {
    waiting = true;
    requestAnimationFrame(draw);
  }
}

function limits() {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const all = Math.min((width - 40) / picture.width, (height - 54) / picture.height);
  return { width, height, all: Math.max(0.02, Math.min(all, 1)) };
}

function fit() {
  const { width, all } = limits();
  eye.scale = all;
  eye.x = (width - picture.width * all) / 2;
  eye.y = 34;
  redraw();
}

function zoom(factor, x, y) {
  const { all, width, height } = limits();
  const scale = Math.min(4, Math.max(all * 0.8, eye.scale * factor));
  const [atX, atY] = [x ?? width / 2, y ?? height / 2];
  eye.x = atX - ((atX - eye.x) * scale) / eye.scale;
  eye.y = atY - ((atY - eye.y) * scale) / eye.scale;
  eye.scale = scale;
  redraw();
}

function show(node) {
  const { width, height } = limits();
  eye.scale = Math.max(eye.scale, 0.7);
  eye.x = width / 2 - (node.x + WIDTH / 2) * eye.scale;
  eye.y = height / 2 - (node.y + HEIGHT / 2) * eye.scale;
}

function inSight(node) {
  const { width, height } = limits();
  const [x, y] = [node.x * eye.scale + eye.x, node.y * eye.scale + eye.y];
  return eye.scale >= 0.4 && x > 0 && y > 24 && x + WIDTH * eye.scale < width && y + HEIGHT * eye.scale < height;
}

function hit(x, y) {
  const [atX, atY] = [(x - eye.x) / eye.scale, (y - eye.y) / eye.scale];
  return nodes.find((node) => atX >= node.x && atX <= node.x + WIDTH && atY >= node.y && atY <= node.y + HEIGHT);
}

const pointers = new Map();
let moved = 0;
canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
  moved = 0;
});
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) {
    const node = hit(event.offsetX, event.offsetY);
    canvas.title = node ? `${node.full} (${node.kind}, ${node.status})` : "";
    return;
  }
  const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
  const now = [event.offsetX, event.offsetY];
  if (others.length) {
    const span = (place) => Math.hypot(place[0] - others[0][0], place[1] - others[0][1]);
    if (span(before) > 0) zoom(span(now) / span(before), (now[0] + others[0][0]) / 2, (now[1] + others[0][1]) / 2);
  } else {
    eye.x += now[0] - before[0];
    eye.y += now[1] - before[1];
    redraw();
  }
  moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
  pointers.set(event.pointerId, now);
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, (event) => {
    const last = pointers.delete(event.pointerId) && pointers.size === 0;
    if (last && end === "pointerup" && moved < 4) choose(hit(event.offsetX, event.offsetY)?.at ?? null);
  });
}
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), event.offsetX, event.offsetY);
}, { passive: false });

/// The nearest of some nodes by height.
function nearest(from, candidates) {
  const distance = (at) => Math.abs(nodes[at].y - from.y) + Math.abs(nodes[at].x - from.x) / 1000;
  return candidates.reduce((best, at) => (best === null || distance(at) < distance(best) ? at : best), null);
}

function step(key) {
  const first = () => nodes.find((node) => shown[node.at])?.at ?? null;
  if (chosen === null) return first();
  const node = nodes[chosen];
  const column = nodes.filter((other) => other.x === node.x && shown[other.at]);
  const candidates = {
    ArrowLeft: node.bases,
    ArrowRight: node.dependents,
    ArrowUp: column.filter((other) => other.y < node.y).map((other) => other.at),
    ArrowDown: column.filter((other) => other.y > node.y).map((other) => other.at),
  }[key];
  return nearest(node, candidates.filter((at) => at !== chosen)) ?? chosen;
}

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.startsWith("Arrow")) choose(step(event.key));
  else if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") fit();
  else if (event.key === "Escape") choose(null);
  else if (event.key === "Enter" && chosen !== null) byId("detail").focus();
  else return;
  event.preventDefault();
});
byId("nearer").addEventListener("click", () => zoom(1.25));
byId("farther").addEventListener("click", () => zoom(0.8));
byId("fit").addEventListener("click", fit);
new ResizeObserver(redraw).observe(byId("stage"));

// --------------------------------------------------------------------------- details and filters

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  made.append(...children);
  return made;
}

function link(at) {
  const button = element("button", nodes[at].full);
  button.type = "button";
  button.className = "link";
  button.addEventListener("click", () => choose(at));
  return button;
}

const count = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function choose(at) {
  chosen = at;
  below = at === null ? new Set() : reach(at, "bases");
  above = at === null ? new Set() : reach(at, "dependents");
  detail();
  for (const row of document.querySelectorAll("tbody tr")) mark(row);
  pickLines();
  if (at === null) {
    byId("said").textContent = "Nothing chosen. Choose an image in the picture or in the table.";
    history.replaceState(null, "", "#");
  } else {
    const node = nodes[at];
    byId("said").textContent = `${node.full}: ${node.kind}, ${node.status}. Stands on ${below.size}, carries ${above.size}.`;
    history.replaceState(null, "", `#${encodeURIComponent(node.id)}`);
    if (!inSight(node)) show(node);
  }
  redraw();
}

function mark(row) {
  const own = Number(row.dataset.at) === chosen;
  row.classList.toggle("chosen", own);
  row.querySelector("button").setAttribute("aria-pressed", String(own));
}

function detail() {
  const panel = byId("detail");
  panel.replaceChildren();
  if (chosen === null) return;
  const node = nodes[chosen];
  const facts = element("dl");
  const since = age(node);
  for (const [name, value] of [
    ["Image", node.image],
    ["Kind", node.kind],
    ["Team", node.team],
    ["Status", node.inCycle ? `${node.status}; in a circle, so left out of automatic rebuilds` : node.status],
    ["Failed", node.error],
    ["Support", ending(node)],
    ["Version", node.version],
    ["Digest", node.digest ?? "not known"],
    ["Since", node.changed && (since ? `${node.changed} (${since})` : node.changed)],
    ["Source", node.source],
    ["Rebuild", node.rebuildDelay === null ? null : `${node.rebuildDelay} after a base update, ${node.cascadeDelay} after one of ours, ${node.autoRebuild ? "by itself" : "only by a person"}`],
    ["Criticality", node.criticality],
    ["Wave", node.wave],
  ]) {
    if (value !== null && value !== undefined && value !== "") facts.append(element("dt", name), element("dd", value));
  }
  panel.append(element("h2", node.full), facts);
  for (const [title, direct, all, edge] of [
    ["Stands on", node.bases, below, (at) => `${chosen}>${at}`],
    ["Carries", node.dependents, above, (at) => `${at}>${chosen}`],
  ]) {
    const further = [...all].filter((at) => !direct.includes(at));
    panel.append(element("h3", `${title} ${direct.length}${further.length ? `, and ${further.length} further away` : ""}`));
    const list = element("ul");
    for (const at of [...direct, ...further].slice(0, 300)) {
      const places = between.get(edge(at)) ?? "";
      list.append(element("li", null, link(at), places ? ` ${places}` : ""));
    }
    panel.append(list);
    if (all.size > 300) panel.append(element("p", `These are 300 of ${all.size}.`));
  }
}

const columns = [
  ["name", "Image", (node) => node.full],
  ["kind", "Kind", (node) => node.kind],
  ["status", "Status", (node) => [node.status, node.inCycle ? "circle" : "", node.endOfLife && (past(node) ? "past its end" : `ends ${node.endOfLife}`)].filter(Boolean).join(", ")],
  ["registry", "Registry", (node) => node.registry],
  ["wave", "Wave", (node) => node.wave ?? ""],
  ["bases", "Stands on", (node) => node.bases.length],
  ["above", "Carries", (node) => node.above],
  ["changed", "Since", (node) => (node.changed ?? "").slice(0, 10)],
];

function heads() {
  const row = document.querySelector("thead tr");
  for (const [key, title] of columns) {
    const button = element("button", title);
    button.type = "button";
    button.addEventListener("click", () => {
      sort = { key, up: sort.key === key ? !sort.up : true };
      table();
    });
    const head = element("th", null, button);
    head.scope = "col";
    head.dataset.key = key;
    row.append(head);
  }
}

function table() {
  for (const head of document.querySelectorAll("th")) {
    const own = head.dataset.key === sort.key;
    if (own) head.setAttribute("aria-sort", sort.up ? "ascending" : "descending");
    else head.removeAttribute("aria-sort");
    head.querySelector("button").textContent = columns.find(([key]) => key === head.dataset.key)[1] + (own ? (sort.up ? " ▲" : " ▼") : "");
  }
  const value = columns.find(([key]) => key === sort.key)[2];
  const order = new Intl.Collator("en", { numeric: true }).compare;
  const visible = nodes.filter((node) => shown[node.at]);
  const keys = new Map(visible.map((node) => [node, value(node)]));
  visible.sort((a, b) => {
    const [one, two] = [keys.get(a), keys.get(b)];
    const by = typeof one === "number" && typeof two === "number" ? one - two : order(String(one), String(two));
    return (sort.up ? by : -by) || a.at - b.at;
  });
  byId("count").textContent = `${count(visible.length, "image")} of ${nodes.length}, bases among them`;
  const body = document.createDocumentFragment();
  for (const node of visible.slice(0, rows)) {
    const row = element("tr");
    row.dataset.at = node.at;
    columns.forEach(([, , value], at) => row.append(at === 0 ? element("td", null, link(node.at)) : element("td", value(node))));
    mark(row);
    body.append(row);
  }
  document.querySelector("tbody").replaceChildren(body);
  byId("more").hidden = visible.length <= rows;
  byId("more").textContent = `Show all ${visible.length}`;
}

function options(id, key) {
  const values = [...new Set(nodes.map((node) => node[key]))].sort();
  const choice = byId(id);
  choice.append(new Option("all", ""));
  for (const value of values) {
    const number = nodes.filter((node) => node[key] === value).length;
    choice.append(new Option(`${value === "" ? (key === "team" ? "none" : "not known") : value} (${number})`, `=${value}`));
  }
  choice.addEventListener("change", filter);
}

function filter() {
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = FILTERS.map((id) => [id, byId(id).value]);
  shown = nodes.map((node) =>
    words.every((word) => node.text.includes(word)) && wanted.every(([key, value]) => value === "" || value === `=${node[key]}`));
  rows = ROWS;
  table();
  pickLines();
  redraw();
  const number = shown.filter(Boolean).length;
  byId("said").textContent = `${count(number, "image")} found`;
}

byId("search").addEventListener("input", filter);
byId("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  const first = document.querySelector("tbody tr");
  if (first) choose(Number(first.dataset.at));
});
byId("clear").addEventListener("click", () => {
  byId("search").value = "";
  for (const id of FILTERS) byId(id).value = "";
  filter();
  choose(null);
  fit();
});
byId("more").addEventListener("click", () => {
  rows = Infinity;
  table();
});

// --------------------------------------------------------------------------------------- looks

const dark = matchMedia("(prefers-color-scheme: dark)");
function looks() {
  const theme = document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  byId("theme").setAttribute("aria-pressed", String(theme === "dark"));
  readColours();
  drawnFor = null;
  legend();
  redraw();
}
function legend() {
  const samples = [
    ["built by us", { kind: "managed", status: "success" }],
    ["watched", { kind: "external", status: "watched" }],
    ["base image", { kind: "base", status: "observed" }],
    ["pinned", { kind: "base", status: "pinned" }],
    ["not yet analysed, or without state", { kind: "managed", status: "pending" }],
    ["failed, in a circle, or past its end of life", { kind: "managed", status: "failed" }],
  ];
  byId("legend").replaceChildren(...samples.map(([text, node]) => {
    const key = element("canvas");
    [key.width, key.height] = [60, 28];
    key.setAttribute("aria-hidden", "true");
    const pen = key.getContext("2d");
    pen.scale(2, 2);
    shape(pen, look(node), 2, 2, 26, 10);
    return element("li", null, key, text);
  }), element("li", "dashed line: not needed by its target"));
}
byId("theme").addEventListener("click", () => {
  const now = byId("theme").getAttribute("aria-pressed") === "true";
  document.documentElement.dataset.theme = now ? "light" : "dark";
  looks();
});
dark.addEventListener("change", looks);

for (const key of FILTERS) options(key, key);
// Without files of teams there is nothing to choose.
byId("team").parentElement.hidden = nodes.every((node) => node.team === "");
heads();
looks();
table();
pickLines();
fit();
const wanted = index.get(decodeURIComponent(location.hash.slice(1))) ?? index.get(graph.focus) ?? null;
choose(wanted);
