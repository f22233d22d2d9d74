/** What went wrong, in words for a person. */
import { ApiProblem } from "@/api/client";
import i18n from "@/text";

/** A value that the console itself does not send, told at its field alone. */
export class FieldMistake extends ApiProblem {
  constructor(field: string, message: string) {
    super(422, { detail: message, fields: [{ field, message }] });
  }
}

/** The reason that the server gave, with the fields it names. */
export function errorText(error: unknown): string {
  if (error instanceof ApiProblem) {
    if (error.code === "network") return i18n.t("error.network");
    if (error.code === "precondition_failed") return i18n.t("error.changed_meanwhile");
    // Most answers name their fields in the text already.
    const fields = error.fields
      .filter(({ message }) => !error.message.includes(message))
      .map(({ field, message }) => `${field}: ${message}`);
    return [error.message, ...fields].join(" ");
  }
  return error instanceof Error ? error.message : String(error);
}

/** The message about one field of a form, and of what is inside of it (`quota_config.cpu`). */
export function fieldError(error: unknown, name: string): string | undefined {
  if (!(error instanceof ApiProblem)) return undefined;
  return error.fields.find(({ field }) => field === name || field.endsWith(`.${name}`))?.message;
}
