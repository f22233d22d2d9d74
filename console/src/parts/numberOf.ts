/** The number in a text field; null when it is empty. */
export function numberOf(text: string): number | null {
  return text.trim() === "" ? null : Number(text);
}
