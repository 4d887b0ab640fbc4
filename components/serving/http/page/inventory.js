// Inventory: what to order, most urgent first, the forecast of one product, and how the forecasts did in the back-test.
import { request } from "./api.js";
import { field, fill, make, option, run, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { bars, lineChart } from "./plots.js";

const { t } = i18n;
const ACTIONS = ["order", "check stock", "discount", "stop ordering", "new product", "none"];
const PAGE = matchMedia("(max-width: 40rem)").matches ? 8 : 25;  // products at once; on a phone each is a block of lines

export async function draw(node, record) {
  const list = make("div"), forecast = make("div", { id: "forecast" });
  const actions = make("div", { class: "chips", role: "group", "aria-label": t("action_") });
  const category = make("input", { id: "inventory-category", list: "inventory-categories", autocomplete: "off", maxlength: 400, placeholder: t("allCategories") });
  const categories = make("datalist", { id: "inventory-categories" });
  let offset = 0, action = "";
  const show = async () => {
    const query = new URLSearchParams({ offset, limit: PAGE, ...(action ? { action } : {}), ...(category.value.trim() ? { category: category.value.trim() } : {}) });
    const found = await request(`inventory?${query}`);
    const move = (label, to, allowed) => make("button", { type: "button", class: "small", disabled: !allowed, onclick: () => { offset = to; run(show); } }, label);
    list.replaceChildren(productTable(found.items, forecast), make("p", { class: "actions" },
      move(t("previousPage"), Math.max(0, offset - PAGE), offset > 0), move(t("nextPage"), offset + PAGE, offset + PAGE < found.total),
      make("span", { class: "note" }, t("ofTotal", { from: found.total ? offset + 1 : 0, to: Math.min(offset + PAGE, found.total), n: i18n.integer(found.total) }))));
  };
  const choose = wanted => { action = wanted; offset = 0; drawActions(); return show(); };
  const drawActions = () => actions.replaceChildren(...["", ...ACTIONS].filter(name => !name || countOf(record, name)).map(name => make("button", {
    type: "button", class: "small", "aria-pressed": String(name === action), onclick: () => run(async () => { await choose(name); actions.querySelector("[aria-pressed=true]").focus(); }),
  }, `${name ? i18n.word("stock", name) : t("allActions")} ${i18n.integer(name ? countOf(record, name) : record.counts.products)}`)));
  category.addEventListener("change", () => { offset = 0; run(show); });
  fill(node, section(t("whatToOrder"), make("p", { class: "note" }, t("orderNote")), actions,
    make("form", { class: "below", onsubmit: event => event.preventDefault() }, field(t("category"), category, { class: "wide" }), categories), list), forecast, quality(record.metrics));
  run(async () => categories.replaceChildren(...(await request("page/categories")).map(value => option(value))));
  await choose("");
}

const countOf = (record, action) => record.counts[`action_${action.replaceAll(" ", "_")}`] ?? 0;

function productTable(items, forecast) {
  const units = value => i18n.number(value, { maximumFractionDigits: 1 });
  const rows = items.map(p => [
    make("button", { type: "button", class: "small", onclick: () => run(() => showForecast(p.item_id, forecast)) }, p.title || p.item_id),
    i18n.word("stock", p.action), units(p.stock), units(p.order_quantity), units(p.reorder_point), i18n.number(p.demand_per_day, { maximumSignificantDigits: 2 }), units(p.days_of_cover),
    p.stockout_probability === null ? "–" : i18n.percent(p.stockout_probability, 0),
  ]);
  return rows.length ? table([t("productHead"), t("action_"), t("stock"), t("orderQuantity"), t("reorderPoint"), t("demandPerDay"), t("daysOfCover"), t("stockoutChance")], rows)
    : make("p", { class: "note" }, t("none"));
}

async function showForecast(itemId, node) {
  const found = await request(`inventory/${encodeURIComponent(itemId)}`);
  const starts = found.periods.map(p => new Date(p.start).getTime());
  const length = starts.length > 1 ? starts[1] - starts[0] : 86400000;
  const points = found.periods.map((p, n) => ({ x: starts[n] + length / 2, y: p.mean, text: `${i18n.date(starts[n])}: ${i18n.number(p.mean)}` }));
  const bands = found.periods.map((p, n) => ({ name: t("interval90"), from: starts[n], to: starts[n] + length, low: p.low, high: p.high,
    text: `${i18n.date(starts[n])}: ${i18n.number(p.low)} – ${i18n.number(p.high)}` })).filter(b => b.low !== null && b.high !== null);
  const title = t("forecastOf", { title: found.product.title || itemId });
  node.replaceChildren(section(title, make("p", { class: "note" }, t("forecastNote", { method: i18n.word("method", found.product.method), date: i18n.date(found.as_of) })),
    lineChart({ series: [{ name: t("expectedDemand"), role: "champion", points }], bands, label: title, formatX: i18n.shortDate, formatY: y => i18n.number(y) })));
  node.scrollIntoView({ block: "nearest" });
}

function quality(metrics) {
  const rows = Object.entries(metrics).filter(([name]) => name.endsWith("/quantile_loss")).map(([name, value]) => ({ method: name.split("/")[0], value }))
    .filter(row => row.method !== "lightgbm").sort((a, b) => a.value - b.value)
    .map(row => ({ name: i18n.word("method", row.method), value: row.value, role: row.method === "model" ? "challenger" : "baseline", text: i18n.number(row.value, { maximumSignificantDigits: 3 }) }));
  const covered = metrics["model/coverage"];
  return rows.length ? section(t("forecastQuality"), make("p", { class: "note" }, t("forecastQualityNote", { n: i18n.integer(metrics.origins) }),
    covered === undefined ? null : ` ${t("coverageNote", { share: i18n.percent(covered) })}`), bars(rows, t("forecastQuality"))) : null;
}
