// Model cards: loaded when they are opened, and shown as text.
import { request } from "./api.js";
import { make, run } from "./dom.js";
import { t } from "./i18n.js";
import { markdown } from "./markdown.js";

// application: its name; null: the card of the champion
export function cardDetails(application = null) {
  const body = make("article", { class: "card-text", lang: "en" });
  const details = make("details", { class: "model-card", ontoggle: () => run(async () => {
    if (!details.open || body.firstChild) return;
    const query = application ? `?${new URLSearchParams({ application })}` : "";
    try {
      body.replaceChildren(...markdown((await request(`card${query}`)).markdown));
    } catch (error) {
      if (error.status !== 404) throw error;
      body.replaceChildren(make("p", { class: "note" }, error.message));
    }
  }) }, make("summary", {}, t("modelCard")), body);
  return details;
}
