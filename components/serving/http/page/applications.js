// Panels of applications: one appears where GET /applications says that the application has published something.
import { request } from "./api.js";
import { make, section, table } from "./dom.js";
import * as i18n from "./i18n.js";
import { addView } from "./tabs.js";

const { t } = i18n;
const PANELS = { ads: "./ads.js", inventory: "./inventory.js" };  // application -> module that exports draw(node, record)

export async function addApplications() {
  const { applications } = await request("applications").catch(() => ({ applications: [] }));
  for (const record of applications) {
    addView({
      id: record.application,
      title: i18n.has(`app.${record.application}`) ? `app.${record.application}` : record.application,
      async draw(panel) {
        const own = make("div");
        panel.replaceChildren(own, recordCard(record));
        const file = PANELS[record.application];
        if (file) await (await import(file)).draw(own, record);
      },
    });
  }
}

function recordCard(record) {
  const metrics = Object.entries(record.metrics).map(([name, value]) => [name, i18n.number(value)]);
  return section(t("gateOf"), make("p", {}, t("ships", { what: i18n.word("ships", record.ships), date: i18n.date(record.as_of) }), record.simulated ? ` ${t("simulated")}` : ""),
    make("ul", { class: "plain" }, record.reasons.map(text => make("li", {}, text))),
    make("details", {}, make("summary", {}, t("measures", { n: metrics.length })), table([t("measure"), t("value")], metrics)),
    record.limits.length ? [make("h3", {}, t("limits")), make("ul", { class: "plain" }, record.limits.map(text => make("li", {}, text)))] : null);
}
