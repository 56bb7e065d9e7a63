// Draws every figure from the data beside it, with as many panels in a row as there is room for,
// and shows what the filter leaves: in the figures, the tables and the findings alike.
const NARROWEST = 270;  // pixels of one panel with its margin
const WIDEST = 480;
const AXIS = 100;  // pixels left of the first panel, and right of the last

const filter = document.querySelector("#filter");
const left = { task: new Set(), architecture: new Set() };  // what the filter leaves out

function shown(of) {
  const names = [of.architecture, of.other];  // a comparison has two
  return !left.task.has(of.task) && !names.some((name) => left.architecture.has(name));
}

function fitted(specification, room) {
  const rows = specification.datasets.rows;
  const count = new Set(rows.map((row) => row[specification.facet.field])).size;
  const most = Math.max(1, Math.floor((room - AXIS) / NARROWEST));
  const columns = Math.ceil(count / Math.ceil(count / most));
  const width = Math.min(WIDEST, Math.floor((room - AXIS) / columns) - 20);
  const spec = { ...specification.spec };
  if (typeof spec.width === "number") spec.width = width;  // steps stay as they are
  const config = { ...specification.config, padding: 2 };
  config.legend = { ...config.legend, columns: Math.max(1, Math.floor(room / 150)) };
  return { ...specification, columns, config, spec };
}

// Legends name those alone that are shown; each keeps its look.
function narrowed(part) {
  if (Array.isArray(part)) return part.map(narrowed);
  if (part === null || typeof part !== "object") return part;
  const own = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, narrowed(value)]));
  if (part.field === "architecture" && part.scale?.range) {
    const { domain, range } = part.scale;
    const kept = domain.map((name) => shown({ architecture: name }));
    own.scale.domain = domain.filter((_, place) => kept[place]);
    own.scale.range = range.filter((_, place) => kept[place]);
  }
  return own;
}

async function draw(figure) {
  const { columns, rows, specification } = JSON.parse(figure.querySelector("script").textContent);
  const named = (row) => Object.fromEntries(columns.map((column, place) => [column, row[place]]));
  const found = rows.map(named).filter(shown);
  const chart = figure.querySelector(".chart");
  if (!found.length) {
    chart.textContent = "The filter leaves nothing to draw.";
    return;
  }
  const told = { ...narrowed(specification), datasets: { rows: found } };
  await vegaEmbed(chart, fitted(told, chart.clientWidth), { renderer: "svg", actions: false });
}

let round = 0;
async function drawAll() {
  const own = ++round;  // a later call takes over
  document.body.dataset.drawn = "";
  for (const figure of document.querySelectorAll("figure:not([hidden])")) {
    if (own !== round) return;
    await draw(figure);
  }
  if (own === round) document.body.dataset.drawn = "all";
}

function applyFilter() {
  for (const kind of Object.keys(left)) {
    const boxes = [...filter.querySelectorAll(`input[name=${kind}]`)];
    if (!boxes.length) continue;
    left[kind] = new Set(boxes.filter((box) => !box.checked).map((box) => box.value));
    const count = boxes.length - left[kind].size;
    const told = left[kind].size ? `${count} of ${boxes.length}` : `all ${boxes.length}`;
    filter.querySelector(`output[data-kind=${kind}]`).textContent = told;
  }
  for (const each of document.querySelectorAll("main [data-task], main [data-architecture]")) {
    each.hidden = !shown(each.dataset);
  }
  drawAll();
}

filter.hidden = !filter.children.length;
filter.addEventListener("change", applyFilter);
filter.addEventListener("click", (event) => {
  const { kind } = event.target.dataset;
  if (event.target.localName !== "button") return;
  for (const box of filter.querySelectorAll(`input[name=${kind}]`)) {
    box.checked = event.target.value === "all";
  }
  applyFilter();
});
filter.addEventListener("keydown", (event) => {
  const open = event.target.closest("details[open]");
  if (event.key !== "Escape" || !open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

let drawn = window.innerWidth;
let waiting;
window.addEventListener("resize", () => {
  if (window.innerWidth === drawn) return;
  drawn = window.innerWidth;
  clearTimeout(waiting);
  waiting = setTimeout(drawAll, 200);
});
drawAll();
