/** A training in a process of its own ends as one in this process does: done, stopped and saved, or refused. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readComparison } from "../../src/evaluation/comparison-recipe.ts";
import { trainInProcess } from "../../src/evaluation/training-process.ts";
import { UserError } from "../../src/platform/errors.ts";
import { readProgress } from "../../src/training/checkpoint.ts";
import { metricsOf } from "../training/support.ts";
import { comparisonSetting } from "./comparison-fixture.ts";

async function tiny() {
  const { folder, recipe } = comparisonSetting();
  const { contestants } = await readComparison(recipe);
  return { plan: contestants.get("ar")!, out: join(folder, "run") };
}

test("stopped, it rejects with the signal's reason and is saved; asked again, it goes on to its end", async () => {
  const { plan: short, out } = await tiny();
  // More than are done before the word to stop comes.
  const steps = 400;
  const plan = {
    ...short,
    recipe: { ...short.recipe, schedule: { ...short.recipe.schedule, steps }, validation: { every: steps, windows: 32 } },
  };
  const stop = new AbortController();
  const reason = new Error("enough");
  await expect(trainInProcess(plan, out, { signal: stop.signal, onMetric: () => stop.abort(reason) })).rejects.toBe(reason);
  const { step } = await readProgress(out);
  expect(step).toBeGreaterThan(0);
  expect(step).toBeLessThan(steps);
  const begun: number[] = [];
  const { tokens, curve } = await trainInProcess(plan, out, { onBegin: (all) => void begun.push(all) });
  expect(begun).toEqual([steps]);
  expect(tokens).toBe(steps * 64);
  expect(curve.points.at(-1)!.natsPerToken.value).toBeGreaterThan(0);
  await expect(trainInProcess(plan, out, { signal: stop.signal })).rejects.toBe(reason);
});

test("a user's mistake is one here too", async () => {
  const { plan, out } = await tiny();
  const wrong = { ...plan, recipe: { ...plan.recipe, data: { ...plan.recipe.data, train: ["/nowhere.txt"] } } };
  const error = await trainInProcess(wrong, out, {}).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(/^\S.*\/nowhere\.txt/);
});

// As a service manager or a scheduler ends them.
test("a signal to all processes at once: each saves, and the command ends with 143", async (context) => {
  if (process.platform === "win32") context.skip("Windows has no groups of processes to signal");
  const { folder, recipe } = comparisonSetting(({ training }) => (training["schedule"] = { tokens: 64 * 4000 }));
  const out = join(folder, "run");
  const child = spawn(process.execPath, ["bin/sedd.js", "compare", recipe, "--out", out], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  await new Promise<void>((resolve) =>
    child.stderr.on("data", (data: Buffer) => {
      said += data.toString();
      if (/step 1\//.test(said)) resolve();
    }),
  );
  process.kill(-child.pid!, "SIGTERM");
  const [code] = (await once(child, "close")) as [number];
  expect(code).toBe(143);
  expect(said).not.toMatch(/internal|ended: SIGTERM/);
  const begun = readdirSync(out).filter((name) => existsSync(join(out, name, "metrics.jsonl")));
  // Each to the last step that it recorded: one of them may have had none yet.
  const saved = await Promise.all(begun.map(async (name) => (await readProgress(join(out, name))).step));
  const recorded = begun.map((name) => metricsOf(join(out, name)).reduce((last, { kind, step }) => (kind === "step" ? step : last), 0));
  expect(saved).toEqual(recorded);
  expect(Math.max(...saved)).toBeGreaterThan(0);
});
