// Starts the page: language, theme, views, and the address that names the open view.
import { request } from "./api.js";
import { addApplications } from "./applications.js";
import { customers } from "./customers.js";
import { $, run } from "./dom.js";
import { setLanguage, t } from "./i18n.js";
import { merchandising } from "./merchandising.js";
import { overview } from "./overview.js";
import { releases } from "./releases.js";
import { recall, remember } from "./storage.js";
import { addView, drawTabs, show } from "./tabs.js";
import { startTheme } from "./theme.js";

const LANGUAGE_KEY = "carousel-language";

function translatePage() {
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) { node.setAttribute("aria-label", t(node.dataset.label)); node.title = t(node.dataset.label); }
}

async function showVersion() {
  const ready = await request("readyz");
  $("champion").textContent = t("serves", { v: ready.version });
}

async function changeLanguage(language) {
  await setLanguage(language);
  $("language").value = language;
  translatePage();
  drawTabs();
  run(showVersion);
  show();
}

// addresses of earlier versions: ?view=status, ?view=loop, ?user=ID
function readOldAddress(query) {
  if (["status", "loop"].includes(query.get("view"))) location.hash = "#releases";
  if (query.get("user")) location.hash = `#customers?${new URLSearchParams({ user: query.get("user") })}`;
}

run(async () => {
  const query = new URLSearchParams(location.search);
  const wanted = query.get("lang") || recall(LANGUAGE_KEY) || navigator.language;
  const language = wanted.startsWith("zh") ? "zh" : "en";
  startTheme($("theme"));
  await setLanguage(language);
  for (const view of [overview, customers, merchandising, releases]) addView(view);
  addApplications();
  readOldAddress(query);
  await changeLanguage(language);
  $("language").addEventListener("change", event => run(async () => {
    remember(LANGUAGE_KEY, event.target.value);
    await changeLanguage(event.target.value);
  }));
  addEventListener("hashchange", show);
});
