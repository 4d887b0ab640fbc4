"use strict";
// The page of the service: a user's lists side by side, and the state of the loop. Everything shown is set as text.
const WORDS = {
  en: {
    skip: "To the content", views: "Views", lists: "Lists", loop: "Loop", language: "Language", user: "User", show: "Show",
    query: "Search as this user", search: "Search", found: "Search results", champion: "Champion", challenger: "Challenger",
    history: "History", view: "View", cart: "Into the cart", purchase: "Buy", nobody: "nothing is known of this user yet",
    none: "no challenger is there, or it is being loaded", by: "version {v}, by {m}", because: "reads like {t}", score: "score",
    told: "{e} of {t} was taken; the lists are new", serves: "version {v} serves", who: "Who serves", since: "since",
    model: "model", data: "data as of", verdict: "Last verdict", checks: "Checks", check: "check", value: "value", limit: "limit",
    why: "why", drift: "Drift", yes: "yes", no: "no", deployments: "Deployments", at: "at", action: "action", version: "version",
    before: "before", state: "state", canary: "Canary and experiment", share: "share of users", stopped: "stopped", nothing: "nothing yet",
    experiment: "experiment", events: { view: "viewed", cart: "put into the cart", purchase: "bought", click: "clicked", return: "returned", impression: "was shown" },
  },
  zh: {
    skip: "跳到内容", views: "视图", lists: "推荐列表", loop: "模型循环", language: "语言", user: "用户", show: "查看",
    query: "以该用户身份搜索", search: "搜索", found: "搜索结果", champion: "现任模型", challenger: "挑战者模型",
    history: "行为历史", view: "浏览", cart: "加入购物车", purchase: "购买", nobody: "还没有该用户的任何记录",
    none: "没有挑战者模型，或正在加载", by: "版本 {v}，由 {m} 给出", because: "与“{t}”相似", score: "得分",
    told: "已记录：{e}“{t}”，列表已更新", serves: "正在服务的是版本 {v}", who: "正在服务", since: "开始时间",
    model: "模型", data: "数据截至", verdict: "最近的裁决", checks: "检查项", check: "检查", value: "数值", limit: "限值",
    why: "原因", drift: "数据漂移", yes: "是", no: "否", deployments: "部署记录", at: "时间", action: "动作", version: "版本",
    before: "之前版本", state: "状态", canary: "灰度与实验", share: "用户占比", stopped: "已停止", nothing: "暂无",
    experiment: "实验", events: { view: "浏览", cart: "加购", purchase: "购买", click: "点击", return: "退货", impression: "曝光" },
  },
};
const $ = id => document.getElementById(id);
let words = WORDS.en, user = "", seen = null;

const fill = (text, values) => text.replace(/\{(\w)\}/g, (_, name) => values[name]);
const make = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const ask = async (path, body) => {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, options);
  const content = await reply.json();
  if (!reply.ok) throw new Error(content.detail + (content.errors || []).map(e => ` (${e.where}: ${e.what})`).join(""));
  return content;
};
const say = (text, bad = false) => { $("said").textContent = text; $("said").className = bad ? "bad" : ""; };
const tried = work => work().catch(error => say(error.message, true));
const time = text => make("time", new Date(text).toLocaleString(document.documentElement.lang), { datetime: text });

function speak(language) {
  words = WORDS[language];
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = words[node.dataset.t];
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", words[node.dataset.label]);
  $("language").value = language;
  tried(serves);
  if (seen) draw(seen);
  if (!$("loop").hidden) tried(loop);
}

async function serves() {
  $("champion").textContent = fill(words.serves, { v: (await ask("readyz")).version });
}

function entry(item, place, titles) {
  const li = make("li");
  const head = make("div");
  head.append(make("span", place, { class: "place" }), make("strong", item.title || item.item_id), make("span", ` ${item.item_id}`, { class: "note" }));
  li.append(head);
  const parts = Object.entries(item.why || {}).filter(([, x]) => Math.abs(x) > 1e-6).sort((a, b) => b[1] - a[1]);
  const told = parts.map(([name, x]) => `${name} ${x.toFixed(2)}`);
  if (item.because) told.unshift(fill(words.because, { t: titles.get(item.because) || item.because }));
  li.append(make("div", told.join(" · ") || `${words.score} ${item.score.toPrecision(3)}`, { class: "why" }));
  const acts = make("div", null, { class: "acts" });
  for (const event of ["view", "cart", "purchase"]) {
    const button = make("button", words[event], { type: "button", "aria-label": `${words[event]}: ${item.title || item.item_id}` });
    button.addEventListener("click", () => tried(() => tell(item, event)));
    if (user) acts.append(button);
  }
  li.append(acts);
  return li;
}

function put(id, list, note, nodes) {
  const section = $(id);
  section.hidden = false;
  section.querySelector("p").textContent = note;
  section.querySelector(list).replaceChildren(...nodes);
}

