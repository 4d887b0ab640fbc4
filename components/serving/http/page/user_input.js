// An input for a customer's id that suggests ids as they are typed.
import { request } from "./api.js";
import { debounce, make, option, run } from "./dom.js";

export function userInput(attributes) {
  const suggestions = make("datalist", { id: `${attributes.id}-suggestions` });
  const input = make("input", { list: suggestions.id, autocomplete: "off", maxlength: 256, ...attributes });
  const suggest = debounce(() => run(async () => {
    const found = await request(`page/users?prefix=${encodeURIComponent(input.value)}`);
    suggestions.replaceChildren(...found.map(value => option(value)));
  }));
  input.addEventListener("input", suggest);
  input.addEventListener("focus", suggest, { once: true });
  return { input, suggestions };
}
