/**
 * A terminal's screen (xterm) that obeys a content security policy without inline styles: its style elements become
 * constructed style sheets, and the style attributes of its cells are set through the object model.
 */
import { FitAddon } from "@xterm/addon-fit";
import { type ITerminalOptions, Terminal } from "@xterm/xterm";
import "@xterm/xterm/css/xterm.css";

/** A `<style>` in all but effect: its text goes into a sheet of the document. */
function styleElement(own: Document): HTMLElement {
  const element = own.createElement("span");
  element.hidden = true;
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets.push(sheet);
  Object.defineProperty(element, "textContent", {
    get: () => "",
    set: (text: string) => {
      sheet.replaceSync(text);
    },
  });
  const remove = element.remove.bind(element);
  element.remove = () => {
    const at = document.adoptedStyleSheets.indexOf(sheet);
    if (at >= 0) document.adoptedStyleSheets.splice(at, 1);
    remove();
  };
  return element;
}

/** The document as xterm sees it. */
function ownDocument(): Document {
  const createElement = (name: string): HTMLElement => {
    if (name.toLowerCase() === "style") return styleElement(document);
    const element = Document.prototype.createElement.call(document, name);
    if (name === "span") {
      element.setAttribute = (key: string, value: string) => {
        if (key === "style") element.style.cssText = value;
        else Element.prototype.setAttribute.call(element, key, value);
      };
    }
    return element;
  };
  return new Proxy(document, {
    get(target, key) {
      if (key === "createElement") return createElement;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** The way to what makes a terminal's cells. */
interface Inside {
  _core?: { _renderService?: { _renderer?: { value?: { _rowFactory?: { _document: Document } } } } };
}

const token = (name: string, fallback: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim() || fallback;

/** The sixteen colours, chosen for enough contrast on the ground of each theme. */
const ansi = {
  light: ["#1f1f1f", "#a30000", "#1e5c11", "#6b4c00", "#004d99", "#5e2b80", "#005f60", "#4d4d4d", "#57595c", "#b1380b", "#3d7317", "#795600", "#0066cc", "#6753ac", "#147878", "#383838"],
  dark: ["#6a6e73", "#f4784a", "#87bb62", "#e5b200", "#73b9ff", "#b6a6e9", "#63bdbd", "#e0e0e0", "#a3a3a3", "#f9a8a8", "#afdc8f", "#ffe072", "#b9dafc", "#d0c5f4", "#9ad8d8", "#ffffff"],
};
const names = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

function theme(): NonNullable<ITerminalOptions["theme"]> {
  const dark = document.documentElement.dataset.theme === "dark";
  const colours = ansi[dark ? "dark" : "light"];
  const entries = colours.map((colour, index) => {
    const name = names[index % 8] ?? "";
    return [index < 8 ? name : `bright${name.charAt(0).toUpperCase()}${name.slice(1)}`, colour];
  });
  const foreground = dark ? "#ffffff" : "#151515";
  return {
    ...(Object.fromEntries(entries) as Record<string, string>),
    background: dark ? "#151515" : "#ffffff",
    foreground,
    cursor: foreground,
    cursorAccent: dark ? "#151515" : "#ffffff",
    selectionBackground: dark ? "#4394e5aa" : "#92c5f9aa",
    scrollbarSliderBackground: dark ? "#ffffff40" : "#15151540",
    scrollbarSliderHoverBackground: dark ? "#ffffff70" : "#15151570",
    scrollbarSliderActiveBackground: dark ? "#ffffff90" : "#15151590",
  };
}

const READER = "berth.screen_reader";

export interface Screen {
  terminal: Terminal;
  fit: () => void;
  dispose: () => void;
}

/** Whether the screen is read aloud: a choice of this browser, as it slows large outputs. */
export const readsAloud = (): boolean => localStorage.getItem(READER) === "true";
export const setReadsAloud = (on: boolean): void => localStorage.setItem(READER, String(on));

/** A screen inside of `place` that follows its size and the theme. */
export function createScreen(place: HTMLElement, label: string, options: ITerminalOptions): Screen {
  const own = ownDocument();
  const terminal = new Terminal({
    fontFamily: token("--pf-t--global--font--family--mono", "monospace"),
    fontSize: 14,
    theme: theme(),
    screenReaderMode: readsAloud(),
    // Whatever colour a program chooses, it stays legible.
    minimumContrastRatio: 4.5,
    documentOverride: own,
    ...options,
  });
  const fit = new FitAddon();
  terminal.loadAddon(fit);
  // While it opens, one of its parts makes its style by the window's document, whatever the option says.
  document.createElement = own.createElement;
  try {
    terminal.open(place);
  } finally {
    Reflect.deleteProperty(document, "createElement");
  }
  // Its cells are made by the window's document as well; nothing public leads there. Without, 24-bit colours are lost.
  const cells = (terminal as unknown as Inside)._core?._renderService?._renderer?.value?._rowFactory;
  if (cells) cells._document = own;
  terminal.textarea?.setAttribute("aria-label", label);
  const refit = () => {
    if (place.clientWidth > 0 && place.clientHeight > 0) fit.fit();
  };
  refit();
  const observer = new ResizeObserver(refit);
  observer.observe(place);
  const recolour = () => {
    terminal.options.theme = theme();
  };
  window.addEventListener("berth-theme", recolour);
  return {
    terminal,
    fit: refit,
    dispose: () => {
      observer.disconnect();
      window.removeEventListener("berth-theme", recolour);
      terminal.dispose();
    },
  };
}
