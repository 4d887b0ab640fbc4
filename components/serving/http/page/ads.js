// Advertising: which ads a customer would get, with price, probability and propensity.
import { request } from "./api.js";
import { field, make, run, section, table } from "./dom.js";
import * as i18n from "./i18n.js";

const { t } = i18n;

export async function draw(node) {
  const user = make("input", { id: "ads-user", autocomplete: "off", maxlength: 256, placeholder: t("visitor") });
  const k = make("input", { id: "ads-k", type: "number", min: 1, max: 20, value: 3, required: true });
  const list = make("div", { id: "chosen-ads" });
  const choose = async () => {
    const body = { slot: 1, k: Number(k.value), ...(user.value.trim() ? { user_id: user.value.trim() } : {}) };
    list.replaceChildren(adTable((await request("ads", body)).ads));
  };
  node.replaceChildren(section(t("chooseAds"), make("p", { class: "note" }, t("adsNote")),
    make("form", { onsubmit: event => { event.preventDefault(); run(choose); } }, field(t("user"), user, { class: "wide" }), field(t("slots"), k), make("button", { class: "primary" }, t("chooseAd"))), list));
}

function adTable(ads) {
  if (!ads.length) return make("p", { class: "note" }, t("noAd"));
  const money = value => i18n.number(value, { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  return table([t("slot"), t("ad"), t("campaign"), t("pays"), t("price"), t("probability"), t("propensity")],
    ads.map(ad => [ad.slot, ad.text || ad.item_id, ad.campaign, t(`event.${ad.bid_type}`), money(ad.price), i18n.percent(ad.probability, 2), i18n.number(ad.propensity, { maximumSignificantDigits: 2 })]));
}
