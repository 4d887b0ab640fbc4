// How many items of each kind the lists of the view hold; shown where the catalogue has more than one kind.
import { field, make, section } from "./dom.js";
import * as i18n from "./i18n.js";

const { t } = i18n;

// kinds: kind -> number of items; quotas: as a request has them; apply: called with the new ones
export function quotaControl(kinds, quotas, apply) {
  if (Object.keys(kinds).length < 2) return null;
  const inputs = Object.keys(kinds).map(kind => {
    const quota = quotas.find(one => one.kind === kind);
    const input = (end, value) => make("input", { type: "number", min: 0, max: 100, step: 1, id: `quota-${end}-${kind}`, value: value ?? null });
    return { kind, least: input("least", quota?.at_least || null), most: input("most", quota?.at_most) };
  });
  const read = () => inputs.filter(one => one.least.value || one.most.value)
    .map(one => ({ kind: one.kind, at_least: Number(one.least.value || 0), at_most: one.most.value ? Number(one.most.value) : null }));
  const node = section(t("quotas"), make("p", { class: "note" }, t("quotasNote")), make("form", { onsubmit: event => { event.preventDefault(); apply(read()); } },
    inputs.map(one => [field(t("atLeastOf", { kind: one.kind }), one.least), field(t("atMostOf", { kind: one.kind }), one.most)]), make("button", {}, t("applyQuotas"))));
  node.id = "quotas";
  return node;
}
