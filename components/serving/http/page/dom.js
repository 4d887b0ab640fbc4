// Elements are made from text, never from markup: what a shop's data contains is shown as it is.
export const $ = id => document.getElementById(id);

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  setAttributes(node, attributes);
  append(node, children);
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(node, attributes);
  append(node, children);
  return node;
}

function setAttributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
}

function append(node, children) {
  for (const child of children.flat(Infinity))
    if (child !== null && child !== undefined && child !== false) node.append(child);
}

// replaces what the node holds; null and the like are left out, arrays are opened
export const fill = (node, ...children) => { node.replaceChildren(); append(node, children); };

export const section = (title, ...nodes) => {
  const heading = make("h2", {}, title);
  return make("section", { class: "card" }, heading, ...nodes);
};

const isEmpty = cell => cell === null || cell === undefined || cell === "";

export function table(heads, rows, caption) {
  const node = make("table", {}, caption ? make("caption", {}, caption) : null);
  node.append(make("thead", {}, make("tr", {}, heads.map(text => make("th", { scope: "col" }, text)))));
  // on a narrow screen each cell shows the name of its column
  const body = rows.map(cells => make("tr", {}, cells.map((cell, n) => make("td", { "data-head": heads[n] || null }, isEmpty(cell) ? null : make("div", {}, cell)))));
  node.append(make("tbody", {}, body));
  return make("div", { class: "scroll" }, node);
}

export function notify(text, isError = false) {
  $("message").textContent = text;
  $("message").className = isError ? "error" : "";
}

export const run = work => Promise.resolve().then(work).catch(error => notify(error.message, true));
export const link = (text, href) => make("a", { href, target: "_blank", rel: "noopener" }, text);
export const option = (value, text) => make("option", { value }, text ?? value);

export function field(label, input, more = {}) {
  return make("label", more, make("span", {}, label), input);
}

export function debounce(work, milliseconds = 200) {
  let timer = 0;
  return (...values) => { clearTimeout(timer); timer = setTimeout(() => work(...values), milliseconds); };
}
