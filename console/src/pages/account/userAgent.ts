/** Which program a login came from, in words; undefined when it says nothing that we know. */
export interface Client {
  browser: string;
  system: string | undefined;
}

// The order matters: most browsers also name the ones they descend from.
const browsers: [RegExp, string][] = [
  [/\bEdg(?:e|A|iOS)?\//, "Edge"],
  [/\bOPR\/|\bOpera\b/, "Opera"],
  [/\bVivaldi\//, "Vivaldi"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\bFirefox\/|\bFxiOS\//, "Firefox"],
  [/\bHeadlessChrome\/|\bChrome\/|\bCriOS\//, "Chrome"],
  [/\bVersion\/[\d.]+.*\bSafari\//, "Safari"],
];

const systems: [RegExp, string][] = [
  [/\bAndroid\b/, "Android"],
  [/\b(?:iPhone|iPad|iPod)\b/, "iOS"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b|\bX11\b/, "Linux"],
];

export function clientOf(userAgent: string | null | undefined): Client | undefined {
  if (!userAgent) return undefined;
  const name = (list: [RegExp, string][]) => list.find(([pattern]) => pattern.test(userAgent))?.[1];
  const browser = name(browsers);
  if (browser) return { browser, system: name(systems) };
  // A program that is no browser: `berth/0.1.0 (…)` is berth.
  const product = /^([\w.-]+)\//.exec(userAgent)?.[1];
  return product && product !== "Mozilla" ? { browser: product, system: undefined } : undefined;
}
