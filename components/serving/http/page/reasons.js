// Reasons of gates in the page's language, made from keys and numbers; in English as they were written.
import * as i18n from "./i18n.js";

const { t, word } = i18n;
const WORDS = { event: "event", segment: "density", baseline: "method", period: "period", group: "group" };  // value -> group of its words
const FAMILIES = /^(gain over|not worse than|within the margin of|slice) (.+)$/;  // checks that are made for each of several models or slices
const USERS_NEEDED = /^about ([\d,.]+) further test users would decide/;

// why an application's gate decided as it did
export function applicationReason({ key, text, values }) {
  if (!i18n.has(`why.${key}`)) return text;
  return t(`why.${key}`, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, WORDS[name] ? word(WORDS[name], value) : value])));
}

const modelName = of => of === "champion" ? t("champion") : word("model", of);
// user:cold, or language:xx and the like, whose second part is the shop's
const sliceName = of => i18n.has(`slice.${of}`) ? t(`slice.${of}`) : of.replace(/^[^:]+/, start => word("slice", start));

const parts = name => FAMILIES.exec(name) ?? [name, name, ""];

export function checkName(check) {
  const [, family, of] = parts(check.name);
  const key = `check.${family}`;
  return i18n.has(key) ? t(key, { of: family === "slice" ? sliceName(of) : modelName(of) }) : check.name;
}

export function checkReason(check) {
  const family = parts(check.name)[1], key = `limitOf.${family.startsWith("data: ") ? "data" : family}`;
  if (!i18n.has(key) || check.value === null || check.limit === null) return check.why;
  return t(key, { value: i18n.number(check.value), limit: i18n.number(check.limit), valueShare: i18n.percent(check.value, 2), limitShare: i18n.percent(check.limit, 2) });
}

// a reason of a release's verdict: of a check, a known sentence, or another text as it is
export function verdictReason(text, checks) {
  const check = checks.find(c => text.endsWith(`${c.name}: ${c.why}`));
  const start = check ? text.slice(0, -`${check.name}: ${check.why}`.length) : "";
  if (check && i18n.has(`check.${parts(check.name)[1]}`)) return `${word("verdictReason", start.trim())}${checkName(check)}${t("check.colon")}${checkReason(check)}`;
  const needed = USERS_NEEDED.exec(text);
  return needed && i18n.has("verdictReason.users needed") ? t("verdictReason.users needed", { n: needed[1] }) : word("verdictReason", text);
}
