// Tabs by the WAI-ARIA pattern: arrows, Home and End move between them; the address keeps the open one.
import { $, make, run } from "./dom.js";
import { t } from "./i18n.js";

const views = [];  // {id, title, draw(panel, parameters), leave()}
let open = null, showsAddress = false;

export function addView(view) { views.push(view); }
export const knowsView = id => views.some(view => view.id === id);

export function drawTabs() {
  $("tabs").replaceChildren(...views.map(view => make("button", {
    role: "tab", type: "button", id: `tab-${view.id}`, "aria-controls": view.id, "aria-selected": String(view === open),
    tabindex: view === open ? 0 : -1, onclick: () => go(view.id), onkeydown: event => move(event, view),
  }, t(view.title))));
  for (const view of views)
    if (!$(view.id)) $("views").append(make("div", { role: "tabpanel", id: view.id, "aria-labelledby": `tab-${view.id}`, hidden: true }));
}

function move(event, view) {
  const n = views.indexOf(view);
  const next = { ArrowRight: n + 1, ArrowLeft: n - 1, Home: 0, End: views.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  const target = views[(next + views.length) % views.length];
  go(target.id);
  $(`tab-${target.id}`).focus();
}

export function go(id, parameters = {}) {
  const query = new URLSearchParams(parameters).toString();
  const hash = `#${id}${query ? `?${query}` : ""}`;
  if (location.hash === hash) show();
  else location.hash = hash;
}

export function show() {
  const [id, query] = location.hash.slice(1).split("?");
  const view = views.find(one => one.id === id) ?? (showsAddress ? null : views[0]);
  if (!view) return;  // such as #main, where the link to the content leads
  showsAddress = true;
  if (open && open !== view) open.leave?.();
  open = view;
  for (const one of views) {
    const isOpen = one === view, tab = $(`tab-${one.id}`);
    tab.setAttribute("aria-selected", isOpen);
    tab.tabIndex = isOpen ? 0 : -1;
    $(one.id).hidden = !isOpen;
  }
  $(`tab-${view.id}`).scrollIntoView({ block: "nearest", inline: "nearest" });
  if (!$(view.id).firstChild) $(view.id).append(make("p", { class: "note" }, t("loading")));
  run(() => view.draw($(view.id), new URLSearchParams(query)));
}
