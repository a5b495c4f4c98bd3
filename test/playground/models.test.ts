/** The page in a real browser where the model is another, cannot be had, or writes characters of several tokens; and what is chosen or typed while something goes on. */
import type { Locator, Page } from "playwright-core";
import { expect, it } from "vitest";
import { load } from "../../src/index.ts";
import { inChromium } from "../browser/chromium.ts";
import { serveTiny, type Served } from "../server/support.ts";
import { builtPage, expectAccessible, textsKnown, write } from "./page.ts";

const hashOf = (more: Readonly<Record<string, string | number>>): string =>
  new URLSearchParams(Object.entries({ view: "write", seed: 3, ...more }).map(([key, value]) => [key, String(value)])).toString();
const tokens = (page: Page): Locator => page.getByRole("listbox").getByRole("option");
const textOf = async (page: Page): Promise<string> => {
  await textsKnown(page);
  return (await tokens(page).allTextContents()).join("");
};
const openCount = (page: Page): Promise<number> => page.locator(".tokens .token.open").count();
const button = (page: Page, name: string): Locator => page.getByRole("button", { name, exact: true });
/** What the page asks its server, another one answers. */
const answeredBy = ({ address }: Served, page: Page, up = (): boolean => true): Promise<unknown> =>
  page.route("**/v1/*", (route) =>
    up()
      ? route.continue({ url: address + new URL(route.request().url()).pathname })
      : route.fulfill({ status: 503, json: { error: { message: "the server is stopping" } } }),
  );

inChromium("Models and choices", () => {
  const open = builtPage();

  it("a text stays what it is when another model is loaded, which is not asked to go on with it", () =>
    open(hashOf({ text: "the [[6]] saw [[4]].", steps: 8 }), async (page) => {
      await answeredBy(await serveTiny(), page);
      await write(page);
      const text = await textOf(page);
      await page.getByLabel("Runs in").selectOption("server");
      expect(await textOf(page)).toBe(text);
      expect(await button(page, "Write the rest again").isEnabled()).toBe(true); // the model that will be loaded may be the same
      await button(page, "Load the model").click();
      const reason = page.getByText("The model that is loaded, tiny");
      await reason.waitFor();
      expect(await textOf(page)).toBe(text);
      expect(await button(page, "Write the rest again").isDisabled()).toBe(true);
      await tokens(page).first().click();
      expect(await page.getByLabel("Replace by").count()).toBe(0);
      await page.getByRole("tab", { name: "Scrub" }).click();
      await page.getByRole("slider", { name: "Step" }).press("Home");
      const first = (await tokens(page).evaluateAll((all) => all.map(({ className }) => className))).findIndex((name) => /open/.test(name));
      await tokens(page).nth(first).click();
      await reason.waitFor();
      await expectAccessible(page);

      await page.getByLabel("Runs in").selectOption("wasm");
      await page.getByText("The model is not loaded, so it is not asked.").waitFor();
      await button(page, "Load the model").click();
      await page.getByText(/^Entropy \d+\.\d\d nats\.$/).waitFor();
      await page.getByRole("tab", { name: "Write" }).click();
      expect(await textOf(page)).toBe(text);
      expect(await button(page, "Write the rest again").isEnabled()).toBe(true);
    }));

  it("characters of several tokens are whole where tokens are told together: for readers, in the clipboard, and to edit", () =>
    open(hashOf({ text: "The caf\u00e9 said: \u201cWell[[6]].", steps: 4 }), async (page) => {
      await page.evaluate(() => {
        navigator.clipboard.writeText = async (text) => void ((globalThis as { copied?: string }).copied = text);
      });
      await write(page);
      const told = page.getByRole("region", { name: "Text 1" }).locator("p.hidden");
      const text = (await told.textContent())!;
      expect(text).toMatch(/^The caf\u00e9 said: \u201cWell/);
      const model = await load("fairytales", { threads: 1 });
      const quote = model.tokenizer.encode("The caf\u00e9 said: ").length;
      const size = model.tokenizer.encode("\u201c").length;
      await model.dispose();
      expect(size).toBeGreaterThan(1);
      await tokens(page).nth(quote).click();
      await tokens(page)
        .nth(quote + size - 1)
        .click({ modifiers: ["Shift"] });
      await expect.poll(() => page.getByLabel("Replace by").inputValue()).toBe("\u201c");
      await button(page, "Unlock").click();
      await expect.poll(() => told.textContent()).toBe(text);
      await button(page, "Copy text").click();
      expect(await page.evaluate(() => (globalThis as { copied?: string }).copied)).toBe(text);
    }));

  it("a model that cannot be had is tried again, with the key where one is asked for", () =>
    open(
      "view=write",
      async (page) => {
        let up = false;
        await answeredBy(await serveTiny({ apiKey: "a-long-secret" }), page, () => up);
        await page.getByLabel("Runs in").selectOption("server");
        await button(page, "Load the model").click();
        await page.getByRole("alert").filter({ hasText: "the server is stopping" }).waitFor();
        up = true;
        await button(page, "Try again").click();
        const key = page.getByLabel("API key");
        await key.fill("a wrong one");
        await key.press("Enter");
        // The field of the next try is another one.
        await expect.poll(() => key.inputValue({ timeout: 1000 }).catch(() => "loading")).toBe("");
        await expectAccessible(page);
        await key.fill("a-long-secret");
        await key.press("Enter");
        await page.locator(".card").filter({ hasText: "tiny" }).waitFor();
        expect(await page.getByRole("alert").count()).toBe(0);
      },
      { expected: /401|503/ },
    ));

  it("a number is typed anew while a run goes on", () =>
    open(hashOf({ text: "Once[[100]]", steps: 400 }), async (page) => {
      await page.getByLabel("Runs in").selectOption("wasm");
      await button(page, "Write").click();
      const written = async (count: number): Promise<void> => {
        await expect.poll(() => openCount(page), { timeout: 100_000 }).toBeLessThan(count);
      };
      await expect.poll(() => openCount(page), { timeout: 100_000 }).toBeGreaterThan(0);
      await written(100);
      const steps = page.getByLabel("Steps", { exact: true });
      await steps.fill("");
      const now = await openCount(page);
      await written(now);
      await written(now - 1);
      expect(await steps.inputValue()).toBe("");
      await steps.pressSequentially("12");
      await button(page, "Stop").click();
      await page.getByRole("status").filter({ hasText: /^Stopped at step \d+ of 400/ }).waitFor(); // prettier-ignore
      expect(await steps.inputValue()).toBe("12");
      // The address is that of what is asked.
      await expect.poll(() => new URLSearchParams(new URL(page.url()).hash.slice(1)).get("steps")).toBe("12");
    }));

  it("a token that is chosen while the run plays stays chosen", () =>
    open(hashOf({ text: "Once[[20]]", steps: 80 }), async (page) => {
      await write(page);
      await page.getByRole("tab", { name: "Scrub" }).click();
      const slider = page.getByRole("slider", { name: "Step" });
      const at = async (): Promise<number> => Number(await slider.inputValue());
      await slider.press("Home");
      await button(page, "Play").click();
      await expect.poll(at).toBeGreaterThan(1);
      await tokens(page).nth(2).click();
      const then = await at();
      await expect.poll(at).toBeGreaterThan(then + 4);
      expect(await page.getByRole("region", { name: "Position 3" }).count()).toBe(1);
      await button(page, "Pause").click();
    }));
});
