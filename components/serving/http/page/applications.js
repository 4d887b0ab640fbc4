// Panels of applications: each draws what it has published, its gate and its card; a short state where it has not.
import { request } from "./api.js";
import { cardDetails } from "./card.js";
import { fill, make, section } from "./dom.js";
import * as i18n from "./i18n.js";
import { applicationReason } from "./reasons.js";
import { addView } from "./tabs.js";

const { t } = i18n;
const PANELS = { ads: "./ads.js", inventory: "./inventory.js", marketing: "./marketing.js" };  // application -> module that exports draw(node, record)
const COMMANDS = { ads: "carousel ads --run", inventory: "carousel inventory", marketing: "carousel marketing" };

export function addApplications() {
  for (const name of Object.keys(PANELS)) addView({ id: name, title: `app.${name}`, draw: panel => draw(panel, name) });
}

async function draw(panel, name) {
  const { applications, states, unshipped } = await request("applications");
  const record = applications.find(one => one.application === name);
  if (!record) { panel.replaceChildren(unpublished(name, states[name], unshipped[name])); return; }
  const own = make("div");
  fill(panel, notShipped(unshipped[name]), own, recordCard(record));
  await (await import(PANELS[name])).draw(own, record);
}

function notShipped(reasons) {
  return reasons ? [make("section", { class: "card alert" }, make("h2", {}, t("notShipped")), make("ul", { class: "plain" }, reasons.map(reason => make("li", {}, applicationReason(reason)))))] : [];
}

function unpublished(name, state, reasons) {
  if (reasons) return make("div", {}, section(t(`app.${name}`), make("p", {}, t(`about.${name}`))), notShipped(reasons));
  return section(t(`app.${name}`), make("p", {}, t(`about.${name}`)), make("p", {}, make("span", { class: "badge" }, t(`state.${state}`)), " ", t(`${state}Note`)),
    make("p", {}, make("code", {}, COMMANDS[name])));
}

function recordCard(record) {
  return section(t("gateOf"), make("p", {}, t("ships", { what: i18n.word("ships", record.ships), date: i18n.date(record.as_of) }), record.simulated ? ` ${t("simulated")}` : ""),
    make("ul", { class: "plain" }, record.reasons.map(reason => make("li", {}, applicationReason(reason)))), cardDetails(record.application));
}
