/** Finding options by what is typed. */
export interface SearchOption {
  value: string;
  label: string;
}

/** Those that hold every typed word, whatever its case; `_` and `/` count as spaces. */
export function matching(options: readonly SearchOption[], text: string): SearchOption[] {
  const plain = (part: string) => part.toLowerCase().replace(/[_/]/g, " ");
  const words = plain(text).split(/\s+/).filter(Boolean);
  return options.filter(({ label }) => words.every((word) => plain(label).includes(word)));
}
