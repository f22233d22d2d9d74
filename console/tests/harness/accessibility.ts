/** axe over a page, in both themes. */
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

/** Impacts that keep somebody from using the page. */
const grave = new Set(["serious", "critical"]);

export async function expectAccessible(page: Page, what: string): Promise<void> {
  for (const scheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    await expect(page.locator("html")).toHaveAttribute("data-theme", scheme);
    // Halfway from one theme to the other no colour is right.
    await page.evaluate(async () => {
      const changing = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
      await Promise.allSettled(changing.map((animation) => animation.finished));
    });
    const axe = new AxeBuilder({ page });
    // The theme changes colours and nothing else.
    if (scheme === "dark") axe.withRules(["color-contrast", "link-in-text-block"]);
    const { violations } = await axe.analyze();
    const found = violations
      .filter(({ impact }) => grave.has(impact ?? ""))
      .map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 3).map((node) => `    ${node.target.join(" ")}\n      ${node.html.slice(0, 200)}`).join("\n")}`);
    expect.soft(found, `${what}, ${scheme}`).toEqual([]);
  }
}
