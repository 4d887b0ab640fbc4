// Light or dark: as the system says, until the button is used; the choice is remembered in this browser.
const KEY = "carousel-theme";
const stored = () => { try { return localStorage.getItem(KEY); } catch { return null; } };

export function startTheme(button) {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (stored() ?? (system.matches ? "dark" : "light")) === "dark";
  const apply = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    button.setAttribute("aria-pressed", isDark());
  };
  button.addEventListener("click", () => {
    try { localStorage.setItem(KEY, isDark() ? "light" : "dark"); } catch { /* private window: for this page only */ }
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}
