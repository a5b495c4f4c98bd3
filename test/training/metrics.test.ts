import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { appendMetric, dropMetricsAfter } from "../../src/training/metrics.ts";
import { temporaryFolder } from "./support.ts";

const line = (step: number): string => `${JSON.stringify({ kind: "sample", step, seed: 0, text: "é\n" })}\n`;

test("later lines go, and those that a crash cut; the rest stays byte for byte", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "metrics.jsonl");
  const cases: [string, string][] = [
    [line(1) + line(5) + line(6), line(1) + line(5)],
    [line(1) + line(5).slice(0, 20), line(1)],
    [line(1) + line(5).trimEnd(), line(1) + line(5)],
    [line(1) + line(4).slice(0, 9) + line(5) + line(2), line(1) + line(2)],
    [`${line(3)}\n\nnull\n[]\n"5"\n{"step":"2"}\n`, line(3)],
    [line(6), ""],
    ["", ""],
  ];
  for (const [before, after] of cases) {
    writeFileSync(path, before);
    await dropMetricsAfter(folder, 5);
    expect(readFileSync(path, "utf8")).toBe(after);
  }
});

test("bytes cut inside a character do no harm; a file with nothing to drop is not written again; none is fine", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "metrics.jsonl");
  await dropMetricsAfter(folder, 5);
  expect(existsSync(path)).toBe(false);
  writeFileSync(path, Buffer.concat([Buffer.from(line(1)), Buffer.from(line(2)).subarray(0, 41), Buffer.from([0xf0, 0x9f])]));
  await dropMetricsAfter(folder, 5);
  expect(readFileSync(path, "utf8")).toBe(line(1));
  await appendMetric(folder, { kind: "sample", step: 2, seed: 0, text: "é\n" });
  expect(readFileSync(path, "utf8")).toBe(line(1) + line(2));
  const { ino } = statSync(path);
  await dropMetricsAfter(folder, 5);
  expect(statSync(path).ino).toBe(ino);
});
