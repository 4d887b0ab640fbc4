"use strict";
// The page of the service: a user's lists by champion and challenger, and the release status. All content is set as text.
const TEXTS = {
  en: {
    skip: "Skip to content", views: "Views", lists: "Lists", status: "Status", language: "Language", user: "User", show: "Show",
    query: "Search as this user", search: "Search", found: "Search results", champion: "Champion", challenger: "Challenger",
    history: "History", view: "View", cart: "Add to cart", purchase: "Buy", noHistory: "no events of this user yet",
    noChallenger: "no challenger, or it is being loaded", by: "version {v}, model {m}", explainedBy: "similar to {t}", score: "score",
    stored: "event {e} stored for {t}; lists updated", serves: "serving version {v}", serving: "Serving", since: "since",
    model: "model", data: "data as of", verdict: "Last verdict", checks: "Checks", check: "check", value: "value", limit: "limit",
    reason: "reason", drift: "Data drift", passed: "passed", failed: "failed", drifted: "drift found", stable: "no drift", deployments: "Deployments", at: "at", action: "action", version: "version",
    previous: "previous", state: "state", canary: "Canary and experiment", share: "share of users", stopped: "stopped", none: "none yet",
    experiment: "experiment", outcomes: "What came true", outcomesPlot: "Quality by day of what served", columns: {}, events: { view: "view", cart: "add to cart", purchase: "purchase", click: "click", return: "return", impression: "impression" },
  },
  zh: {
    skip: "跳到内容", views: "视图", lists: "推荐列表", status: "状态", language: "语言", user: "用户", show: "查看",
    query: "以该用户身份搜索", search: "搜索", found: "搜索结果", champion: "现任模型", challenger: "挑战者模型",
    history: "行为历史", view: "浏览", cart: "加入购物车", purchase: "购买", noHistory: "该用户暂无行为记录",
    noChallenger: "没有挑战者模型，或正在加载", by: "版本 {v}，模型 {m}", explainedBy: "与“{t}”相似", score: "得分",
    stored: "已记录：{e}“{t}”，列表已更新", serves: "线上版本：{v}", serving: "线上模型", since: "开始时间",
    model: "模型", data: "数据截至", verdict: "最近的发布决定", checks: "检查项", check: "检查", value: "数值", limit: "限值",
    reason: "原因", drift: "数据漂移", passed: "通过", failed: "未通过", drifted: "有漂移", stable: "无漂移", deployments: "部署记录", at: "时间", action: "动作", version: "版本",
    previous: "上一版本", state: "结果", canary: "灰度发布与实验", share: "用户占比", stopped: "已停止", none: "暂无",
    experiment: "实验", outcomes: "实际效果", outcomesPlot: "线上模型的每日效果",
    columns: { version: "版本", by: "方式", served: "服务时间", "gain at the gate": "发布检验的增益", "expected a day": "每日预期", "came true": "实际", "days, users": "天数，用户数", "lead over simple models": "相对简单模型的领先" },
    events: { view: "浏览", cart: "加购", purchase: "购买", click: "点击", return: "退货", impression: "曝光" },
  },
};
const $ = id => document.getElementById(id);
let texts = TEXTS.en, user = "", shown = null;

const fill = (text, values) => text.replace(/\{(\w)\}/g, (_, name) => values[name]);
const make = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const request = async (path, body) => {
  const options = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, options);
  const content = await reply.json();
  if (!reply.ok) throw new Error(content.detail + (content.errors || []).map(e => ` (${e.where}: ${e.what})`).join(""));
  return content;
};
const notify = (text, isError = false) => { $("message").textContent = text; $("message").className = isError ? "error" : ""; };
const run = work => work().catch(error => notify(error.message, true));
const time = text => make("time", new Date(text).toLocaleString(document.documentElement.lang), { datetime: text });

function setLanguage(language) {
  texts = TEXTS[language];
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = texts[node.dataset.t];
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", texts[node.dataset.label]);
  $("language").value = language;
  run(showVersion);
  if (shown) drawLists(shown);
  if (!$("status").hidden) run(drawStatus);
}

async function showVersion() {
  $("champion").textContent = fill(texts.serves, { v: (await request("readyz")).version });
}

function makeEntry(item, position, titles) {
  const li = make("li");
  const head = make("div");
  head.append(make("span", position, { class: "position" }), make("strong", item.title || item.item_id), make("span", ` ${item.item_id}`, { class: "note" }));
  li.append(head);
  const parts = Object.entries(item.contributions || {}).filter(([, x]) => Math.abs(x) > 1e-6).sort((a, b) => b[1] - a[1]);
  const reasons = parts.map(([name, x]) => `${name} ${x.toFixed(2)}`);
  if (item.explained_by) reasons.unshift(fill(texts.explainedBy, { t: titles.get(item.explained_by) || item.explained_by }));
  li.append(make("div", reasons.join(" · ") || `${texts.score} ${item.score.toPrecision(3)}`, { class: "reasons" }));
  const actions = make("div", null, { class: "actions" });
  for (const event of ["view", "cart", "purchase"]) {
    const button = make("button", texts[event], { type: "button", "aria-label": `${texts[event]}: ${item.title || item.item_id}` });
    button.addEventListener("click", () => run(() => sendEvent(item, event)));
    if (user) actions.append(button);
  }
  li.append(actions);
  return li;
}

function fillSection(id, list, note, nodes) {
  const section = $(id);
  section.hidden = false;
  section.querySelector("p").textContent = note;
  section.querySelector(list).replaceChildren(...nodes);
}

