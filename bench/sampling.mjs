/** Where a sample's time goes: the shipped model, all of a sample against the part inside the network calls. `node bench/sampling.mjs [runs]` */
import { load } from "../dist/index.js";
import { machine, median } from "./harness.mjs";

const runs = Number(process.argv[2] ?? 7);
const model = await load("fairytales");
console.log(`${machine()}; model ${model.name}, ${model.parameterCount} parameters`);
for (const [what, options] of [
  ["1 × 256 tokens, 128 steps", { steps: 128 }],
  ["8 × 256 tokens, 64 steps", { steps: 64, count: 8 }],
  ["1 × 64 tokens, 64 steps", { steps: 64, length: 64 }],
]) {
  await model.sample({ ...options, seed: 0 });
  const shares = [];
  const totals = [];
  for (let i = 1; i <= runs; i++) {
    model.takeNetworkTime();
    const begin = performance.now();
    await model.sample({ ...options, seed: i });
    const total = performance.now() - begin;
    totals.push(total / options.steps);
    shares.push((100 * (total - model.takeNetworkTime())) / total);
  }
  console.log(
    `${what}: ${median(totals).toFixed(1)} ms a step, ${median(shares).toFixed(1)} % of it outside the network (median of ${runs})`,
  );
}
await model.dispose();
