// Texts of the page: a dictionary in JSON for each language; numbers and dates by the browser for that language.
export const LANGUAGES = ["en", "zh"];
const LOCALES = { en: "en-GB", zh: "zh-CN" };
let texts = {}, language = "en";

export async function setLanguage(wanted) {
  language = LANGUAGES.includes(wanted) ? wanted : "en";
  texts = await (await fetch(new URL(`i18n/${language}.json`, import.meta.url))).json();
  document.documentElement.lang = language;
}

export const currentLanguage = () => language;

export function t(key, values = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const has = key => key in texts;
// a word of the service that has a translation, such as the name of a model; else the word itself
export const word = (group, name) => texts[`${group}.${name}`] ?? name;

const numbers = new Map();
export function number(value, options = { maximumSignificantDigits: 4 }) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const key = language + JSON.stringify(options);
  if (!numbers.has(key)) numbers.set(key, new Intl.NumberFormat(LOCALES[language], options));
  return numbers.get(key).format(value);
}
export const integer = value => number(value, { maximumFractionDigits: 0 });
export const percent = (value, digits = 1) => number(value, { style: "percent", maximumFractionDigits: digits });
export const fixed = (value, digits) => number(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
export const milliseconds = value => value === null || value === undefined ? "–" : `${number(value, { maximumSignificantDigits: value < 10 ? 2 : 3 })} ms`;

export const date = value => new Date(value).toLocaleDateString(LOCALES[language], { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });
export const shortDate = value => new Date(value).toLocaleDateString(LOCALES[language], { month: "short", day: "numeric", timeZone: "UTC" });
export const dateTime = value => new Date(value).toLocaleString(LOCALES[language], { dateStyle: "medium", timeStyle: "short" });
export const clock = value => new Date(value).toLocaleTimeString(LOCALES[language], { hour: "2-digit", minute: "2-digit" });

const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60]];
export function ago(value) {
  const seconds = (new Date(value) - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat(LOCALES[language], { numeric: "auto" });
  for (const [unit, size] of UNITS) if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  return t("justNow");
}
