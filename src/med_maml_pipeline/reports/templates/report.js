"use strict";

// Scoreboard: every row is embedded as levels and codes per column; this part filters, sorts and pages.
(() => {
  const PAGE = 150;
  const FILTERS = { modality: "Modality", source: "Source", family: "Family", protocol: "Protocol", metric: "Metric",
    support: "Support", fold: "Fold", lane: "Lane", learner: "Learner" };
  const NUMERIC = new Set(["value", "classical", "prior", "tasks", "episodes", "fit", "adapt", "memory", "seeds"]);
  const PRESETS = { metric: "primary metrics", support: "largest support", fold: "all folds together", learner: "one per lane" };
  const DEFAULT = "default view", ALL = "all of them";
  const data = JSON.parse(document.getElementById("rows").textContent);
  const table = document.getElementById("board");
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const form = document.getElementById("filters");
  const more = document.getElementById("more");
  const count = document.getElementById("count");
  const total = data.value ? data.value.codes.length : 0;
  const text = (key, row) => data[key].levels[data[key].codes[row]];
  let limit = PAGE, sorted = null, descending = false;

  function numberOf(cell) {
    const parsed = parseFloat(cell.replace("−", "-").replace(/,(?=\d{3})/g, ""));
    return Number.isNaN(parsed) ? null : parsed;
  }

  function compare(a, b) {
    const left = text(sorted, a), right = text(sorted, b);
    if (!NUMERIC.has(sorted) && sorted !== "support")
      return (descending ? -1 : 1) * left.localeCompare(right, "en", { numeric: true });
    const x = numberOf(left), y = numberOf(right);
    if (x === null || y === null) return (x === null) - (y === null); // undefined values last, either way
    return descending ? y - x : x - y;
  }

  function selected() {
    const wanted = Object.fromEntries(new FormData(form));
    const rows = [];
    for (let row = 0; row < total; row++) {
      const keep = Object.entries(wanted).every(([key, value]) => {
        if (value === ALL) return true;
        if (value !== DEFAULT) return text(key, row) === value;
        if (key === "fold") return text("fold", row) === "all";
        return text({ metric: "primary", support: "largest", learner: "stands" }[key], row) === "1";
      });
      if (keep) rows.push(row);
    }
    return sorted ? rows.sort(compare) : rows;
  }

  function cellOf(key, row) {
    const cell = document.createElement("td");
    const content = text(key, row);
    if (key === "lane") {
      const chip = cell.appendChild(document.createElement("span"));
      chip.className = `lane lane-${content}`;
      chip.textContent = content;
      return cell;
    }
    cell.textContent = content;
    if (NUMERIC.has(key)) cell.className = "num";
    if (key === "classical" || key === "prior") cell.className += ` ${text(`${key}_sign`, row)}`;
    if (key === "learner" && text("leader", row) === "1") {
      const mark = document.createElement("span");
      mark.className = "mark";
      mark.title = "chosen on validation tasks";
      mark.textContent = " ◆";
      cell.append(mark);
    }
    return cell;
  }

  function show() {
    const rows = selected();
    const lines = rows.slice(0, limit).map((row) => {
      const line = document.createElement("tr");
      line.append(...headers.map((header) => cellOf(header.dataset.key, row)));
      return line;
    });
    body.replaceChildren(...lines);
    count.textContent = `${Math.min(limit, rows.length)} of ${rows.length} matching rows (${total} in all)`;
    more.hidden = rows.length <= limit;
  }

  function addFilter(key, title) {
    const levels = data[key].levels;
    const preset = key in PRESETS;
    if (levels.length < 2 && !preset) return;
    const label = form.appendChild(document.createElement("label"));
    label.append(title);
    const select = label.appendChild(document.createElement("select"));
    select.name = key;
    const options = preset ? [[DEFAULT, PRESETS[key]], [ALL, ALL]] : [[ALL, ALL]];
    const order = [...levels].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    for (const level of order) if (!(key === "fold" && level === "all")) options.push([level, level]);
    for (const [value, name] of options) select.add(new Option(name, value));
  }

  function sortBy(header) {
    const key = header.dataset.key;
    descending = sorted === key ? !descending : NUMERIC.has(key);
    sorted = key;
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    show();
  }

  if (!total) return;
  for (const [key, title] of Object.entries(FILTERS)) addFilter(key, title);
  const reset = form.appendChild(document.createElement("button"));
  reset.type = "reset";
  reset.textContent = "Reset";
  form.addEventListener("change", () => { limit = PAGE; show(); });
  form.addEventListener("reset", () => setTimeout(() => { limit = PAGE; show(); }));
  form.addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", () => { limit += PAGE; show(); });
  for (const header of headers) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sortBy(header));
    header.replaceChildren(button);
    if (NUMERIC.has(header.dataset.key)) header.className = "num";
  }
  form.hidden = false;
  show();
})();

