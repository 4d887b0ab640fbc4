// Small plots in SVG, drawn at the width of their container, in the colours of the page.
import { make, svg } from "./dom.js";

const observer = new ResizeObserver(entries => {
  for (const { target, contentRect } of entries) {
    const width = Math.round(contentRect.width);
    if (width && width !== target.drawnWidth) { target.drawnWidth = width; target.replaceChildren(target.draw(width)); }
  }
});

function plot(draw, className = "plot") {
  const node = make("div", { class: className });
  node.draw = draw;
  observer.observe(node);
  return node;
}

export function niceTicks(low, high, wanted = 4) {
  if (!(high > low)) return [low, low + 1];
  const power = 10 ** Math.floor(Math.log10((high - low) / wanted));
  const step = [1, 2, 2.5, 5, 10].map(m => m * power).find(s => s * wanted >= (high - low) * 0.999);
  const ticks = [];
  for (let n = Math.floor(low / step + 1e-9); n <= Math.ceil(high / step - 1e-9); n++) ticks.push(n * step);
  return ticks;
}

const scale = (low, high, from, to) => value => from + (value - low) / (high - low || 1) * (to - from);
const path = points => points.map(([x, y], n) => `${n ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

// series: [{name, role, points: [{x, y, text}]}]; bands: [{from, to, low, high, text}]; marks: [{x, text}]
export function lineChart({ series, bands = [], marks = [], label, formatX, formatY, height = 220 }) {
  const all = series.flatMap(s => s.points);
  const legend = make("ul", { class: "legend" },
    series.map(s => make("li", {}, make("span", { class: `key ${s.role}`, "aria-hidden": "true" }), s.name)),
    bands.length ? make("li", {}, make("span", { class: "key band", "aria-hidden": "true" }), bands[0].name) : null);
  const figure = make("figure", {}, plot(width => {
    const left = 52, right = 10, top = 18, bottom = 24;
    const xs = [...all.map(p => p.x), ...bands.flatMap(b => [b.from, b.to])];
    const ys = [...all.map(p => p.y), ...bands.flatMap(b => [b.low, b.high])].filter(Number.isFinite);
    const ticks = niceTicks(Math.min(0, ...ys), Math.max(...ys, 1e-9));
    const across = scale(Math.min(...xs), Math.max(...xs), left, width - right);
    const down = scale(ticks[0], ticks.at(-1), height - bottom, top);
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
    for (const tick of ticks) {
      picture.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: down(tick), y2: down(tick) }));
      picture.append(svg("text", { class: "tick", x: left - 6, y: down(tick) + 4, "text-anchor": "end" }, formatY(tick)));
    }
    for (const b of bands)
      picture.append(svg("rect", { class: "band", x: across(b.from), y: down(b.high), width: Math.max(across(b.to) - across(b.from), 1),
        height: Math.max(down(b.low) - down(b.high), 1) }, svg("title", {}, b.text)));
    let labelled = -Infinity;
    for (const m of marks) {
      picture.append(svg("line", { class: "mark", x1: across(m.x), x2: across(m.x), y1: top - 8, y2: height - bottom }));
      if (across(m.x) - labelled < 40) continue;
      labelled = across(m.x);
      picture.append(svg("text", { class: "tick", x: Math.min(labelled + 3, width - 24), y: top - 7 }, m.text));
    }
    for (const s of series) {
      const points = s.points.map(p => [across(p.x), down(p.y)]);
      picture.append(svg("path", { class: `line ${s.role}`, d: path(points) }));
      if (points.length <= 60) s.points.forEach((p, n) =>
        picture.append(svg("circle", { class: `dot ${s.role}`, cx: points[n][0], cy: points[n][1], r: 3 }, svg("title", {}, `${s.name}: ${p.text}`))));
    }
    const shown = Math.max(2, Math.min(6, Math.floor((width - left) / 90)));
    const [first, last] = [Math.min(...xs), Math.max(...xs)];
    for (let n = 0; n < shown; n++) {
      const x = first + (last - first) * n / (shown - 1);
      picture.append(svg("text", { class: "tick", x: across(x), y: height - 6, "text-anchor": n === 0 ? "start" : n === shown - 1 ? "end" : "middle" }, formatX(x)));
    }
    return picture;
  }), legend);
  return figure;
}

// values: numbers or null, oldest first; a short picture of a history inside a card
export function sparkline(values, label, role = "champion") {
  const known = values.map((y, x) => ({ x, y })).filter(p => Number.isFinite(p.y));
  if (known.length < 2) return null;
  return plot(width => {
    const height = 36;
    const across = scale(0, values.length - 1, 2, width - 2);
    const down = scale(0, Math.max(...known.map(p => p.y)) || 1, height - 3, 3);
    const points = known.map(p => [across(p.x), down(p.y)]);
    const area = `${path(points)}L${points.at(-1)[0].toFixed(1)} ${height - 2}L${points[0][0].toFixed(1)} ${height - 2}Z`;
    return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
      svg("path", { class: `area ${role}`, d: area }), svg("path", { class: `line ${role}`, d: path(points) }));
  }, "plot spark");
}

// rows: [{name, value, text, limit, role, title}], value and limit from 0 on; horizontal bars with their numbers
export function bars(rows, label, top = null, className = "") {
  const most = top ?? Math.max(1e-12, ...rows.map(r => Math.max(Math.abs(r.value), r.limit ?? 0)));
  return make("dl", { class: `bars ${className}`, "aria-label": label }, rows.map(r => {
    const bar = make("span", { class: `fill ${r.role ?? "champion"}` });
    bar.style.width = `${(100 * Math.min(Math.abs(r.value) / most, 1)).toFixed(1)}%`;
    const track = make("span", { class: "track", title: r.title }, bar);
    if (r.limit) {
      const limit = make("span", { class: "limit", title: r.limitText });
      limit.style.left = `${(100 * Math.min(r.limit / most, 1)).toFixed(1)}%`;
      track.append(limit);
    }
    return make("div", {}, make("dt", {}, r.name), make("dd", {}, track, make("span", { class: "value" }, r.text)));
  }));
}

// parts: [{name, value, text}], of one product: a bar whose segments are what each part of the model adds
export function stackedBar(parts, top, label) {
  const node = make("div", { class: "stack", role: "img", "aria-label": label });
  for (const [n, part] of parts.entries()) {
    if (part.value <= 0) continue;
    const segment = make("span", { class: `segment part-${part.colour ?? n % 8}`, title: part.text });
    segment.style.width = `${(100 * part.value / top).toFixed(2)}%`;
    node.append(segment);
  }
  return node;
}
