import { expect, test } from "vitest";
import { madeUpPassword } from "./password";

test("four groups of letters and digits that cannot be mistaken for each other", () => {
  const made = new Set(Array.from({ length: 200 }, () => madeUpPassword()));
  expect(made.size).toBe(200);
  for (const password of made) expect(password).toMatch(/^([a-km-np-zA-HJ-NP-Z2-9]{4}-){3}[a-km-np-zA-HJ-NP-Z2-9]{4}$/);
});

test("bytes that would favour some letters are thrown away", () => {
  // 255 lies beyond the last multiple of the alphabet's 56 letters; 0 is its first letter.
  let turn = 0;
  const bytes = () => {
    turn += 1;
    return new Uint8Array(32).fill(turn === 1 ? 255 : 0);
  };
  expect(madeUpPassword(bytes)).toBe("aaaa-aaaa-aaaa-aaaa");
  expect(turn).toBe(2);
});
