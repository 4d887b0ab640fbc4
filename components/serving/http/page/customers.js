// A user's history, and the lists of champion and challenger; users are picked from samples, or found by their id.
import { request } from "./api.js";
import { $, field, fill, make, notify, run, section } from "./dom.js";
import * as i18n from "./i18n.js";
import { legendOf, productEntry, scaleOf, titleOf } from "./products.js";
import { quotaControl } from "./quotas.js";
import { go } from "./tabs.js";
import { userInput } from "./user_input.js";

const { t } = i18n;
const KINDS = ["active", "new", "returning", "random"];
let user = "", quotas = [];

export const customers = {
  id: "customers",
  title: "customers",
  async draw(panel, parameters) {
    user = parameters.get("user") ?? "";
    const picks = make("div");
    panel.replaceChildren(section(t("chooseUser"), userForm(), make("h3", {}, t("orPick")), picks), make("div", { id: "user-lists" }));
    run(() => drawPicks(picks));
    if (user) await showUser();
  },
};

export async function drawPicks(node) {
  const samples = await request("page/samples");
  node.replaceChildren(make("div", { class: "picks" }, KINDS.map(kind => make("div", {},
    make("h3", {}, t(`kind.${kind}`)),
    samples[kind].length ? make("div", { class: "chips" }, samples[kind].map(u => make("button", {
      type: "button", class: "small", onclick: () => go("customers", { user: u.user_id }),
      title: t("sampleTitle", { n: u.n_recent, last: i18n.date(u.last) }),
    }, u.user_id))) : make("span", { class: "note" }, t("noneOfKind"))))),
  make("p", {}, make("button", { type: "button", class: "small", onclick: () => run(() => drawPicks(node)) }, t("others"))));
}

function userForm() {
  const { input, suggestions } = userInput({ id: "user", required: true, value: user });
  return make("form", { onsubmit: event => { event.preventDefault(); go("customers", { user: input.value.trim() }); } },
    field(t("user"), input, { class: "wide" }), suggestions, make("button", { class: "primary" }, t("show")));
}

async function showUser() {
  notify("");
  const [found, kinds] = await Promise.all([request("page/compare", { user_id: user, k: 10, quotas }), request("page/kinds")]);
  const lists = [found.champion, ...(found.challenger ? [found.challenger] : [])];
  const scale = scaleOf(lists);
  const results = make("div", { id: "results" });
  const apply = wanted => run(async () => {
    const before = quotas;
    quotas = wanted;
    try { await showUser(); } catch (error) { quotas = before; throw error; }  // what was asked cannot be kept: the lists stay
  });
  fill($("user-lists"), searchCard(results), quotaControl(kinds, quotas, apply), make("div", { class: "columns" },
    listCard("champion-list", t("champion"), found.champion, found.products, scale),
    found.challenger ? listCard("challenger-list", t("challenger"), found.challenger, found.products, scale)
      : make("section", { class: "card", id: "challenger-list" }, make("h2", {}, t("challenger")), make("p", { class: "note" }, t("noChallenger"))),
    timeline(found.history, found.products)));
}

function listCard(id, title, list, products, scale) {
  const by = t("by", { v: list.version, m: i18n.word("model", list.model) }) + (list.reason ? ` (${i18n.word("reason", list.reason)})` : "");
  return make("section", { class: "card", id }, make("h2", {}, title), make("p", { class: "note" }, by), legendOf(scale),
    make("ol", { class: "products" }, list.items.map((item, n) => productEntry(item, n + 1, products, scale, eventButtons(item)))));
}

function eventButtons(item) {
  return ["view", "cart", "purchase"].map(event => make("button", {
    type: "button", class: "small", "aria-label": `${t(event)}: ${item.title || item.item_id}`, title: t("eventTitle", { user }),
    onclick: () => run(() => sendEvent(item, event)),
  }, t(event)));
}

async function sendEvent(item, event) {
  await request("events", { events: [{ user_id: user, item_id: item.item_id, event }] });
  await showUser();
  notify(t("stored", { e: t(`event.${event}`), t: item.title || item.item_id }));
}

function timeline(history, products) {
  const days = Map.groupBy ? Map.groupBy(history, e => i18n.date(e.time)) : groupBy(history, e => i18n.date(e.time));
  const entries = [...days].flatMap(([day, events]) => [make("li", { class: "day" }, make("strong", {}, day)), ...events.map(e => make("li", { class: e.event },
    make("span", {}, i18n.word("event", e.event), ": ", make("span", { class: "title" }, e.title || titleOf(products, e.item_id))), make("br"),
    make("time", { datetime: e.time }, i18n.clock(e.time))))]);
  return make("section", { class: "card", id: "history" }, make("h2", {}, t("history")),
    make("p", { class: "note" }, history.length ? t("historyNote", { n: history.length }) : t("noHistory")), make("ul", { class: "timeline", tabindex: history.length ? 0 : null }, entries));
}

function groupBy(rows, key) {
  const groups = new Map();
  for (const row of rows) groups.set(key(row), [...(groups.get(key(row)) ?? []), row]);
  return groups;
}

function searchCard(results) {
  const query = make("input", { id: "query", type: "search", autocomplete: "off", required: true, maxlength: 200 });
  const search = async () => {
    const found = await request(`page/products?${new URLSearchParams({ query: query.value, user_id: user })}`);
    results.replaceChildren(make("p", { class: "note" }, found.reason ? i18n.word("reason", found.reason) : t("found", { n: found.items.length })),
      make("ol", { class: "products" }, found.items.map((item, n) => productEntry(item, n + 1, found.products, null, eventButtons(item)))));
    notify("");
  };
  return make("section", { class: "card" }, make("form", { role: "search", onsubmit: event => { event.preventDefault(); run(search); } },
    field(t("query"), query, { class: "wide" }), make("button", {}, t("search"))), results);
}
