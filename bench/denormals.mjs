/**
 * What numbers below 2⁻¹²⁶ cost a trained network: gradients of its loss with and without `flushDenormals`, each in processes of its own, in turn.
 * `node bench/denormals.mjs [model] [rounds]`
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readModel } from "../dist/model.js";
import { objectiveOf } from "../dist/objectives/objective-of.js";
import { random } from "../dist/platform/random.js";
import { lossRunner } from "../dist/training/loss.js";
import { machine, median, range } from "./harness.mjs";

const SHAPE = { batch: 8, length: 128 };
const STEPS = 6; // of a process, after two that are not counted

async function gradients(folder, flushDenormals) {
  const { config, parameters, tokenizer } = await readModel(folder);
  const objective = objectiveOf(config.sedd);
  const losses = lossRunner(objective, { threads: 1, spinning: true, flushDenormals });
  const gradient = objective.layout.allocate();
  const tokens = tokenizer.encode(readFileSync("data/fairytales/valid.txt", "utf8").slice(0, 20_000)).slice(0, SHAPE.batch * SHAPE.length);
  const ms = [];
  for (let step = 0; step < STEPS + 2; step++) {
    const corruption = objective.corrupt(tokens, SHAPE, random(1, step), true);
    const begin = performance.now();
    await losses.run(parameters, corruption, SHAPE, gradient);
    ms.push(performance.now() - begin);
  }
  await losses.dispose();
  return ms.slice(2);
}

if (process.argv[2] === "--worker") console.log(JSON.stringify(await gradients(process.argv[3], process.argv[4] === "flushed")));
else {
  const [folder = "comparison/mlm", rounds = "4"] = process.argv.slice(2);
  const times = { kept: [], flushed: [] };
  for (let round = 0; round < Number(rounds); round++)
    for (const [name, ms] of Object.entries(times)) {
      const { stdout } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), "--worker", folder, name], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "inherit"],
      });
      ms.push(...JSON.parse(stdout));
    }
  console.log(`${machine()}; ${folder}, gradients of ${SHAPE.batch} × ${SHAPE.length} tokens, one thread, median of ${times.kept.length}`);
  for (const [name, ms] of Object.entries(times)) console.log(`denormals ${name.padEnd(8)} ${median(ms).toFixed(0)} ms (${range(ms)})`);
  console.log(`flushed is ${(median(times.kept) / median(times.flushed)).toFixed(2)} × as fast`);
}
