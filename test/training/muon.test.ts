/** Muon against the standard Newton–Schulz iteration and the plain formula of its update, both in float64. */
import { expect, test } from "vitest";
import { random } from "../../src/platform/random.ts";
import { compile, Layout, trace, type Tensor } from "../../src/tensor/index.ts";
import { compileMuon, orthogonalize, updateScale } from "../../src/training/muon.ts";
import { createOptimizer, type TrainingState } from "../../src/training/optimizer.ts";
import type { Recipe } from "../../src/training/recipe.ts";

const runtime = { threads: 1, spinning: false };

/** A float64 matrix, row-major. */
interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

const matrix = (rows: number, columns: number, entry: (i: number, j: number) => number): Matrix => ({
  rows,
  columns,
  data: Float64Array.from({ length: rows * columns }, (_, k) => entry(Math.floor(k / columns), k % columns)),
});
const at = ({ columns, data }: Matrix, i: number, j: number): number => data[i * columns + j]!;
const transposed = (x: Matrix): Matrix => matrix(x.columns, x.rows, (i, j) => at(x, j, i));
const times = (x: Matrix, y: Matrix): Matrix =>
  matrix(x.rows, y.columns, (i, j) => {
    let sum = 0;
    for (let k = 0; k < x.columns; k++) sum += at(x, i, k) * at(y, k, j);
    return sum;
  });
const plus = (x: Matrix, y: Matrix): Matrix => matrix(x.rows, x.columns, (i, j) => at(x, i, j) + at(y, i, j));
const scaled = (x: Matrix, by: number): Matrix => matrix(x.rows, x.columns, (i, j) => by * at(x, i, j));

/** The reference implementation's iteration (Jordan et al. 2024): X ← aX + (bA + cA²)X with A = XXᵀ, on the wide orientation. */
function newtonSchulz(x: Matrix): Matrix {
  if (x.rows > x.columns) return transposed(newtonSchulz(transposed(x)));
  let y = scaled(x, 1 / (Math.hypot(...x.data) + 1e-7));
  for (let step = 0; step < 5; step++) {
    const a = times(y, transposed(y));
    y = plus(scaled(y, 3.4445), times(plus(scaled(a, -4.775), scaled(times(a, a), 2.0315)), y));
  }
  return y;
}

/** Singular values by one-sided Jacobi rotations of the rows. */
function singularValues(x: Matrix): number[] {
  if (x.rows > x.columns) return singularValues(transposed(x));
  const rows = Array.from({ length: x.rows }, (_, i) => x.data.slice(i * x.columns, (i + 1) * x.columns));
  const dot = (p: Float64Array, q: Float64Array): number => p.reduce((sum, value, k) => sum + value * q[k]!, 0);
  for (let sweep = 0; sweep < 30; sweep++) {
    for (let p = 0; p < rows.length; p++) {
      for (let q = p + 1; q < rows.length; q++) {
        const [u, v] = [rows[p]!, rows[q]!];
        const angle = 0.5 * Math.atan2(2 * dot(u, v), dot(u, u) - dot(v, v));
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        rows[p] = u.map((value, k) => c * value + s * v[k]!);
        rows[q] = v.map((value, k) => c * value - s * u[k]!);
      }
    }
  }
  return rows.map((row) => Math.sqrt(dot(row, row))).toSorted((a, b) => a - b);
}

/** A Gaussian matrix; of independent entries, so its small side is well-conditioned unless it is square. */
function gaussian(rows: number, columns: number, seed: number): Matrix {
  const stream = random(seed);
  return matrix(rows, columns, () => stream.normal());
}

async function ours(matrices: readonly Matrix[]): Promise<Matrix[]> {
  const [{ rows, columns }, n] = [matrices[0]!, matrices.length];
  const program = await compile(
    trace({ x: { dtype: "float32", shape: [n, rows, columns] } }, ({ x }: Record<string, Tensor>) => ({ y: orthogonalize(x!) })),
    runtime,
  );
  const { y } = await program.run({ x: Float32Array.from(matrices.flatMap(({ data }) => [...data])) });
  await program.dispose();
  return matrices.map((_, k) => matrix(rows, columns, (i, j) => Number(y![(k * rows + i) * columns + j])));
}

const worst = (x: Matrix, y: Matrix): number => x.data.reduce((most, value, k) => Math.max(most, Math.abs(value - y.data[k]!)), 0);

test.each([
  ["wide", 8, 24],
  ["tall", 40, 12],
  ["square", 16, 16],
  ["a row", 1, 9],
])("equals the standard iteration: %s %i×%i, several at once", async (_, rows, columns) => {
  const inputs = [gaussian(rows, columns, 1), scaled(gaussian(rows, columns, 2), 1e-3)];
  const outputs = await ours(inputs);
  // Five steps amplify a small singular direction up to 3.4445⁵ ≈ 485 times, and float32's rounding (6e-8) with it.
  outputs.forEach((output, k) => expect(worst(output, newtonSchulz(inputs[k]!))).toBeLessThan(3e-4));
});

