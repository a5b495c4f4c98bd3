/** The page as it is published, in a real browser, with the shipped model beside it under another name. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import axe from "axe-core";
import type { Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect } from "vitest";
import { modelIndex } from "../../src/server/page-files.ts";
import { ISOLATED, serveFolders, withPage, type PageOptions, type Served } from "../browser/chromium.ts";
import { root } from "../house/tools.ts";

/** Builds and serves the page for the tests of this block; what comes back opens it, at an address that says what is asked. */
export function builtPage(): (hash: string, use: (page: Page) => Promise<void>, options?: PageOptions) => Promise<void> {
  let folder: string;
  let served: Served;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sedd-page-"));
    await build({ configFile: join(root, "playground", "vite.config.ts"), build: { outDir: folder }, logLevel: "warn" });
    const model = join(root, "models", "fairytales");
    await mkdir(join(folder, "models"));
    await writeFile(join(folder, "models", "index.json"), await modelIndex([["tales", model]]));
    const folders = {
      "/": folder,
      "/models/tales/": model,
      "/runtime/": join(root, "node_modules", "onnxruntime-web", "dist"),
    };
    served = await serveFolders(folders, { headers: ISOLATED });
  });
  afterAll(async () => {
    await served?.close();
    await rm(folder, { recursive: true, force: true });
  });
  return (hash, use, options) => withPage(`${served.url}#${hash}`, use, options);
}

/** Chooses WebAssembly and writes; resolves when it is done. */
export async function write(page: Page): Promise<void> {
  await page.getByLabel("Runs in").selectOption("wasm");
  await page.getByRole("button", { name: "Write", exact: true }).click();
  await done(page);
}

export const done = (page: Page): Promise<void> => page.getByRole("status").filter({ hasText: "Done in" }).waitFor({ timeout: 100_000 });

/** The model has told the text of every token that is shown. */
export const textsKnown = async (page: Page): Promise<void> =>
  void (await page.waitForFunction(() => [...document.querySelectorAll(".tokens")].every(({ textContent }) => !textContent.includes("…"))));

/** Axe finds nothing in what is shown now. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() => (globalThis as unknown as { axe: typeof axe }).axe.run());
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
}

/** Nothing is wider than the screen. */
export const expectNoWider = async (page: Page, width: number): Promise<void> =>
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);

/** Axe finds nothing in light or dark, and nothing is wider than a small screen. */
export async function expectAccessibleAnywhere(page: Page): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await expectAccessible(page);
  }
  await page.setViewportSize({ width: 360, height: 740 });
  await expectNoWider(page, 360);
}
