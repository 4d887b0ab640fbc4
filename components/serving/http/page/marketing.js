// Marketing: segments with sizes and descriptions, audiences, and the response of each tenth of a campaign's users.
import { request } from "./api.js";
import { audienceBuilder } from "./audience.js";
import { make, run, section } from "./dom.js";
import * as i18n from "./i18n.js";
import { bars } from "./plots.js";
import { segmentName, segmentText } from "./segments.js";

const { t } = i18n;
const COLUMN = { value: "segment", behaviour: "behaviour" };  // kind of segment -> column of an expression

export async function draw(node) {
  const found = await request("audiences");
  const builder = audienceBuilder(found);
  node.replaceChildren(make("div", { class: "columns" }, segments(found, "value", builder), segments(found, "behaviour", builder)), builder.node, response(found));
}

function segments(found, kind, builder) {
  const own = found.segments.filter(s => s.kind === kind).sort((a, b) => b.n_users - a.n_users);
  const top = Math.max(1e-12, ...own.map(s => s.share));
  return section(t(`segments.${kind}`), make("p", { class: "note" }, t(`segmentsNote.${kind}`, { date: i18n.date(found.as_of) })),
    make("ul", { class: "plain segments" }, own.map(s => {
      const bar = make("span", { class: "fill" });
      bar.style.width = `${(100 * s.share / top).toFixed(1)}%`;
      const name = segmentName(s);
      return make("li", {}, make("div", { class: "between" }, make("span", {}, make("strong", {}, name), " ", make("span", { class: "note" }, t("segmentSize", { n: i18n.integer(s.n_users), share: i18n.percent(s.share) }))),
        make("button", { type: "button", class: "small", disabled: !s.n_users, "aria-label": `${t("showMembers")}: ${name}`,
          onclick: () => run(() => builder.use(`${COLUMN[kind]} == ${JSON.stringify(s.name)}`)) }, t("showMembers"))),
      make("span", { class: "track thin" }, bar), make("div", { class: "note" }, segmentText(s)));
    })));
}

function response(found) {
  const judged = found.response;
  if (!judged) return section(t("responseByTenth"), make("p", { class: "note" }, t("responseUnknown")));
  const rows = judged.deciles.map(d => ({ name: t("tenth", { n: d.decile }), value: d.lift, limit: d.baseline_lift, role: "challenger",
    limitText: t("baselineLift", { lift: i18n.fixed(d.baseline_lift, 2) }), text: t("tenthText", { lift: i18n.fixed(d.lift, 2), n: d.responses, of: d.n_users }) }));
  const { gain } = judged, ships = gain.low > 0;
  return section(t("responseByTenth"),
    make("p", { class: "note" }, t("responseNote", { campaign: judged.campaign, n: i18n.integer(judged.n_users), responses: i18n.integer(judged.responses), trained: judged.trained_on.length })),
    make("p", { class: ships ? "good" : "warn" }, t(ships ? "responseShips" : "responseBaseline"), " ",
      t("topLift", { lift: i18n.fixed(judged.top_decile_lift, 2), low: i18n.fixed(judged.top_decile_lift_low, 2), high: i18n.fixed(judged.top_decile_lift_high, 2), baseline: i18n.fixed(judged.baseline_top_decile_lift, 2) })),
    bars(rows, t("responseByTenth"), null, "wide"), make("ul", { class: "legend" }, make("li", {}, make("span", { class: "key challenger", "aria-hidden": "true" }), t("liftOfModel")),
      make("li", {}, make("span", { class: "key mark", "aria-hidden": "true" }), t("liftOfBaseline"))));
}