function draw(told) {
  const titles = new Map(told.history.map(e => [e.item_id, e.title]));
  const entries = list => list.items.map((item, n) => entry(item, n + 1, titles));
  const note = list => fill(words.by, { v: list.version, m: list.model }) + (list.reason ? ` (${list.reason})` : "");
  put("c", "ol", note(told.champion), entries(told.champion));
  put("r", "ol", told.challenger ? note(told.challenger) : words.none, told.challenger ? entries(told.challenger) : []);
  put("past", "ul", told.history.length ? "" : words.nobody, told.history.map(e => {
    const li = make("li");
    li.append(make("span", `${words.events[e.event] || e.event} `, { class: "place" }), make("span", e.title || e.item_id), make("br"), time(e.time));
    return li;
  }));
}

async function show() {
  user = $("user").value.trim();
  if (!user) return;
  say("");
  seen = await ask("page/compare", { user_id: user, k: 10 });
  draw(seen);
}

async function tell(item, event) {
  await ask("events", { events: [{ user_id: user, item_id: item.item_id, event }] });
  await show();
  say(fill(words.told, { e: words.events[event], t: item.title || item.item_id }));
}

async function search() {
  const body = { query: $("query").value, k: 10 };
  if (user) body.user_id = user;
  const answer = await ask("search", body);
  put("found", "ol", fill(words.by, { v: answer.version, m: answer.model }) + (answer.reason ? ` (${answer.reason})` : ""),
    answer.items.map((item, n) => entry(item, n + 1, new Map())));
  say("");
}

function table(title, heads, rows) {
  const node = make("table");
  node.append(make("caption", title, { class: "note" }));
  const head = node.createTHead().insertRow();
  for (const text of heads) head.append(make("th", text, { scope: "col" }));
  const body = node.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    for (const cell of cells) row.insertCell().append(cell === null || cell === undefined ? "" : cell);
  }
  return node;
}

async function loop() {
  const told = await ask("loop");
  const flag = good => make("span", good ? words.yes : words.no, { class: good ? "yes" : "no" });
  const part = (title, ...nodes) => { const s = make("section"); s.append(make("h2", title), ...nodes); return s; };
  const lines = list => { const ul = make("ul"); ul.append(...list.map(text => make("li", text))); return ul; };
  const number = x => Number.isInteger(x) ? x : Number(x).toPrecision(4);
  const parts = [];
  if (told.registry) parts.push(part(words.who, make("p", told.registry, { class: "no" })));
  const champion = told.champion;
  parts.push(part(words.who, champion
    ? table("", [words.version, words.model, words.since, words.data], [[champion.version, champion.model, told.since ? time(told.since) : "", time(told.data.as_of)]])
    : make("p", words.nothing)));
  parts.push(part(words.verdict, make("p", told.verdict ? `${told.verdict.verdict}: ${(told.verdict.reasons || []).join("; ")}` : words.nothing),
    ...(told.checks.length ? [table(words.checks, [words.check, "", words.value, words.limit, words.why],
      told.checks.map(c => [c.name, flag(c.passed), number(c.value), number(c.limit), c.why]))] : [])));
  parts.push(part(words.drift, told.drift ? lines([`${told.drift.drifted ? words.yes : words.no}`, ...told.drift.reasons]) : make("p", words.nothing)));
  const canary = told.canary;
  parts.push(part(words.canary, lines([`${words.share}: ${(100 * canary.share).toFixed(0)} %`,
    ...(canary.stopped ? [`${words.stopped}: ${canary.stopped.reason}`] : []),
    `${words.experiment}: ${told.experiment ? told.experiment : words.nothing}`])));
  parts.push(part(words.deployments, table("", [words.at, words.action, words.version, words.before, words.state, ""],
    told.deployments.map(d => [time(d.at), d.action, d.version, d.previous, d.state, d.note]))));
  $("loop").replaceChildren(...parts);
}

function choose(tab) {
  for (const other of document.querySelectorAll("[role=tab]")) {
    const mine = other === tab;
    other.setAttribute("aria-selected", mine);
    other.tabIndex = mine ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !mine;
  }
  if (tab.id === "tab-loop") tried(loop);
}

const tabs = [...document.querySelectorAll("[role=tab]")];
tabs.forEach((tab, n) => {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(n + step + tabs.length) % tabs.length];
    next.focus();
    choose(next);
  });
});
$("who").addEventListener("submit", event => { event.preventDefault(); tried(show); });
$("find").addEventListener("submit", event => { event.preventDefault(); tried(search); });
$("user").addEventListener("input", () => tried(async () => {
  const found = await ask(`page/users?prefix=${encodeURIComponent($("user").value)}`);
  $("users").replaceChildren(...found.map(value => make("option", null, { value })));
}));
$("language").addEventListener("change", event => speak(event.target.value));
tried(async () => {
  const found = await ask("page/users");
  $("users").replaceChildren(...found.map(value => make("option", null, { value })));
});
const wanted = new URLSearchParams(location.search);
speak((wanted.get("lang") || navigator.language).startsWith("zh") ? "zh" : "en");
if (wanted.get("view") === "loop") choose($("tab-loop"));
if (wanted.get("user")) { $("user").value = wanted.get("user"); tried(show); }
