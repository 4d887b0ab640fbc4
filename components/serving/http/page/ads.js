// Advertising: today's spend beside the plan, what our choices are worth, and the ads that a customer would get.
import { request } from "./api.js";
import { field, fill, make, run, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { bars, lineChart } from "./plots.js";
import { userInput } from "./user_input.js";

const { t } = i18n;
const HOUR_MS = 3600000;
const POLICIES = ["ours", "popularity", "random", "logging"];
const money = value => i18n.number(value, { minimumFractionDigits: 2, maximumFractionDigits: Math.abs(value) < 1 ? 4 : 2 });

const clock = time => new Date(time).toISOString().slice(11, 16);  // UTC, as days of budgets are

export async function draw(node, record) {
  const campaigns = make("div", { id: "campaigns" });
  node.replaceChildren(campaigns, make("div", { class: "columns" }, policies(record.metrics), calibration(record.metrics)), chooser(campaigns));
  await drawCampaigns(campaigns);
}

async function drawCampaigns(node) {
  const found = await request("page/campaigns");
  const sum = (campaign, what) => campaign.hours.reduce((total, hour) => total + hour[what], 0);
  const rows = found.campaigns.map(c => [[c.campaign, c.is_active ? null : make("span", { class: "tag" }, t("notActive"))], c.ads, money(c.spent), money(c.planned), money(c.daily_budget),
    i18n.integer(sum(c, "impressions")), i18n.integer(sum(c, "clicks")), i18n.integer(sum(c, "purchases"))]);
  const spend = bars(found.campaigns.map(c => ({
    name: c.campaign, value: c.spent / c.daily_budget, limit: c.planned / c.daily_budget, limitText: t("planUntilNow", { plan: money(c.planned) }),
    role: c.spent > c.planned * 1.1 ? "over" : "champion", text: `${money(c.spent)} / ${money(c.daily_budget)}`,
  })), t("spendLabel"), 1);
  fill(node, section(t("campaignsToday"), make("p", { class: "note" }, t("campaignsNote", { time: found.as_of.slice(11, 16) })),
    found.campaigns.length ? [spend, byHour(found), table([t("campaign"), t("ads"), t("spent"), t("planned"), t("budget"), t("impressions"), t("clicks"), t("purchases")], rows)]
      : make("p", { class: "note" }, t("none"))));
}

function byHour(found) {
  const hours = found.campaigns[0]?.hours.map(hour => hour.hour) ?? [];
  if (hours.length < 2) return null;
  const midnight = Date.parse(`${found.as_of.slice(0, 10)}T00:00:00Z`);
  const totals = what => hours.map(n => ({ x: midnight + (n + .5) * HOUR_MS, y: found.campaigns.reduce((sum, c) => sum + (c.hours[n]?.[what] ?? 0), 0) }))
    .map(p => ({ ...p, text: `${clock(p.x)}: ${money(p.y)}` }));
  return lineChart({ series: [{ name: t("planned"), role: "baseline", points: totals("planned") }, { name: t("spent"), role: "champion", points: totals("spent") }],
    label: t("spendByHour"), formatX: clock, formatY: y => i18n.number(y), height: 170 });
}

function policies(metrics) {
  const rows = POLICIES.filter(name => `policy/${name}/dr` in metrics).map(name => {
    const [value, low, high] = ["", "_low", "_high"].map(end => metrics[`policy/${name}/dr${end}`]);
    return { name: t(`policy.${name}`), value, role: name === "ours" ? "challenger" : "baseline", text: `${i18n.fixed(value, 4)} (${i18n.fixed(low, 4)} – ${i18n.fixed(high, 4)})` };
  });
  return section(t("policyValue"), rows.length ? [make("p", { class: "note" }, t("policyNote")), bars(rows, t("policyValue"), null, "wide")] : make("p", { class: "note" }, t("policyUnknown")));
}

function calibration(metrics) {
  const share = value => value === undefined ? "–" : i18n.percent(value, 2);
  const rows = ["click", "purchase"].filter(event => `${event}/calibration_error` in metrics).map(event => [t(`event.${event}`),
    t(metrics[`${event}/ships`] ? "calibrated" : "baseRates"), `${share(metrics[`${event}/calibration_error`])} (${share(metrics[`${event}/calibration_error_low`])} – ${share(metrics[`${event}/calibration_error_high`])})`,
    share(metrics[`${event}/calibration_error_uncalibrated`]), share(metrics[`${event}/calibration_error_base_rate`])]);
  return section(t("calibration"), make("p", { class: "note" }, t("calibrationNote")), table([t("pays"), t("published"), t("error"), t("uncalibrated"), t("baseRates")], rows));
}

function chooser(campaigns) {
  const { input, suggestions } = userInput({ id: "ads-user", placeholder: t("visitor") });
  const k = make("input", { id: "ads-k", type: "number", min: 1, max: 20, value: 3, required: true });
  const list = make("div", { id: "chosen-ads", "aria-live": "polite" });
  const choose = async () => {
    const body = { slot: 1, k: Number(k.value), ...(input.value.trim() ? { user_id: input.value.trim() } : {}) };
    list.replaceChildren(adTable((await request("ads", body)).ads));
    await drawCampaigns(campaigns);
  };
  return section(t("chooseAds"), make("p", { class: "note" }, t("adsNote")),
    make("form", { onsubmit: event => { event.preventDefault(); run(choose); } }, field(t("user"), input, { class: "wide" }), suggestions, field(t("slots"), k), make("button", { class: "primary" }, t("chooseAd"))), list);
}

function adTable(ads) {
  if (!ads.length) return make("p", { class: "note" }, t("noAd"));
  return table([t("slot"), t("ad"), t("campaign"), t("pays"), t("price"), t("probability"), t("propensity")],
    ads.map(ad => [ad.slot, ad.text || ad.item_id, ad.campaign, t(`event.${ad.bid_type}`), money(ad.price), i18n.percent(ad.probability, 2), i18n.number(ad.propensity, { maximumSignificantDigits: 2 })]));
}
