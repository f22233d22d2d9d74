/** Light or dark: by the reader's choice, else like the system. Remembered by the browser for the time before login. */
export type Theme = "system" | "light" | "dark";

const KEY = "berth.theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");

let current: Theme = read(localStorage.getItem(KEY));

function read(text: string | null | undefined): Theme {
  return text === "light" || text === "dark" ? text : "system";
}

function apply(): void {
  const isDark = current === "dark" || (current === "system" && dark.matches);
  document.documentElement.classList.toggle("pf-v6-theme-dark", isDark);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
  window.dispatchEvent(new Event("berth-theme"));
}

export function setTheme(theme: string | null | undefined): void {
  current = read(theme);
  localStorage.setItem(KEY, current);
  apply();
}

export const theme = (): Theme => current;

dark.addEventListener("change", apply);
apply();
