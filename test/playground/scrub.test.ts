/** Scrub, in a real browser: a run under the slider, its laws, and its file, which Node proves. */
import { readFile } from "node:fs/promises";
import type { Locator, Page } from "playwright-core";
import { expect, it } from "vitest";
import { formatTrajectory, load, parseTrajectory, record, replayTrajectory, verifyTrajectory } from "../../src/index.ts";
import { inChromium } from "../browser/chromium.ts";
import { serveTiny } from "../server/support.ts";
import { builtPage, done, expectAccessibleAnywhere, textsKnown, write } from "./page.ts";

const template = "Once upon a time[[8]] the dragon[[6]].";
const hash = new URLSearchParams({ view: "write", text: template, steps: "8", seed: "3", count: "2" }).toString();

const tokens = (page: Page): Locator => page.getByRole("listbox", { name: "The text at this step" }).getByRole("option");
const openCount = (page: Page): Promise<number> => page.locator(".tokens .token.open").count();

/** The file that the button saves. */
async function saved(page: Page): Promise<string> {
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Save the recording" }).click();
  return readFile(await (await download).path(), "utf8");
}

inChromium("Scrub", () => {
  const open = builtPage();

  it("goes through the last run: text, story and law of a position; saves it, and Node writes it again", () =>
    open(hash, async (page) => {
      await write(page);
      await page.getByRole("tab", { name: "Scrub" }).click();
      const slider = page.getByRole("slider", { name: "Step" });
      expect(await openCount(page)).toBe(0);
      await slider.press("Home");
      await expect.poll(() => openCount(page)).toBe(14);

      const trajectory = parseTrajectory(await saved(page), "run.jsonl");
      expect(trajectory.run.model).toBe("tales"); // as it is called beside the page, not its address there
      const model = await load("fairytales", { device: "wasm", threads: 1 });
      // The network is the same bits; Math.exp and its like are the engine's own, and Chromium's round some arguments otherwise than Node's: an ulp or two of each law.
      await verifyTrajectory(model, trajectory, "run.jsonl", { tolerance: 1e-12 });

      const frames = [...replayTrajectory(trajectory, 1)];
      await page.getByRole("combobox", { name: "Text", exact: true }).selectOption({ label: "2" });
      await slider.press("Home");
      for (const { changed } of frames.slice(1)) {
        await slider.press("ArrowRight");
        await expect.poll(() => page.locator(".tokens .token.now").count()).toBe(changed.length);
      }

      // The law of an open position, where the slider rests: what the model itself says.
      const k = frames.findIndex(({ tokens }) => tokens.filter((token) => token === model.tokenizer.size).length <= 10);
      for (let i = frames.length - 1; i > k; i--) await slider.press("ArrowLeft");
      const { tokens: states, sigma } = frames[k]!;
      const position = states.indexOf(model.tokenizer.size);
      await tokens(page).nth(position).click();
      const laws = await model.laws(Int32Array.from(states), sigma, { top: 8 });
      await model.dispose();
      const law = laws.find((law) => law.position === position)!;
      const story = page.getByRole("region", { name: `Position ${position + 1}` });
      await story.getByText(`Entropy ${law.entropy.toFixed(2)} nats`).waitFor();
      expect(await story.locator(".law tbody tr").count()).toBe(9);
      expect(await page.locator(".entropy .bar").count()).toBe(laws.length);
      const { step } = trajectory.changes.find((change) => change.sequence === 1 && change.position === position)!;
      expect(await story.locator("tbody tr").first().locator("td").first().textContent()).toBe(String(step));
      await expectAccessibleAnywhere(page);
    }));

  it("saves what a server wrote, too", () =>
    open(new URLSearchParams({ view: "write", text: "the [[6]] saw [[4]].", steps: "40", seed: "3" }).toString(), async (page) => {
      const served = await serveTiny();
      await page.route("**/v1/*", (route) => route.continue({ url: served.address + new URL(route.request().url()).pathname }));
      await page.getByLabel("Runs in").selectOption("server");
      await page.getByRole("button", { name: "Write", exact: true }).click();
      await done(page);
      // Steps that change nothing are there, too: how sure the model was of a token needs the step before.
      const written = page.getByRole("option", { name: /written at step/ });
      expect(await written.count()).toBe(10);
      for (const name of await written.evaluateAll((all) => all.map((token) => token.getAttribute("aria-label")!)))
        expect(name).toMatch(/, probability (below 0\.1|[\d.]+) %$/);
      await page.getByRole("tab", { name: "Scrub" }).click();
      expect(await page.getByRole("slider", { name: "Step" }).getAttribute("max")).toBe("41");
      const trajectory = parseTrajectory(await saved(page), "run.jsonl");
      expect(trajectory.run.model).toBe("tiny");
      const model = await load(served.folder, { threads: 1 });
      await verifyTrajectory(model, trajectory, "run.jsonl");
      await model.dispose();
    }));

  it("opens a file that Node recorded, and refuses one that was altered", () =>
    open("view=scrub", async (page) => {
      const model = await load("fairytales", { device: "cpu" });
      const recorder = record(model);
      const [sample] = await recorder.sample({ prompt: "The king", length: 16, steps: 4, seed: 5 });
      const file = formatTrajectory(recorder.trajectory());
      await model.dispose();
      await page.getByLabel("Runs in").selectOption("wasm");
      const give = (text: string): Promise<void> =>
        page.getByLabel("A recorded run").setInputFiles({ name: "mine.jsonl", mimeType: "text/plain", buffer: Buffer.from(text) });
      await give(file);
      await tokens(page).first().waitFor();
      await textsKnown(page);
      expect((await tokens(page).allTextContents()).join("")).toBe(sample!.text);
      await page.getByRole("slider", { name: "Step" }).press("Home");
      await page.getByRole("button", { name: "Play" }).click();
      await page.getByRole("button", { name: "Pause" }).waitFor();
      await page.getByRole("button", { name: "Play" }).waitFor();
      expect(await openCount(page)).toBe(0);

      await give(file.replace('"step":1', '"step":2'));
      await page.getByRole("alert").waitFor();
      expect(await page.getByRole("alert").textContent()).toMatch(/^mine\.jsonl:1: was altered/);
    }));
});
