// Names and descriptions of segments in the page's language; those of behaviour are made of what stands out in them.
import * as i18n from "./i18n.js";

const { t } = i18n;
const IN_NAME = 2;  // traits that a name has

const said = trait => trait.level === "category" ? trait.name : t(`trait.${trait.name}.${trait.level}`);
const isTranslated = segment => segment.kind === "behaviour" && i18n.has("trait.description") && (segment.traits.length || segment.name.startsWith("average"));

export function segmentName(segment) {
  if (!isTranslated(segment)) return i18n.word("segment", segment.name);
  const number = / \(\d+\)$/.exec(segment.name)?.[0] ?? "";  // of segments whose names would be the same
  return (segment.traits.slice(0, IN_NAME).map(said).join(t("trait.and")) || t("trait.none")) + number;
}

export function segmentText(segment) {
  const key = `segmentText.${segment.name}`;
  if (segment.kind === "value") return i18n.has(key) ? t(key) : segment.description;
  if (!isTranslated(segment)) return segment.description;
  return segment.traits.length ? t("trait.description", { traits: segment.traits.map(said).join(t("trait.separator")) }) : t("trait.noneDescription");
}

// the name of the segment that a member's column of this kind holds
export function nameOfMember(segments, kind, name) {
  const segment = segments.find(s => s.kind === kind && s.name === name);
  return segment ? segmentName(segment) : name;
}