test("singular values of a well-conditioned matrix become about one", async () => {
  for (const x of [gaussian(6, 40, 3), gaussian(48, 10, 4)]) {
    const values = singularValues((await ours([x]))[0]!);
    // The polynomial's five-fold iterate oscillates between 0.68 and 1.13 (Jordan et al. 2024); a hair more for values still on their way.
    expect(values[0]).toBeGreaterThan(0.65);
    expect(values.at(-1)).toBeLessThan(1.15);
  }
});

test("singular vectors stay: U Vᵀ of a matrix with known factors", async () => {
  // Orthogonal by construction: two Householder reflections.
  const reflection = (n: number, seed: number): Matrix => {
    const v = gaussian(n, 1, seed);
    const size = v.data.reduce((sum, value) => sum + value * value, 0);
    return matrix(n, n, (i, j) => (i === j ? 1 : 0) - (2 * v.data[i]! * v.data[j]!) / size);
  };
  const [u, v] = [reflection(6, 5), reflection(6, 6)];
  const x = times(
    times(
      u,
      matrix(6, 6, (i, j) => (i === j ? 1 + 0.2 * i : 0)),
    ),
    transposed(v),
  );
  const back = times(times(transposed(u), (await ours([x]))[0]!), v);
  for (let i = 0; i < 6; i++) for (let j = 0; j < 6; j++) if (i !== j) expect(Math.abs(at(back, i, j))).toBeLessThan(1e-5);
  for (let i = 0; i < 6; i++) expect(at(back, i, i)).toBeGreaterThan(0.65);
});

test("zero, rank one, nearly rank-deficient and tiny matrices stay finite and bounded", async () => {
  const column = gaussian(12, 1, 7);
  const rankOne = times(column, transposed(gaussian(20, 1, 8)));
  const nearly = plus(rankOne, scaled(gaussian(12, 20, 9), 1e-6));
  const outputs = await ours([matrix(12, 20, () => 0), rankOne, nearly, scaled(gaussian(12, 20, 10), 1e-20), scaled(rankOne, 1e10)]);
  for (const output of outputs) {
    expect(output.data.every(Number.isFinite)).toBe(true);
    expect(singularValues(output).at(-1)).toBeLessThan(1.2);
  }
  expect(outputs[0]!.data.every((value) => value === 0)).toBe(true);
});

test.each([
  ["tall", [24, 8]],
  ["wide", [16, 24]],
] as const)("blocks of rows of a %s matrix are orthogonalised by themselves", async (_kind, shape) => {
  const [rows, columns] = shape;
  const x = gaussian(rows, columns, 11);
  const program = await compileMuon([{ name: "w", shape: [...shape], offset: 0, size: rows * columns }], 8, runtime);
  const output = (await program.run({ w: Float32Array.from(x.data) }))["orthogonal:w"]!;
  await program.dispose();
  for (let block = 0; block < rows / 8; block++) {
    const expected = newtonSchulz(matrix(8, columns, (i, j) => at(x, 8 * block + i, j)));
    const got = matrix(8, columns, (i, j) => Number(output[(8 * block + i) * columns + j]));
    expect(worst(got, expected)).toBeLessThan(3e-4);
  }
});

test.each([0, 64])("in place as into a buffer of its own, with blocks of %i rows", async (block) => {
  // The optimizer gives each gradient's buffer as input and output.
  const views = [
    { name: "wide", shape: [256, 1024], offset: 0, size: 2 ** 18 },
    { name: "tall", shape: [768, 256], offset: 2 ** 18, size: 768 * 256 },
  ];
  const program = await compileMuon(views, block, { threads: 2, spinning: false });
  const stream = random(12);
  const inputs = Object.fromEntries(views.map(({ name, size }) => [name, Float32Array.from({ length: size }, () => stream.normal())]));
  const apart = await program.run(inputs);
  const outputs = Object.fromEntries(views.map(({ name }) => [`orthogonal:${name}`, inputs[name]!]));
  await program.run(inputs, outputs);
  await program.dispose();
  for (const { name } of views) expect(inputs[name]).toEqual(apart[`orthogonal:${name}`]);
});

const settings: Recipe["optimizer"] = {
  kind: "muon",
  learningRate: 2e-3,
  muonLearningRate: 3e-3,
  momentum: 0.95,
  muonBlock: 0,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.1,
  clip: 1,
};
const layout = new Layout([
  { name: "embedding", shape: [5, 6] },
  { name: "wide", shape: [6, 18] },
  { name: "bias", shape: [6] },
  { name: "tall", shape: [18, 6] },
  { name: "head", shape: [5, 6] },
]);
const isHidden = (name: string): boolean => name === "wide" || name === "tall";
const normal = (seed: number): Float32Array => {
  const stream = random(seed);
  return layout.allocate().map(() => stream.normal());
};
const freshState = (): TrainingState => {
  const parameters = normal(20);
  return { parameters, ema: parameters.slice(), first: layout.allocate(), second: layout.allocate() };
};

