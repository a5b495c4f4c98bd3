/**
 * A training step (corruption, forward, score entropy over all states, backward, clipping, AdamW, EMA) against the same network and loss in
 * PyTorch on the CPU, eager and compiled, the three in turn within one run. `node bench/training-step.mjs [rounds]`
 */
import { seddObjective } from "../dist/objectives/sedd.js";
import { random } from "../dist/platform/random.js";
import { lossRunner } from "../dist/training/loss.js";
import { createOptimizer, workingBuffers } from "../dist/training/optimizer.js";
import { machine, median, peakMemory, pytorch, range } from "./harness.mjs";

const rounds = Number(process.argv[2] ?? 6);
const STEPS = 3; // a round of each; the first step after a change of engine is not counted
const shape = { batch: 8, length: 256 };
const tokens = shape.batch * shape.length;
const network = { states: 2049, hidden: 256, layers: 6, heads: 4, conditioning: 128, dropout: 0 };
const settings = {
  learningRate: 3e-4,
  muonLearningRate: 3e-3,
  momentum: 0.95,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  clip: 1,
};

async function ours(kind, muonBlock = 0) {
  const objective = seddObjective({
    network,
    graph: "absorb",
    noise: { kind: "loglinear", eps: 1e-3 },
    parameterization: "score",
    scaleBySigma: true,
  });
  const stream = random(1);
  const begin = objective.initialize(stream);
  const { layout } = objective;
  const { state, gradients } = workingBuffers({ parameters: begin, ema: begin, first: layout.allocate(), second: layout.allocate() });
  const runtime = { threads: 2, spinning: true };
  const losses = lossRunner(objective, runtime);
  const optimizer = await createOptimizer(layout, { ...settings, kind, muonBlock }, objective.isHiddenMatrix, runtime);
  const batch = Int32Array.from({ length: tokens }, () => stream.integer(2048));
  let step = 0;
  return async (n) => {
    const ms = [];
    const optimizerMs = [];
    for (let i = 0; i < n; i++) {
      const begin = performance.now();
      await losses.run(state.parameters, objective.corrupt(batch, shape, stream, true), shape, gradients);
      const middle = performance.now();
      await optimizer.update(state, gradients, { step: ++step, factor: 1, scale: 1 / tokens, emaDecay: 0.999 });
      const end = performance.now();
      ms.push(end - begin);
      optimizerMs.push(end - middle);
    }
    return { ms, optimizerMs };
  };
}

const peers = { eager: pytorch({ mode: "eager", threads: 2 }), compile: pytorch({ mode: "compile", threads: 2 }) };
const adamw = await ours("adamw");
await adamw(2);
const memory = peakMemory();
const engines = { sedd: adamw };
for (const [name, peer] of Object.entries(peers)) {
  await peer.ready;
  await peer.steps(3);
  await peer.resetPeak();
  engines[`PyTorch ${name}`] = async (n) => {
    const { ms, optimizer_ms: optimizerMs, peak_rss_bytes: peak } = await peer.steps(n);
    return { ms, optimizerMs, peak: peak / 1e6 };
  };
}
const results = Object.fromEntries(Object.keys(engines).map((name) => [name, { ms: [], optimizerMs: [], peak: memory }]));
for (let round = 0; round < rounds; round++) {
  for (const [name, run] of Object.entries(engines)) {
    const { ms, optimizerMs, peak } = await run(STEPS + 1);
    results[name].ms.push(...ms.slice(1));
    results[name].optimizerMs.push(...optimizerMs.slice(1));
    if (peak) results[name].peak = peak;
  }
}
for (const peer of Object.values(peers)) peer.close();

console.log(`${machine()}; D=256, 6 layers, 4 heads, batch 8 × 256, 2,049 states, two threads each; median of ${rounds * STEPS} steps`);
const base = median(results.sedd.ms);
for (const [name, { ms, optimizerMs, peak }] of Object.entries(results)) {
  const m = median(ms);
  console.log(
    `${name.padEnd(16)} ${m.toFixed(0)} ms (${range(ms)}), of which optimizer ${median(optimizerMs).toFixed(1)} ms (${((100 * median(optimizerMs)) / m).toFixed(1)} %)` +
      `, ${((1000 * tokens) / m).toFixed(0)} tokens/s, peak ${peak.toFixed(0)} MB, sedd is ${(m / base).toFixed(2)} × as fast`,
  );
}
// Whole matrices, and the blocks of the shipped recipe.
for (const muonBlock of [0, 64]) {
  const muon = await ours("muon", muonBlock);
  await muon(1);
  const { ms, optimizerMs } = await muon(8);
  console.log(
    `sedd with Muon, ${muonBlock === 0 ? "whole matrices" : `blocks of ${muonBlock}`}: ${median(ms).toFixed(0)} ms, of which optimizer ${median(optimizerMs).toFixed(1)} ms (${((100 * median(optimizerMs)) / median(ms)).toFixed(1)} %)`,
  );
}
