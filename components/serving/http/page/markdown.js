// The Markdown that cards use (headings, lists, tables, code, strong), as elements made from text: markup in it stays text.
import { make, table } from "./dom.js";

export function markdown(text) {
  const blocks = text.replaceAll("\r", "").split(/\n{2,}|\n(?=#)|(?<=^#.*)\n/m);
  return blocks.map(block => block.trim()).filter(Boolean).map(block => toElement(block.split("\n")));
}

function toElement(lines) {
  const heading = /^(#{1,4}) +(.*)$/.exec(lines[0]);
  if (heading) return make(`h${Math.min(heading[1].length + 2, 6)}`, {}, inline(heading[2]));
  if (lines.every(line => line.startsWith("|"))) return toTable(lines);
  if (lines.every(line => /^[-*] /.test(line))) return make("ul", { class: "dots" }, lines.map(line => make("li", {}, inline(line.slice(2)))));
  return make("p", {}, inline(lines.join(" ")));
}

function toTable(lines) {
  const rows = lines.map(line => line.replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map(cell => inline(cell.trim().replaceAll("\\|", "|"))));
  const isRule = /^[|: -]+$/.test(lines[1] ?? "");
  return isRule ? table(rows[0], rows.slice(2)) : table([], rows);
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).filter(Boolean).map(part => {
    if (part.length > 2 && part.startsWith("`") && part.endsWith("`")) return make("code", {}, part.slice(1, -1));
    if (part.length > 4 && part.startsWith("**") && part.endsWith("**")) return make("strong", {}, part.slice(2, -2));
    return part;
  });
}
