// Light or dark: as the system says, until the button is used; the choice is remembered in this browser.
import { recall, remember } from "./storage.js";

const KEY = "carousel-theme";

export function startTheme(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (recall(KEY) ?? (system.matches ? "dark" : "light")) === "dark";
  const apply = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    button.setAttribute("aria-pressed", isDark());
  };
  button.addEventListener("click", () => {
    remember(KEY, isDark() ? "light" : "dark");
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
