import { expect, test } from "vitest";
import { clientOf } from "./userAgent";

test("a browser is told from those it descends from", () => {
  const text = (agent: string) => {
    const client = clientOf(agent);
    return `${client?.browser} / ${client?.system}`;
  };
  expect(text("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")).toBe("Firefox / Linux");
  expect(text("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0")).toBe("Edge / Windows");
  expect(text("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15")).toBe("Safari / macOS");
  expect(text("Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36")).toBe("Chrome / Android");
  expect(text("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1")).toBe("Safari / iOS");
});

test("other programs go by their own name", () => {
  expect(clientOf("curl/7.88.1")).toEqual({ browser: "curl", system: undefined });
  expect(clientOf("Mozilla/5.0")).toBeUndefined();
  expect(clientOf(null)).toBeUndefined();
});
