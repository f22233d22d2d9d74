/** Comma-separated values as RFC 4180 has them, and safe to open in a spreadsheet. */

function cell(value: unknown): string {
  let text = value === null || value === undefined ? "" : String(value);
  // A spreadsheet would carry out what begins like a formula.
  if (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvText(head: string[], rows: unknown[][]): string {
  return [head, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

/** Hands a file to the browser's downloads. */
export function saveFile(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

export function saveCsv(name: string, head: string[], rows: unknown[][]): void {
  // The mark tells spreadsheets that this is UTF-8.
  saveFile(`${name}.csv`, new Blob(["\ufeff", csvText(head, rows)], { type: "text/csv;charset=utf-8" }));
}
