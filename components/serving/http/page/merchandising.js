// Merchandising: rules that pin, bury or boost products, with the list before and after; behind the admin token.
import { adminRequest, hasAdminToken, request, setAdminToken } from "./api.js";
import { $, debounce, field, make, notify, option, run, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { facts, productEntry } from "./products.js";
import { recall, remember } from "./storage.js";
import { userInput } from "./user_input.js";

const { t } = i18n;
const NAME_KEY = "carousel-merchandiser";
const known = {};  // item_id -> product, of searches on this page

export const merchandising = {
  id: "merchandising",
  title: "merchandising",
  async draw(panel) {
    if (!hasAdminToken()) { panel.replaceChildren(section(t("merchandising"), make("p", {}, t("tokenNote")), tokenForm(panel))); return; }
    const [categories, rules] = await Promise.all([request("page/categories"), adminRequest("admin/rules")]);
    const preview = make("div", { id: "preview" }), list = make("div", { id: "rules" });
    panel.replaceChildren(
      section(t("newRule"), make("p", { class: "note" }, t("rulesNote")), ruleForm(categories, preview, list), preview),
      make("section", { class: "card" }, make("h2", {}, t("rules")), list));
    drawRules(list, rules, preview);
    await showPreview(preview, null);
  },
};

function tokenForm(panel) {
  const input = make("input", { type: "password", autocomplete: "current-password", required: true, id: "token" });
  return make("form", { onsubmit: event => { event.preventDefault(); run(async () => {
    setAdminToken(input.value);
    try {
      await merchandising.draw(panel);
      notify("");
    } catch (error) {
      setAdminToken("");
      throw error;
    }
  }); } }, field(t("token"), input, { class: "wide" }), make("button", { class: "primary" }, t("open")));
}

function ruleForm(categories, preview, list) {
  const id = name => `rule-${name}`;
  const select = (name, values) => make("select", { id: id(name) }, values.map(([value, text]) => option(value, text)));
  const kind = select("kind", ["pin", "boost", "bury"].map(value => [value, t(`rule.${value}`)]));
  const target = select("target", [["item", t("oneProduct")], ["where", t("allWhere")]]);
  const item = make("input", { id: id("item"), list: "products", autocomplete: "off", placeholder: t("productHint"), maxlength: 256 });
  const where = make("input", { id: id("where"), autocomplete: "off", placeholder: 'brand == "X" and price < 20', maxlength: 500 });
  const position = make("input", { id: id("position"), type: "number", min: 1, max: 50, value: 1 });
  const factor = make("input", { id: id("factor"), type: "number", min: 1.1, max: 100, step: 0.1, value: 3 });
  const category = make("input", { id: id("category"), list: "categories", autocomplete: "off", placeholder: t("allLists"), maxlength: 400 });
  const until = make("input", { id: id("until"), type: "datetime-local" });
  const by = make("input", { id: id("by"), autocomplete: "name", required: true, maxlength: 80, value: recall(NAME_KEY) ?? "" });
  const { input: user, suggestions } = userInput({ id: id("user"), placeholder: t("visitor") });
  const note = make("input", { id: id("note"), autocomplete: "off", maxlength: 200 });
  const data = make("datalist", { id: "products" }), chosen = make("p", { class: "note", id: "chosen" });
  const fields = {
    target: field(t("target"), target), item: field(t("product"), item, { class: "wide" }), where: field(t("where"), where, { class: "wide" }),
    position: field(t("positionField"), position), factor: field(t("factorField"), factor),
  };
  const toggle = () => {
    const isPin = kind.value === "pin", isItem = isPin || target.value === "item";
    fields.target.hidden = isPin;
    fields.item.hidden = !isItem;
    fields.where.hidden = isItem;
    fields.position.hidden = !isPin;
    fields.factor.hidden = kind.value !== "boost";
    item.required = isItem;
    where.required = !isItem;
  };
  const read = () => {
    const rule = { kind: kind.value, by: by.value.trim() || "–", note: note.value.trim() };
    if (kind.value === "pin" || target.value === "item") rule.item_id = item.value.trim();
    else rule.where = where.value.trim();
    if (kind.value === "pin") rule.position = Number(position.value);
    if (kind.value === "boost") rule.factor = Number(factor.value);
    if (category.value.trim()) rule.category = category.value.trim();
    if (until.value) rule.until = new Date(until.value).toISOString();
    return rule;
  };
  const find = debounce(() => run(async () => {
    const text = item.value.trim();
    chosen.textContent = known[text] ? `${known[text].title} · ${facts(known[text])}` : "";
    if (text.length < 2 || known[text]) return;
    const found = await request(`page/products?${new URLSearchParams({ query: text, k: 12 })}`);
    Object.assign(known, found.products);
    data.replaceChildren(...found.items.map(one => option(one.item_id, `${one.title} · ${facts(found.products[one.item_id])}`)));
  }), 300);
  item.addEventListener("input", find);
  kind.addEventListener("change", toggle);
  target.addEventListener("change", toggle);
  toggle();
  const tryIt = () => showPreview(preview, { rule: read(), user_id: user.value.trim() || null, category: category.value.trim() || null });
  const form = make("form", { id: "rule-form", onsubmit: event => { event.preventDefault(); run(async () => {
    const rule = read();
    remember(NAME_KEY, rule.by);
    await adminRequest("admin/rules", rule);
    drawRules(list, await adminRequest("admin/rules"), preview);
    await showPreview(preview, { rule: null, user_id: user.value.trim() || null, category: rule.category ?? null });
    notify(t("ruleAdded"));
  }); } }, field(t("kind"), kind), Object.values(fields), field(t("categoryField"), category, { class: "wide" }), field(t("until"), until), field(t("yourName"), by),
  field(t("note"), note, { class: "wide" }), field(t("previewFor"), user), suggestions, data, make("datalist", { id: "categories" }, categories.map(value => option(value))),
  make("button", { type: "button", onclick: () => { if (form.reportValidity()) run(tryIt); } }, t("tryRule")), make("button", { class: "primary" }, t("addRule")));
  return make("div", {}, form, chosen);
}

async function showPreview(node, body) {
  const found = await adminRequest("admin/rules/preview", { k: 10, ...body });
  const heads = body?.rule ? [t("beforeRule"), t("afterRule")] : [t("withoutRules"), t("withRules")];
  const positions = new Map(found.before.map((item, n) => [item.item_id, n + 1]));
  const side = (title, items, compares) => make("section", { class: "card" }, make("h2", {}, title),
    make("ol", { class: "products" }, items.map((item, n) => {
      const entry = productEntry(item, n + 1, known);
      if (compares) entry.querySelector(".title").append(moveTag(positions.get(item.item_id), n + 1));
      return entry;
    })));
  await describe([...found.before, ...found.after]);
  node.replaceChildren(make("h3", {}, t("effect")), make("div", { class: "columns" }, side(heads[0], found.before, false), side(heads[1], found.after, true)));
}

function moveTag(before, after) {
  if (before === after) return "";
  if (before === undefined) return make("span", { class: "tag up" }, t("newInList"));
  return make("span", { class: `tag ${before > after ? "up" : "down"}` }, `${before > after ? "↑" : "↓"} ${Math.abs(before - after)}`);
}

async function describe(items) {
  const missing = [...new Set(items.map(item => item.item_id))].filter(itemId => !known[itemId]);
  if (missing.length) Object.assign(known, await request("page/describe", { item_ids: missing }));
}

function drawRules(node, answer, preview) {
  if (!answer.rules.length) { node.replaceChildren(make("p", { class: "note" }, t("noRules"))); return; }
  const rows = answer.rules.map(r => {
    const what = r.item_id ? [make("strong", {}, r.title ?? r.item_id), " ", make("span", { class: "note" }, r.title ? r.item_id : t("unknownProduct"))]
      : [make("code", {}, r.where), " ", make("span", { class: "note" }, t("nProducts", { n: i18n.integer(r.n_products) }))];
    const detail = r.kind === "pin" ? t("atPosition", { n: r.position }) : r.kind === "boost" ? `× ${i18n.number(r.factor)}` : "";
    const end = r.until ? [i18n.dateTime(r.until), r.is_active ? null : make("span", { class: "tag" }, t("ended"))] : t("open_ended");
    return [`${t(`rule.${r.kind}`)} ${detail}`, what, r.category ?? t("allLists"), end, [`${r.by}, `, make("time", { datetime: r.created_at }, i18n.dateTime(r.created_at)), r.note ? make("div", { class: "note" }, r.note) : null],
      make("button", { type: "button", class: "small", "aria-label": `${t("remove")}: ${r.title ?? r.where ?? r.item_id}`, onclick: () => run(async () => {
        drawRules(node, await adminRequest("admin/rules/remove", { rule_id: r.rule_id, by: $("rule-by").value.trim() || "–" }), preview);
        await showPreview(preview, null);
        notify(t("ruleRemoved"));
      }) }, t("remove"))];
  });
  node.replaceChildren(table([t("kind"), t("products"), t("categoryField"), t("until"), t("by_"), ""], rows),
    make("p", { class: "note" }, t("rulesBound", { n: answer.rules.length, max: answer.max_rules })));
}
