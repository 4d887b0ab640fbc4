// Products in lists: words of the catalogue, what moved them, and what each part of the model adds, as a bar.
import { make } from "./dom.js";
import * as i18n from "./i18n.js";
import { stackedBar } from "./plots.js";

const { t } = i18n;

export function facts(product) {
  if (!product) return t("unknownProduct");
  const price = product.price === null ? null : i18n.number(product.price, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const kind = product.kind === "product" ? null : product.kind;  // an article among products
  return [kind, product.brand, product.category, price].filter(Boolean).join(" · ");
}

export const titleOf = (products, itemId) => products[itemId]?.title || itemId;

export function ruleTag(rule) {
  if (!rule) return null;
  const kind = rule.split("-")[0];
  return make("span", { class: `tag ${{ boost: "up", bury: "down" }[kind] ?? ""}`, title: rule }, t(`moved.${kind}`));
}

// lists: all lists that are compared, so that equal bars mean equal contributions and equal colours equal parts
export function scaleOf(lists) {
  const items = lists.flatMap(list => list.items);
  const totals = items.map(item => Object.values(item.contributions ?? {}).reduce((sum, x) => sum + Math.max(x, 0), 0));
  const names = [...new Set(items.flatMap(item => Object.keys(item.contributions ?? {})))].sort();
  return { top: Math.max(1e-12, ...totals), names };
}

export function legendOf(scale) {
  if (scale.names.length < 2) return null;
  return make("ul", { class: "legend" }, scale.names.map((name, n) =>
    make("li", {}, make("span", { class: `key part-${n % 8}`, "aria-hidden": "true" }), i18n.word("model", name))));
}

export function productEntry(item, position, products, scale = null, actions = []) {
  const product = products[item.item_id];
  const parts = Object.entries(item.contributions ?? {}).filter(([, x]) => Math.abs(x) > 1e-6)
    .map(([name, value]) => ({ name, value, colour: scale ? scale.names.indexOf(name) % 8 : 0, text: `${i18n.word("model", name)} ${i18n.fixed(value, 3)}` }));
  const said = parts.map(part => part.text).join(" · ") || `${t("score")} ${i18n.number(item.score, { maximumSignificantDigits: 3 })}`;
  const why = item.explained_by ? t("similarTo", { title: titleOf(products, item.explained_by) }) : null;
  return make("li", {}, make("span", { class: "position" }, position), make("div", {},
    make("div", { class: "title" }, item.title || item.item_id, ruleTag(item.rule)),
    make("div", { class: "facts" }, [facts(product), item.item_id].filter(Boolean).join(" · ")),
    scale && parts.length ? stackedBar(parts, scale.top, said) : null,
    make("div", { class: "note reasons" }, [said, why].filter(Boolean).join(" · ")),
    actions.length ? make("div", { class: "actions" }, actions) : null));
}
