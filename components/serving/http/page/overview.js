// The first view: what serves, how good and how fast it is, what drifts, the last runs, and users to look at.
import { request } from "./api.js";
import { drawPicks } from "./customers.js";
import { link, make, run, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { bars, lineChart, sparkline } from "./plots.js";

const { t } = i18n;
const REFRESH_MS = 15000, STATUS_TURNS = 4;  // the release state takes the registry a second to tell
let timer = 0;

export const overview = {
  id: "overview",
  title: "overview",
  async draw(panel) {
    let [status, traffic] = await Promise.all([request("status"), request("page/traffic")]);
    const picks = make("div");
    const live = make("div", { class: "cards" });
    panel.replaceChildren(...attention(status), live,
      make("div", { class: "columns" }, quality(status), drift(status)), runs(status),
      section(t("lookAtUsers"), make("p", { class: "note" }, t("lookAtUsersNote")), picks));
    drawCards(live, status, traffic);
    run(() => drawPicks(picks));
    clearInterval(timer);
    let turn = 0;
    timer = setInterval(async () => {
      if (document.hidden || panel.hidden) return;
      try {  // quietly: a number that cannot be read keeps its last value
        traffic = await request("page/traffic");
        if (++turn % STATUS_TURNS === 0) status = await request("status");
        drawCards(live, status, traffic);
      } catch { /* at the next turn */ }
    }, REFRESH_MS);
  },
  leave() { clearInterval(timer); },
};

function card(title, big, note, extra, className = "") {
  return make("section", { class: "card stat" }, make("h2", {}, title), make("div", { class: `big ${className}` }, big),
    note ? make("p", { class: "note" }, note) : null, extra);
}

function drawCards(node, status, traffic) {
  const total = traffic.total, lists = total ? total.requests : 0;
  const share = (n, of) => of ? n / of : null;
  const series = pick => traffic.intervals.map(pick);
  const since = total ? t("sinceMinutes", { n: i18n.integer(Math.max(1, total.seconds / 60)) }) : t("noTrafficYet");
  node.replaceChildren(
    serving(status), live(status),
    card(t("requests"), i18n.integer(lists), total ? t("requestsNote", { rate: i18n.number(lists / Math.max(total.seconds, 1), { maximumSignificantDigits: 2 }), since }) : since,
      sparkline(series(x => x.seconds ? x.requests / x.seconds : null), t("requestsPlot"))),
    card(t("latency"), `${i18n.milliseconds(total?.p50_ms)} / ${i18n.milliseconds(total?.p99_ms)}`, t("latencyNote"),
      sparkline(series(x => x.p99_ms), t("latencyPlot"), "candidate")),
    card(t("fallbacks"), lists ? i18n.percent(share(total.fallbacks, lists)) : "–", reasons(traffic),
      sparkline(series(x => share(x.fallbacks, x.requests)), t("fallbacksPlot"), "baseline")),
    card(t("errors"), lists ? i18n.percent(share(total.errors, lists), 2) : "–",
      total ? t("errorsNote", { errors: i18n.integer(total.errors), refused: i18n.integer(total.refused) }) : "",
      sparkline(series(x => share(x.errors, x.requests)), t("errorsPlot"), "challenger"), total?.errors ? "bad" : ""));
}

function reasons(traffic) {
  const found = Object.entries(traffic.reasons).slice(0, 2);
  return found.length ? found.map(([name, n]) => `${i18n.word("reason", name)}: ${i18n.integer(n)}`).join(" · ") : t("fallbacksNote");
}

function serving(status) {
  const champion = status.champion;
  if (!champion) return card(t("serving"), t("version", { v: status.serving }), status.registry ? t("registryAway") : t("none"));
  const blend = champion.recipe?.blend?.parts;
  const recipe = blend ? blend.map(name => i18n.word("model", name)).join(" + ") : "";
  const days = (new Date(status.since ?? Date.now()) - new Date(status.data.as_of)) / 86400000;
  return card(t("serving"), t("version", { v: champion.version }),
    [i18n.word("model", champion.model), recipe && ` (${recipe})`],
    make("p", { class: "note" }, t("freshness", { date: i18n.date(status.data.as_of), since: status.since ? i18n.ago(status.since) : "–" }),
      days > 60 ? make("br") : null, days > 60 ? t("shopClock") : null));
}

function live(status) {
  const last = status.quality?.deployments.at(-1);
  if (last?.live) {
    const { live: now, expected } = last;
    const below = expected && now.high < expected.low, above = expected && now.low > expected.high;
    const verdict = !expected ? "" : below ? t("belowExpected") : above ? t("aboveExpected") : t("asExpected");
    return card(t("qualityLive"), i18n.fixed(now.mean, 4),
      expected ? t("expectedNote", { low: i18n.fixed(expected.low, 4), high: i18n.fixed(expected.high, 4) }) : "",
      make("p", { class: `note ${below ? "bad" : above ? "good" : ""}` }, verdict, " ", t("daysUsers", { days: now.n_days, users: i18n.integer(now.n_users) })));
  }
  const gain = status.gain;
  return card(t("qualityLive"), "–", t("noLiveDay"),
    gain ? make("p", { class: "note" }, t("gateGain", { gain: signed(gain.gain), low: signed(gain.low), high: signed(gain.high) })) : null);
}

export const signed = value => i18n.number(value, { signDisplay: "exceptZero", minimumFractionDigits: 4, maximumFractionDigits: 4 });

function attention(status) {
  const found = [status.registry, status.disagreement, ...(status.history?.alarms ?? []), status.canary.stopped?.reason];
  if (status.drift && !status.drift.computable) found.push(t("driftUnknown"), ...status.drift.reasons);
  else if (status.drift?.drifted) found.push(...status.drift.reasons);
  if (status.monitor && status.monitor.action !== "nothing") found.push(`${t("monitorAsks", { action: i18n.word("action", status.monitor.action) })} ${status.monitor.reasons.join("; ")}`);
  const lines = found.filter(Boolean);
  if (!lines.length) return [];
  return [make("section", { class: "card alert" }, make("h2", {}, t("attention")), make("ul", { class: "plain" }, lines.map(text => make("li", {}, text))))];
}

function quality(status) {
  const found = status.quality;
  if (!found || (!found.days.length && !found.deployments.some(d => d.expected)))
    return section(t("qualityByDay"), make("p", { class: "note" }, t("qualityEmpty")));
  const middle = day => (day.start + day.end) / 2000;
  const point = (day, y, name) => ({ x: middle(day), y, text: `${i18n.date(middle(day))}: ${i18n.fixed(y, 4)} (${name})` });
  const series = [{ name: t("champion"), role: "champion", points: found.days.map(d => point(d, d.mean, t("users", { n: d.users }))) }];
  const simple = [...new Set(found.days.flatMap(d => Object.keys(d.simple)))];
  for (const [n, name] of simple.entries())
    series.unshift({ name: i18n.word("model", name), role: name === "popularity" ? "baseline" : ["candidate", "challenger"][n % 2],
      points: found.days.filter(d => name in d.simple).map(d => point(d, d.simple[name], i18n.word("model", name))) });
  const starts = found.days.map(d => d.start / 1000), first = Math.min(...starts), last = Math.max(...found.days.map(d => d.end / 1000));
  const bands = found.deployments.filter(d => d.expected).map(d => ({
    name: t("expected"), from: Math.max(new Date(d.since).getTime(), found.days.length ? first : 0), to: d.until ? new Date(d.until).getTime() : Math.max(last, new Date(d.since).getTime() + 86400000),
    low: d.expected.low, high: d.expected.high, text: t("expectedOf", { v: d.version, low: i18n.fixed(d.expected.low, 4), high: i18n.fixed(d.expected.high, 4) }),
  })).filter(b => b.to > b.from);
  const marks = found.deployments.map(d => ({ x: new Date(d.since).getTime(), text: `v${d.version}` })).filter(m => !found.days.length || m.x >= first);
  const label = t("qualityLabel", { metric: i18n.word("metric", found.metric), n: found.days.length });
  return section(t("qualityByDay"), make("p", { class: "note" }, t("qualityNote", { metric: i18n.word("metric", found.metric) })),
    lineChart({ series: series.filter(s => s.points.length), bands, marks, label, formatX: i18n.shortDate, formatY: y => i18n.number(y) }));
}

function drift(status) {
  const columns = status.drift_columns;
  if (!columns) return section(t("drift"), make("p", { class: "note" }, t("none")));
  const over = columns.filter(c => c.distance > c.limit);
  const text = !status.drift.computable ? t("driftUnknown") : status.drift.drifted ? t("drifted") : t("stable");
  return section(t("drift"), make("p", { class: status.drift.drifted || !status.drift.computable ? "warn" : "good" }, text),
    make("p", { class: "note" }, t("driftNote", { over: over.length, n: columns.length })),
    bars(columns.map(c => ({ name: i18n.word("column", c.column), value: c.distance / c.limit, limit: 1, role: c.distance > c.limit ? "over" : "champion",
      text: `${i18n.number(c.distance, { maximumSignificantDigits: 2 })} / ${i18n.number(c.limit, { maximumSignificantDigits: 2 })}`, title: c.column })), t("driftLabel"), Math.max(1.5, ...columns.map(c => c.distance / c.limit))));
}

function runs(status) {
  const links = make("p", { class: "note" }, t("tools"), " ", link("Prefect", status.links.prefect), " · ", link("MLflow", status.links.mlflow),
    status.quality ? [" · ", link(t("historyReport"), "page/reports/0/history")] : null, " · ", link(t("apiDocs"), "docs"));
  const rows = status.runs.map(r => [
    [t("version", { v: r.version }), r.alias ? make("span", { class: "tag up" }, i18n.word("alias", r.alias)) : null],
    i18n.word("model", r.model), i18n.date(r.as_of), make("time", { datetime: r.created_at }, i18n.dateTime(r.created_at)),
    r.value === null ? "" : i18n.fixed(r.value, 4),
    [link(t("evaluationReport"), `page/reports/${r.version}/evaluate`), " · ", link(t("driftReport"), `page/reports/${r.version}/drift`), " · ", link("MLflow", r.mlflow)],
  ]);
  const heads = [t("versionHead"), t("modelHead"), t("dataHead"), t("createdHead"), status.runs[0] ? i18n.word("metric", status.runs[0].metric) : t("valueHead"), t("openHead")];
  return section(t("lastRuns"), rows.length ? table(heads, rows) : make("p", { class: "note" }, status.registry ? t("registryAway") : t("none")), links);
}
