// Inventory: what to order, most urgent first, and the forecast of one product with its 90 % interval.
import { request } from "./api.js";
import { make, option, run, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { lineChart } from "./plots.js";

const { t } = i18n;
const ACTIONS = ["", "order", "check stock", "discount", "stop ordering", "new product", "none"];
const PAGE = 25;

export async function draw(node) {
  const list = make("div"), forecast = make("div", { id: "forecast" });
  const action = make("select", { id: "inventory-action" }, ACTIONS.map(value => option(value, value ? i18n.word("stock", value) : t("allActions"))));
  let offset = 0;
  const show = async () => {
    const query = new URLSearchParams({ offset, limit: PAGE, ...(action.value ? { action: action.value } : {}) });
    const found = await request(`inventory?${query}`);
    const move = (label, to, allowed) => make("button", { type: "button", class: "small", disabled: !allowed, onclick: () => { offset = to; run(show); } }, label);
    list.replaceChildren(productTable(found.items, forecast), make("p", { class: "actions" },
      move(t("previousPage"), Math.max(0, offset - PAGE), offset > 0), move(t("nextPage"), offset + PAGE, offset + PAGE < found.total),
      make("span", { class: "note" }, t("ofTotal", { from: found.total ? offset + 1 : 0, to: Math.min(offset + PAGE, found.total), n: i18n.integer(found.total) }))));
  };
  action.addEventListener("change", () => { offset = 0; run(show); });
  node.replaceChildren(section(t("whatToOrder"), make("form", {}, make("label", {}, make("span", {}, t("action_")), action)), list), forecast);
  await show();
}

function productTable(items, forecast) {
  const units = value => i18n.number(value, { maximumFractionDigits: 1 });
  const rows = items.map(p => [
    make("button", { type: "button", class: "small", onclick: () => run(() => showForecast(p.item_id, forecast)) }, p.title || p.item_id),
    i18n.word("stock", p.action), units(p.stock), units(p.order_quantity), units(p.reorder_point), units(p.demand_per_day), units(p.days_of_cover),
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
  node.replaceChildren(section(title, make("p", { class: "note" }, t("forecastNote", { method: found.product.method, date: i18n.date(found.as_of) })),
    lineChart({ series: [{ name: t("expectedDemand"), role: "champion", points }], bands, label: title, formatX: i18n.shortDate, formatY: y => i18n.number(y) })));
  node.scrollIntoView({ block: "nearest" });
}
