/**
 * The matrix products with weights of a training step (bench/training-step.mjs), each by itself, here and in PyTorch: what of a step's time is theirs, and how fast each
 * runtime is at them. `node bench/products.mjs [rounds]`
 */
import { compile, gemm, trace } from "../dist/tensor/index.js";
import { machine, median, pytorch } from "./harness.mjs";

const rounds = Number(process.argv[2] ?? 4);
const REPEATED = 10; // of a product in a round
const THREADS = 2;
const [rows, hidden, states, layers] = [2048, 256, 2049, 6];

/** x·Wᵀ, its gradients dY·W and dYᵀ·x: [m, k, n, A transposed, B transposed]. */
const products = (name, fanIn, out, count) => [
  { name: `${name}, forward`, count, shape: [rows, fanIn, out, false, true] },
  { name: `${name}, gradient of x`, count, shape: [rows, out, fanIn, false, false] },
  { name: `${name}, gradient of W`, count, shape: [out, rows, fanIn, true, false] },
];
const all = [
  ...products("attn_qkv", hidden, 3 * hidden, layers),
  ...products("attn_out", hidden, hidden, layers),
  ...products("mlp.0", hidden, 4 * hidden, layers),
  ...products("mlp.2", 4 * hidden, hidden, layers),
  ...products("head", hidden, states, 1),
];

const noise = (size) => Float32Array.from({ length: size }, () => Math.random() - 0.5);
async function ours([m, k, n, transposeA, transposeB]) {
  const spec = (...shape) => ({ dtype: "float32", shape });
  const inputs = { a: transposeA ? spec(k, m) : spec(m, k), b: transposeB ? spec(n, k) : spec(k, n) };
  const program = await compile(
    trace(inputs, ({ a, b }) => ({ y: gemm(a, b, { transposeA, transposeB }) })),
    { threads: THREADS },
  );
  const feeds = { a: noise(m * k), b: noise(k * n) };
  const y = new Float32Array(m * n);
  return async () => {
    const ms = [];
    for (let i = 0; i <= REPEATED; i++) {
      const begin = performance.now();
      await program.run(feeds, { y });
      ms.push(performance.now() - begin);
    }
    return median(ms.slice(1));
  };
}

const peer = pytorch({ mode: "eager", threads: THREADS });
await peer.ready;
const runs = [];
for (const { shape } of all) runs.push(await ours(shape));
const times = all.map(() => ({ sedd: [], pytorch: [] }));
for (let round = 0; round < rounds; round++) {
  const { ms } = await peer.products({ shapes: all.map(({ shape }) => shape), n: REPEATED, threads: THREADS });
  for (const [i, run] of runs.entries()) {
    times[i].sedd.push(await run());
    times[i].pytorch.push(ms[i]);
  }
}
peer.close();

console.log(`${machine()}; ${THREADS} threads each, float32, median of ${rounds} rounds of ${REPEATED}`);
const total = { sedd: 0, pytorch: 0, flop: 0 };
for (const [i, { name, count, shape }] of all.entries()) {
  const [m, k, n] = shape;
  const flop = 2 * m * k * n;
  const [one, other] = [median(times[i].sedd), median(times[i].pytorch)];
  total.sedd += count * one;
  total.pytorch += count * other;
  total.flop += count * flop;
  console.log(
    `${name.padEnd(26)} ${`${m}×${k}×${n}`.padEnd(15)} ${(flop / one / 1e6).toFixed(0).padStart(4)} GFLOP/s, PyTorch ${(flop / other / 1e6).toFixed(0).padStart(4)}: ${(other / one).toFixed(2)} × as fast`,
  );
}
console.log(
  `all of a step's: ${total.sedd.toFixed(0)} ms (${(total.flop / total.sedd / 1e6).toFixed(0)} GFLOP/s), PyTorch ${total.pytorch.toFixed(0)} ms: ${(total.pytorch / total.sedd).toFixed(2)} × as fast`,
);
