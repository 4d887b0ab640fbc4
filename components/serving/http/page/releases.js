// The release process: deployments with what was expected and what came true, the last verdict, canary and experiment.
import { request } from "./api.js";
import { cardDetails } from "./card.js";
import { make, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { signed } from "./overview.js";
import { checkName, checkReason, verdictReason } from "./reasons.js";

const { t } = i18n;

export const releases = {
  id: "releases",
  title: "releases",
  async draw(panel) {
    const status = await request("status");
    panel.replaceChildren(verdict(status), section(t("servingModel"), make("p", { class: "note" }, t("cardNote")), cardDetails()), outcomes(status), canary(status), deployments(status));
  },
};

const level = found => found ? `${i18n.fixed(found.mean, 4)} (${i18n.fixed(found.low, 4)} – ${i18n.fixed(found.high, 4)})` : "";

function verdict(status) {
  if (!status.verdict) return section(t("lastVerdict"), make("p", {}, t("none")));
  const flag = passed => make("span", { class: `nowrap ${passed ? "good" : "bad"}` }, passed ? t("passed") : t("failed"));
  const value = x => Number.isInteger(x) ? i18n.integer(x) : i18n.number(x);
  const checks = status.checks.map(c => [checkName(c), flag(c.passed), value(c.value), value(c.limit), checkReason(c)]);
  return section(t("lastVerdict"), make("p", {}, make("strong", {}, i18n.word("verdict", status.verdict.verdict)),
    status.verdict.decided_at ? [" · ", make("time", { datetime: status.verdict.decided_at }, i18n.dateTime(status.verdict.decided_at))] : null),
  make("ul", { class: "plain" }, (status.verdict.reasons ?? []).map(text => make("li", {}, verdictReason(text, status.checks)))),
  checks.length ? make("details", {}, make("summary", {}, t("checksSummary", { passed: status.checks.filter(c => c.passed).length, n: checks.length })),
    table([t("check"), t("result"), t("value"), t("limit"), t("reason")], checks)) : null);
}

function outcomes(status) {
  const found = status.quality?.deployments ?? [];
  if (!found.length) return section(t("outcomes"), make("p", { class: "note" }, t("qualityEmpty")));
  const rows = [...found].reverse().map(d => [
    t("version", { v: d.version }), d.is_refresh ? t("action.refresh") : i18n.word("action", d.action),
    `${i18n.date(d.since)} – ${d.until ? i18n.date(d.until) : t("now")}`,
    d.gain ? `${signed(d.gain.gain)} (${signed(d.gain.low)} – ${signed(d.gain.high)})` : "", level(d.expected), level(d.live),
    d.simple_models.map(s => `${i18n.word("model", s.model)} ${signed(s.lead.mean)}`).join("; "),
  ]);
  return section(t("outcomes"), make("p", { class: "note" }, t("outcomesNote", { metric: i18n.word("metric", status.quality.metric) })),
    table([t("versionHead"), t("by_"), t("served"), t("gainHead"), t("expected"), t("cameTrue"), t("leadHead")], rows));
}

function canary(status) {
  const lines = [`${t("canaryShare")}: ${i18n.percent(status.canary.share, 0)}`];
  if (status.canary.stopped) lines.push(`${t("stopped")}: ${status.canary.stopped.reason}`);
  lines.push(`${t("experiment")}: ${status.experiment ?? t("none")}`, `${t("rulesCount")}: ${status.merchandising_rules ?? 0}`);
  return section(t("canary"), make("ul", { class: "plain" }, lines.map(text => make("li", {}, text))));
}

function deployments(status) {
  const rows = status.deployments.map(d => [make("time", { datetime: d.at }, i18n.dateTime(d.at)), i18n.word("action", d.action), d.version,
    d.previous ?? "–", i18n.word("state", d.state), d.note]);
  return section(t("deployments"), rows.length ? table([t("at"), t("action_"), t("versionHead"), t("previous"), t("state_"), t("note")], rows) : make("p", {}, t("none")));
}