test("three updates equal the plain formula: clipping, Nesterov, orthogonalise, scale, decoupled decay, average", async () => {
  const state = freshState();
  const optimizer = await createOptimizer(layout, settings, isHidden, runtime);
  const [scale, factor] = [0.5, 0.7];
  const plain = new Map(
    ["wide", "tall"].map((name) => {
      const [rows, columns] = layout.get(name).shape as [number, number];
      const start = Float64Array.from(layout.slice(state.parameters, name));
      const w = matrix(rows, columns, (i, j) => start[i * columns + j]!);
      return [name, { w, ema: w, momentum: matrix(rows, columns, () => 0) }];
    }),
  );
  for (let step = 1; step <= 3; step++) {
    const gradient = normal(30 + step);
    const norm = scale * Math.hypot(...gradient);
    const clip = Math.min(1, 1 / (norm + 1e-6)) * scale;
    for (const [name, old] of plain) {
      const { rows, columns } = old.w;
      const own = layout.slice(gradient, name);
      const g = matrix(rows, columns, (i, j) => clip * own[i * columns + j]!);
      const momentum = plus(scaled(old.momentum, 0.95), g);
      const direction = newtonSchulz(plus(g, scaled(momentum, 0.95)));
      const rate = 3e-3 * factor;
      const w = plus(scaled(old.w, 1 - rate * 0.1), scaled(direction, -rate * 0.2 * Math.sqrt(18)));
      const decay = Math.min(0.9, (1 + step) / (10 + step));
      plain.set(name, { w, momentum, ema: plus(scaled(old.ema, decay), scaled(w, 1 - decay)) });
    }
    expect(await optimizer.update(state, gradient, { step, factor, scale, emaDecay: 0.9 })).toBeCloseTo(norm, 4);
  }
  await optimizer.dispose();
  for (const [name, { w, ema, momentum }] of plain) {
    const compare = (buffer: Float32Array, expected: Matrix): number =>
      worst({ ...expected, data: Float64Array.from(layout.slice(buffer, name)) }, expected);
    // An update moves an entry by about 1e-3; float32 keeps entries of size 1 to 6e-8.
    expect(compare(state.parameters, w)).toBeLessThan(2e-6);
    expect(compare(state.ema, ema)).toBeLessThan(2e-6);
    expect(compare(state.first, momentum)).toBeLessThan(1e-6);
    expect(layout.slice(state.second, name).every((value) => value === 0)).toBe(true);
  }
  expect(updateScale([6, 18])).toBe(updateScale([18, 6]));
});

test.each([0, 0.01, 1, 1e9])(
  "clip %d: what the moments get is the gradient, scaled down to that norm where it is larger; 0 is none",
  async (clip) => {
    for (const kind of ["muon", "adamw"] as const) {
      const state = freshState();
      const optimizer = await createOptimizer(layout, { ...settings, kind, clip }, isHidden, runtime);
      const [gradient, scale] = [normal(50), 0.5];
      const norm = scale * Math.hypot(...gradient);
      expect(norm).toBeGreaterThan(1);
      expect(norm).toBeLessThan(100);
      const factor = clip > 0 && norm > clip ? (scale * clip) / norm : scale;
      const given = gradient.slice();
      expect(await optimizer.update(state, gradient, { step: 1, factor: 1, scale, emaDecay: 0.9 })).toBeCloseTo(norm, 4);
      await optimizer.dispose();
      for (const { name } of layout.views) {
        // Muon's momentum takes all of it, AdamW's first moment 1 − β1; the ε of clipping is 1e-6 of a norm.
        const share = kind === "muon" && isHidden(name) ? 1 : 1 - settings.beta1;
        const own = layout.slice(given, name);
        layout.slice(state.first, name).forEach((moment, i) => {
          const expected = share * factor * own[i]!;
          expect(Math.abs(moment - expected)).toBeLessThanOrEqual(5e-6 * Math.abs(expected));
        });
      }
    }
  },
);

test("embeddings, head and vectors move as under AdamW alone, bit for bit", async () => {
  const [mixed, adam] = [freshState(), freshState()];
  const muon = await createOptimizer(layout, settings, isHidden, runtime);
  const adamw = await createOptimizer(layout, { ...settings, kind: "adamw" }, isHidden, runtime);
  for (let step = 1; step <= 3; step++) {
    for (const [optimizer, state] of [
      [muon, mixed],
      [adamw, adam],
    ] as const)
      await optimizer.update(state, normal(40 + step), { step, factor: 1, scale: 1, emaDecay: 0.9 });
  }
  await muon.dispose();
  for (const name of ["embedding", "bias", "head"])
    for (const key of ["parameters", "ema", "first", "second"] as const)
      expect(layout.slice(mixed[key], name), `${name} ${key}`).toEqual(layout.slice(adam[key], name));
  expect(layout.slice(mixed.parameters, "wide")).not.toEqual(layout.slice(adam.parameters, "wide"));
});
