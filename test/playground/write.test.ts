/** Write, in a real browser: holes are filled in place, and the text is worked on by keys alone. */
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { load } from "../../src/index.ts";
import { inChromium } from "../browser/chromium.ts";
import { builtPage, done, expectAccessibleAnywhere, textsKnown, write } from "./page.ts";

const template = "Once upon a time[[8]] the dragon[[6]].";
const hash = (more: Readonly<Record<string, string | number>> = {}): string =>
  new URLSearchParams(
    Object.entries({ view: "write", text: template, steps: 8, seed: 3, ...more }).map(([key, value]) => [key, String(value)]),
  ).toString();

const tokens = (page: Page, text = 1) => page.getByRole("listbox", { name: `Text ${text}: its tokens` }).getByRole("option");
const textsOf = async (page: Page, text = 1): Promise<string[]> => {
  await textsKnown(page);
  return tokens(page, text).allTextContents();
};

inChromium("Write", () => {
  const open = builtPage();

  it("fills two holes in place, with the tokens that Node gives for the seed, several texts side by side", () =>
    open(hash({ count: 2 }), async (page) => {
      await write(page);
      const model = await load("fairytales", { device: "wasm", threads: 1 });
      const samples = await model.infill(template, { steps: 8, seed: 3, count: 2 });
      await model.dispose();
      for (const [i, { text }] of samples.entries()) expect((await textsOf(page, i + 1)).join("")).toBe(text);
      const names = await tokens(page).evaluateAll((all) => all.map((token) => token.getAttribute("aria-label")!));
      expect(names[0]).toBe("“On”, stays");
      const written = names.filter((name) => !name.endsWith("stays"));
      expect(written).toHaveLength(14);
      for (const name of written) expect(name).toMatch(/^“[^]*”, written at step [1-8] of 8, probability (below 0\.1|[\d.]+) %$/);
      // A seed that is not kept is used once.
      await page.getByRole("button", { name: "Write", exact: true }).click();
      expect(await page.getByLabel("Seed", { exact: true }).inputValue()).not.toBe("3");
    }));

  it("locks, replaces and writes the rest again, by keys alone", () =>
    open(hash(), async (page) => {
      await write(page);
      const before = await textsOf(page);
      const hole = before.findIndex((_, i) => before.slice(0, i).join("") === "Once upon a time");
      await tokens(page).first().focus();
      for (let i = 0; i < hole; i++) await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Shift+ArrowRight");
      await page.keyboard.press(" ");
      expect(await tokens(page).nth(hole + 1).getAttribute("aria-label")).toMatch(/stays$/); // prettier-ignore
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("Enter");
      await page.keyboard.type(" golden bird");
      await page.keyboard.press("Enter");
      await page.getByRole("option", { name: /^“ ?bird/ }).waitFor();
      const edited = (await textsOf(page)).join("");
      const kept = `${before.slice(0, hole + 2).join("")} golden bird`;
      expect(edited).toBe(kept + before.slice(hole + 3).join(""));

      // Asked at every picture, from before the click on: a few steps are soon over.
      const writing = page.waitForFunction(() =>
        [...document.querySelectorAll("[role=status]")].some((line) => line.textContent === "Writing."),
      );
      await page.getByRole("button", { name: "Write the rest again" }).press("Enter");
      await writing;
      // The button is gone with the text it stood beside; its focus is not.
      await page.locator("button:focus", { hasText: "Stop" }).waitFor();
      await done(page);
      await page.locator("button:focus", { hasText: "Stop" }).waitFor();
      const after = (await textsOf(page)).join("");
      expect(after.startsWith(kept)).toBe(true);
      expect(after).toContain(" the dragon");
      expect(after).not.toBe(edited);
      // One tab stop a text.
      expect(await page.locator("[role=option][tabindex='0']").count()).toBe(1);
      await tokens(page).nth(hole).click();
      await expectAccessibleAnywhere(page);
    }));

  it("stops, and continues with what is written", () =>
    open(hash({ steps: 200 }), async (page) => {
      await page.getByLabel("Runs in").selectOption("wasm");
      await page.getByLabel("A text with holes").press("Control+Enter");
      await page.waitForFunction(() => document.querySelectorAll(".token.open").length === 10, undefined, { timeout: 100_000 });
      await page.getByRole("button", { name: "Stop" }).click();
      await page.getByRole("status").filter({ hasText: /^Stopped at step \d+ of 200/ }).waitFor(); // prettier-ignore
      const stopped = await textsOf(page);
      const open = stopped.filter((text) => text === "").length;
      expect(open).toBeGreaterThan(0);
      await page.getByLabel("Steps").fill("8");
      await page.getByRole("button", { name: "Continue" }).click();
      await done(page);
      const finished = await textsOf(page);
      expect(finished.filter((_, i) => stopped[i] !== "")).toEqual(stopped.filter((text) => text !== ""));
      expect(finished.every((text) => text !== "")).toBe(true);
    }));

  it("says in a line what is wrong with a template, and keeps the text before it", () =>
    open(hash(), async (page) => {
      await write(page);
      const before = await textsOf(page);
      const area = page.getByLabel("A text with holes");
      await area.fill("Once [[8");
      await area.press("Control+Enter");
      const alert = page.getByRole("alert");
      await alert.waitFor();
      expect(await alert.textContent()).toBe("the template's [[ at character 6 is not closed by ]]; write \\[[ for literal brackets");
      expect(await textsOf(page)).toEqual(before);
      await area.fill("A ");
      await page.getByRole("button", { name: "Insert a hole" }).click();
      await page.keyboard.type("12");
      expect(await area.inputValue()).toBe("A [[12]]");
      // The address follows at rest.
      await expect.poll(() => new URLSearchParams(new URL(page.url()).hash.slice(1)).get("text")).toBe("A [[12]]");
    }));
});
