// Builds an audience from an expression, from users to be like, or both: its size, holdout and expected response.
import { request } from "./api.js";
import { $, field, fill, make, notify, run, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { nameOfMember } from "./segments.js";
import { go } from "./tabs.js";

const { t } = i18n;
const SAMPLE = 15;  // members that are shown
const EXAMPLES = ["orders >= 3 and recency_days < 30", "carts_28d > 0 and orders_28d == 0", 'segment == "at risk" and value_score >= 4'];

export function audienceBuilder(found) {
  const expression = make("input", { id: "audience-expression", autocomplete: "off", spellcheck: "false", maxlength: 2000, placeholder: EXAMPLES[0], list: "audience-examples" });
  const like = make("input", { id: "audience-like", autocomplete: "off", placeholder: t("likeHint") });
  const limit = make("input", { id: "audience-limit", type: "number", min: 1, step: 1, placeholder: t("noLimit") });
  const campaign = make("input", { id: "audience-campaign", autocomplete: "off", maxlength: 200, value: "spring", required: true });
  const result = make("div", { id: "audience", "aria-live": "polite" });
  const build = async () => {
    const body = { campaign: campaign.value.trim(), sample: SAMPLE };
    if (expression.value.trim()) body.expression = expression.value.trim();
    if (like.value.trim()) body.like = like.value.split(/[\s,;]+/).filter(Boolean);
    if (limit.value) body.limit = Number(limit.value);
    if (!body.expression && !body.like) { notify(t("audienceNeeds"), true); return; }
    show(result, await request("audiences", body), body, found);
    notify("");
  };
  const use = async text => {
    expression.value = text;
    like.value = "";
    await build();
    $("build-audience").scrollIntoView({ block: "start" });
  };
  const examples = make("p", { class: "chips" }, EXAMPLES.map(text => make("button", { type: "button", class: "small", onclick: () => run(() => use(text)) }, make("code", {}, text))));
  const fields = make("details", {}, make("summary", {}, t("columnsOf", { n: Object.keys(found.fields).length })),
    table([t("columnHead"), t("meaning")], Object.entries(found.fields).map(([name, meaning]) => [make("code", {}, name), meaning])));
  const form = make("form", { onsubmit: event => { event.preventDefault(); run(build); } }, field(t("expression"), expression, { class: "full" }),
    field(t("likeUsers"), like, { class: "wide" }), field(t("atMost"), limit), field(t("campaign"), campaign), make("button", { class: "primary" }, t("buildAudience")));
  const node = section(t("audience"), make("p", { class: "note" }, t("audienceNote", { share: i18n.percent(found.holdout_share, 0) })), form, examples, fields, result);
  node.id = "build-audience";
  return { node, use };
}

function show(node, made, body, found) {
  const stat = (title, big, note) => make("section", { class: "card stat" }, make("h3", {}, title), make("div", { class: "big" }, big), make("p", { class: "note" }, note));
  const expected = made.expected_response, overall = found.expected_response;
  const total = found.segments.filter(s => s.kind === "value").reduce((sum, s) => sum + s.n_users, 0);
  const compared = expected === null ? t("responseUnknown") : overall ? t("timesAverage", { times: i18n.fixed(expected / overall, 2), share: i18n.percent(overall, 1) }) : "";
  const rows = made.sample.map(m => [make("button", { type: "button", class: "small", onclick: () => go("customers", { user: m.user_id }) }, m.user_id),
    nameOfMember(found.segments, "value", m.segment), nameOfMember(found.segments, "behaviour", m.behaviour), t("bestTime", { slot: i18n.word("timeSlot", m.slot), hour: String(m.hour).padStart(2, "0") }), i18n.percent(m.response_rank, 0)]);
  fill(node, make("div", { class: "cards" },
    stat(t("toAddress"), i18n.integer(made.n_users), t("ofUsers", { share: i18n.percent(total ? made.n_users / total : 0), n: i18n.integer(total) })),
    stat(t("heldOut"), i18n.integer(made.n_held_out), t("heldOutNote", { campaign: body.campaign })),
    stat(t("expectedResponse"), expected === null ? "–" : i18n.percent(expected, 1), compared)),
  made.n_unknown ? make("p", { class: "warn" }, t("unknownUsers", { n: i18n.integer(made.n_unknown) })) : null,
  rows.length ? table([t("user"), t("segments.value"), t("segments.behaviour"), t("bestTimeHead"), t("responseRank")], rows, t("firstMembers", { n: rows.length })) : make("p", { class: "note" }, t("emptyAudience")),
  body.expression && !body.like ? make("p", { class: "note" }, t("exportWith"), " ", make("code", {}, command(body))) : make("p", { class: "note" }, t("exportLike")));
}

const quote = text => `'${text.replaceAll("'", "'\\''")}'`;
const command = body => `carousel audience ${quote(body.expression)}${body.limit ? ` --limit ${body.limit}` : ""} --campaign ${quote(body.campaign)} --out audience.csv`;