// Figures: panels re-flow to the width of the page, colours follow its light or dark scheme.
(() => {
  const NARROWEST = 250, PAPER = 690, TICK = 50; // pixels: the least a panel needs, the width of an A4 page, a number
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const config = { displaylogo: false, responsive: false, displayModeBar: false, scrollZoom: false };
  const figures = [];

  function reflow(layout, width) {
    const { facets: asked, aspects = [], columns: most, left, title, foot } = layout.meta;
    const columns = Math.max(1, Math.min(most, Math.floor(width / (NARROWEST + left))));
    const frame = 0.98 * width / columns - left;
    const facets = asked.map((height, i) => aspects[i] ? Math.min(height, Math.round(frame * aspects[i])) : height);
    const rows = [];
    facets.forEach((height, i) => { rows[Math.floor(i / columns)] = Math.max(rows[Math.floor(i / columns)] || 0, height + title + foot); });
    const total = rows.reduce((sum, height) => sum + height, 0);
    facets.forEach((height, i) => {
      const row = Math.floor(i / columns), column = i % columns, suffix = i ? i + 1 : "";
      const top = total - rows.slice(0, row).reduce((sum, h) => sum + h, 0) - title;
      layout[`xaxis${suffix}`].domain = [(column + left * columns / width) / columns, (column + 0.98) / columns];
      layout[`yaxis${suffix}`].domain = [(top - height) / total, top / total];
      const axis = layout[`xaxis${suffix}`];
      if (axis.nticks) axis.nticks = Math.min(axis.nticks, Math.max(4, Math.floor(frame / TICK)));
    });
    layout.height = total + 8;
    layout.width = width;
    layout.margin = { l: 0, r: 4, t: 4, b: 4 };
  }

  function dress(layout) {
    const ink = getComputedStyle(document.body).getPropertyValue("--ink").trim();
    layout.font = { ...layout.template.layout.font, color: ink };
    layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
    layout.showlegend = false;
    layout.title = undefined;
  }

  function swatch(trace) {
    const marks = { circle: "●", square: "■", diamond: "◆", "triangle-up": "▲", x: "✕", cross: "✚", "cross-open": "✛",
      star: "★", "star-open": "☆", "star-diamond": "✦" };
    const dashes = { solid: "", dash: "6 4", dot: "2 3", dashdot: "6 3 2 3", longdash: "10 4" };
    const colour = (trace.marker && trace.marker.color) || trace.line.color;
    const box = document.createElement("span");
    box.setAttribute("aria-hidden", "true");
    box.style.color = colour;
    if (trace.mode.includes("lines")) {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      const line = svg.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "line"));
      const look = { x1: 0, y1: 5, x2: 26, y2: 5, stroke: colour, "stroke-width": 2.5 };
      look["stroke-dasharray"] = dashes[trace.line.dash || "solid"];
      for (const [name, value] of Object.entries(look)) line.setAttribute(name, value);
      svg.setAttribute("width", 26);
      svg.setAttribute("height", 10);
      box.append(svg);
    }
    if (trace.mode.includes("markers")) box.append(marks[trace.marker.symbol] || "○");
    return box;
  }

  function decode(label) {
    return new DOMParser().parseFromString(label, "text/html").documentElement.textContent;
  }

  function legend(figure) {
    const entries = figure.data.filter((trace) => trace.showlegend)
      .sort((a, b) => (a.legendrank ?? 1000) - (b.legendrank ?? 1000));
    if (entries.length < 2) return;
    for (const entry of entries) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(swatch(entry), decode(entry.name));
      button.addEventListener("click", () => {
        const visible = button.getAttribute("aria-pressed") === "false";
        button.setAttribute("aria-pressed", String(visible));
        const mates = figure.data.flatMap((trace, i) => trace.legendgroup === entry.legendgroup ? [i] : []);
        for (const i of mates) figure.data[i].visible = visible;
        if (figure.drawn) Plotly.restyle(figure.plot, { visible }, mates);
      });
      figure.legend.append(button);
    }
  }

  function draw(figure, width = Math.floor(figure.plot.clientWidth)) {
    if (width <= 0) return;
    reflow(figure.layout, width);
    dress(figure.layout);
    Plotly.react(figure.plot, figure.data, figure.layout, config);
    figure.drawn = width;
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const figure = figures.find((one) => one.plot === entry.target);
      if (entry.isIntersecting && !figure.drawn) draw(figure);
    }
  }, { rootMargin: "800px" });

  for (const node of document.querySelectorAll(".figure-data")) {
    const frame = node.parentElement;
    const figure = { ...JSON.parse(node.textContent), plot: frame.querySelector(".plot"), legend: frame.querySelector(".legend") };
    const columns = Math.max(1, figure.layout.meta.columns);
    figure.plot.style.minHeight = `${Math.max(160, figure.layout.height / columns)}px`;
    figures.push(figure);
    legend(figure);
    seen.observe(figure.plot);
  }

  let waiting;
  addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => figures.filter((one) => one.drawn && one.drawn !== Math.floor(one.plot.clientWidth)).forEach((one) => draw(one)), 150);
  });
  dark.addEventListener("change", () => figures.filter((one) => one.drawn).forEach((one) => draw(one)));
  addEventListener("beforeprint", () => figures.forEach((one) => draw(one, PAPER)));
  addEventListener("afterprint", () => figures.forEach((one) => draw(one)));
})();
