/** `name=value`, one per line, as people edit labels and tags. */

export const pairsText = (pairs: Record<string, string>): string =>
  Object.entries(pairs)
    .map(([name, value]) => `${name}=${value}`)
    .join("\n");

/** The pairs, or the number of the first line that is none. */
export function parsePairs(text: string): Record<string, string> | number {
  const pairs: Record<string, string> = {};
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const at = line.indexOf("=");
    const name = line.slice(0, at).trim();
    if (at < 0 || name === "") return index + 1;
    pairs[name] = line.slice(at + 1).trim();
  }
  return pairs;
}
