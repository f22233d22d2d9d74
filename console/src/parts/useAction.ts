/** Something a person asked for: runs it, says how it ended, and refreshes what it changed. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type Domain, keys } from "@/api/queries";
import { toast, toastError } from "@/frame/Toasts";

interface Options<A, R> {
  /** What was wanted, for the message when it is refused: "Stopping the session". */
  wanted: string;
  /** What is true when it worked; nothing is said without. */
  done?: string | ((result: R, argument: A) => string);
  changes?: Domain[];
  /** The refusal is shown by the form that asked, at its fields: no message beside it. */
  inForm?: boolean;
  after?: (result: R, argument: A) => void;
}

export function useAction<A = void, R = unknown>(run: (argument: A) => Promise<R>, options: Options<A, R>) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: run,
    onSuccess: (result, argument) => {
      const done = typeof options.done === "function" ? options.done(result, argument) : options.done;
      if (done) toast("success", done);
      options.after?.(result, argument);
    },
    onError: (error) => {
      if (!options.inForm) toastError(options.wanted, error);
    },
    // After a refusal too: what is shown may be why it was refused.
    onSettled: () =>
      Promise.all((options.changes ?? []).map((domain) => client.invalidateQueries({ queryKey: keys.domain(domain) }))),
  });
}
