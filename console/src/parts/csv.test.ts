import { expect, test } from "vitest";
import { csvText } from "./csv";

test("separators, quotes and line ends are quoted", () => {
  expect(csvText(["a", "b"], [["x,y", 'say "hi"'], ["two\nlines", 3]])).toBe(
    'a,b\r\n"x,y","say ""hi"""\r\n"two\nlines",3\r\n',
  );
});

test("a formula stays text and a negative number stays a number", () => {
  expect(csvText(["a"], [["=1+1"], ["@cmd"], [-5], [null]])).toBe("a\r\n'=1+1\r\n'@cmd\r\n-5\r\n\r\n");
});