function drawLists(found) {
  const titles = new Map(found.history.map(e => [e.item_id, e.title]));
  const entries = list => list.items.map((item, n) => makeEntry(item, n + 1, titles));
  const note = list => fill(texts.by, { v: list.version, m: list.model }) + (list.reason ? ` (${list.reason})` : "");
  fillSection("champion-list", "ol", note(found.champion), entries(found.champion));
  fillSection("challenger-list", "ol", found.challenger ? note(found.challenger) : texts.noChallenger, found.challenger ? entries(found.challenger) : []);
  fillSection("history", "ul", found.history.length ? "" : texts.noHistory, found.history.map(e => {
    const li = make("li");
    li.append(make("span", `${texts.events[e.event] || e.event} `, { class: "position" }), make("span", e.title || e.item_id), make("br"), time(e.time));
    return li;
  }));
}

async function showLists() {
  user = $("user").value.trim();
  if (!user) return;
  notify("");
  shown = await request("page/compare", { user_id: user, k: 10 });
  drawLists(shown);
}

async function sendEvent(item, event) {
  await request("events", { events: [{ user_id: user, item_id: item.item_id, event }] });
  await showLists();
  notify(fill(texts.stored, { e: texts.events[event], t: item.title || item.item_id }));
}

async function search() {
  const body = { query: $("query").value, k: 10 };
  if (user) body.user_id = user;
  const answer = await request("search", body);
  fillSection("results", "ol", fill(texts.by, { v: answer.version, m: answer.model }) + (answer.reason ? ` (${answer.reason})` : ""),
    answer.items.map((item, n) => makeEntry(item, n + 1, new Map())));
  notify("");
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

async function drawStatus() {
  const status = await request("status");
  const flag = passed => make("span", passed ? texts.passed : texts.failed, { class: passed ? "passed" : "failed" });
  const part = (title, ...nodes) => { const s = make("section"); s.append(make("h2", title), ...nodes); return s; };
  const lines = list => { const ul = make("ul"); ul.append(...list.map(text => make("li", text))); return ul; };
  const number = x => Number.isInteger(x) ? x : Number(x).toPrecision(4);
  const parts = [];
  for (const problem of [status.registry, status.disagreement])
    if (problem) parts.push(part(texts.serving, make("p", problem, { class: "failed" })));
  const champion = status.champion;
  parts.push(part(texts.serving, champion
    ? table("", [texts.version, texts.model, texts.since, texts.data], [[champion.version, champion.model, status.since ? time(status.since) : "", time(status.data.as_of)]])
    : make("p", texts.none)));
  parts.push(part(texts.verdict, make("p", status.verdict ? `${status.verdict.verdict}: ${(status.verdict.reasons || []).join("; ")}` : texts.none),
    ...(status.checks.length ? [table(texts.checks, [texts.check, "", texts.value, texts.limit, texts.reason],
      status.checks.map(c => [c.name, flag(c.passed), number(c.value), number(c.limit), c.why]))] : [])));
  parts.push(part(texts.drift, status.drift ? lines([status.drift.drifted ? texts.drifted : texts.stable, ...status.drift.reasons]) : make("p", texts.none)));
  const outcomes = status.outcomes;
  if (outcomes && outcomes.table.length) {
    const picture = outcomes.plot ? [make("img", null, { src: `data:image/svg+xml,${encodeURIComponent(outcomes.plot)}`, alt: texts.outcomesPlot, width: "100%" })] : [];
    const heads = Object.keys(outcomes.table[0]).map(name => texts.columns[name] || name);
    parts.push(part(texts.outcomes, ...picture, table("", heads, outcomes.table.map(row => Object.values(row)))));
  }
  const canary = status.canary;
  parts.push(part(texts.canary, lines([`${texts.share}: ${(100 * canary.share).toFixed(0)} %`,
    ...(canary.stopped ? [`${texts.stopped}: ${canary.stopped.reason}`] : []),
    `${texts.experiment}: ${status.experiment ? status.experiment : texts.none}`])));
  parts.push(part(texts.deployments, table("", [texts.at, texts.action, texts.version, texts.previous, texts.state, ""],
    status.deployments.map(d => [time(d.at), d.action, d.version, d.previous, d.state, d.note]))));
  $("status").replaceChildren(...parts);
}

function selectTab(tab) {
  for (const other of document.querySelectorAll("[role=tab]")) {
    const isSelected = other === tab;
    other.setAttribute("aria-selected", isSelected);
    other.tabIndex = isSelected ? 0 : -1;
    $(other.getAttribute("aria-controls")).hidden = !isSelected;
  }
  if (tab.id === "tab-status") run(drawStatus);
}

const tabs = [...document.querySelectorAll("[role=tab]")];
tabs.forEach((tab, n) => {
  tab.addEventListener("click", () => selectTab(tab));
  tab.addEventListener("keydown", event => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = tabs[(n + step + tabs.length) % tabs.length];
    next.focus();
    selectTab(next);
  });
});
$("user-form").addEventListener("submit", event => { event.preventDefault(); run(showLists); });
$("search-form").addEventListener("submit", event => { event.preventDefault(); run(search); });
$("user").addEventListener("input", () => run(async () => {
  const found = await request(`page/users?prefix=${encodeURIComponent($("user").value)}`);
  $("users").replaceChildren(...found.map(value => make("option", null, { value })));
}));
$("language").addEventListener("change", event => setLanguage(event.target.value));
run(async () => {
  const found = await request("page/users");
  $("users").replaceChildren(...found.map(value => make("option", null, { value })));
});
const query = new URLSearchParams(location.search);
setLanguage((query.get("lang") || navigator.language).startsWith("zh") ? "zh" : "en");
if (["status", "loop"].includes(query.get("view"))) selectTab($("tab-status"));  // loop: its name in version 0.1
if (query.get("user")) { $("user").value = query.get("user"); run(showLists); }
