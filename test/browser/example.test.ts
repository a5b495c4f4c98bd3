/** The example of examples/bundler, built and used as its README says. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../src/index.ts";
import { root } from "../house/tools.ts";
import { buildPage, type Built } from "./build.ts";
import { inChromium, ISOLATED, serveFolders, withPage } from "./chromium.ts";

inChromium("examples/bundler", () => {
  let page: Built;
  beforeAll(async () => void (page = await buildPage("examples/bundler")));
  afterAll(() => page?.remove());

  test("fills the holes of its text as Node does", async () => {
    const site = await serveFolders({ "/": page.folder, "/models/": join(root, "models") }, { headers: ISOLATED });
    await withPage(site.url, async (page) => {
      await page.getByLabel("Text").fill("Once upon a time [[6]] king.");
      await page.getByLabel("Steps").fill("8");
      await page.getByRole("button").click();
      await page.getByRole("status").filter({ hasText: "8 steps in" }).waitFor();
      const model = await load("fairytales", { device: "wasm" });
      const [sample] = await model.infill("Once upon a time [[6]] king.", { steps: 8, seed: 1 });
      expect(await page.locator("blockquote").textContent()).toBe(sample!.text);
      await model.dispose();
    }).finally(() => site.close());
  });
});
