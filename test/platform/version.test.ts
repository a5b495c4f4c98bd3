import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { packageVersion } from "../../src/platform/version.ts";

it("is package.json's", async () => {
  const { version } = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  expect(packageVersion).toBe(version);
});
