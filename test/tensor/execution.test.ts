/** Compiled programs: buffers read and written in place, errors, determinism, threads, memory. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  add,
  compile,
  exp,
  gather,
  gradient,
  linear,
  matmul,
  mul,
  neg,
  reduceSum,
  sum,
  trace,
  zeros,
  type Device,
  type Executable,
  type Program,
} from "../../src/tensor/index.ts";
import { random } from "../../src/platform/random.ts";
import { devices } from "./check.ts";

const floats = (n: number, seed = 1): Float32Array => {
  const draw = random(seed, n);
  return Float32Array.from({ length: n }, () => 2 * draw.uniform() - 1);
};

const square = trace({ x: { dtype: "float32", shape: [2, 3] }, k: { dtype: "float32", shape: [] } }, ({ x, k }) => ({
  y: mul(mul(x, x), k),
  s: sum(x),
}));

/** Embeddings: `only` is looked up alone, `tied` is used in another way too, `twice` is looked up twice, `doubled` as t + t. */
const embedding = trace(
  {
    only: { dtype: "float32", shape: [4, 2] },
    tied: { dtype: "float32", shape: [4, 2] },
    twice: { dtype: "float32", shape: [4, 2] },
    doubled: { dtype: "float32", shape: [4, 2] },
    i: { dtype: "int32", shape: [5] },
  },
  ({ only, tied, twice, doubled, i }) => {
    const loss = [
      gather(only, i),
      gather(tied, i),
      mul(tied, 10),
      mul(gather(twice, i), 2),
      mul(exp(gather(twice, i)), 3),
      gather(add(doubled, doubled), i),
    ]
      .map(sum)
      .reduce((a, b) => add(a, b));
    const [dOnly, dTied, dTwice, dDoubled] = gradient(loss, [only, tied, twice, doubled]);
    return { dOnly: dOnly!, dTied: dTied!, dTwice: dTwice!, dDoubled: dDoubled! };
  },
);
const embeddingFeeds = {
  only: floats(8),
  tied: floats(8),
  twice: new Float32Array(8),
  doubled: floats(8),
  i: Int32Array.of(3, 1, 3, 3, 0),
};
const counts = [1, 1, 1, 1, 0, 0, 3, 3]; // how often each row is looked up, by entry

describe.each(devices)("on %s", (device) => {
  let squares: Executable;
  let embeddings: Executable;
  beforeAll(async () => {
    squares = await compile(square, { device });
    embeddings = await compile(embedding, { device });
  });
  afterAll(() => Promise.all([squares.dispose(), embeddings.dispose()]));
  const feeds = { x: Float32Array.of(1, 2, 3, 4, 5, 6), k: Float32Array.of(2) };

  test("outputs are allocated where no buffer is given", async () => {
    const { y, s } = await squares.run(feeds);
    expect([...y!].map(Number)).toEqual([2, 8, 18, 32, 50, 72]);
    expect([...s!].map(Number)).toEqual([21]);
  });

  test("inputs and outputs are views of one flat buffer: nothing beside them is touched", async () => {
    const flat = new Float32Array(20).fill(-7);
    flat.set(feeds.x, 3);
    flat[1] = 2;
    const results = await squares.run(
      { x: flat.subarray(3, 9), k: flat.subarray(1, 2) },
      { y: flat.subarray(10, 16), s: flat.subarray(18, 19) },
    );
    expect([...flat]).toEqual([-7, 2, -7, 1, 2, 3, 4, 5, 6, -7, 2, 8, 18, 32, 50, 72, -7, -7, 21, -7]);
    expect(results["y"]!.buffer).toBe(flat.buffer);
    expect(results["s"]!.byteOffset).toBe(18 * 4);
  });

  test("one output in a buffer and another allocated; the buffer is written anew at every run", async () => {
    const y = new Float32Array(6);
    for (const k of [1, 3, -1]) {
      const results = await squares.run({ ...feeds, k: Float32Array.of(k) }, { y });
      expect([...y]).toEqual([1, 4, 9, 16, 25, 36].map((value) => k * value));
      expect(Number(results["s"]![0])).toBe(21);
    }
  });

  test("allocated results of one run outlive the next", async () => {
    const { y: first } = await squares.run(feeds);
    await squares.run({ ...feeds, k: Float32Array.of(100) });
    expect([...first!].map(Number)).toEqual([2, 8, 18, 32, 50, 72]);
  });

  test("gradients of embeddings add up repeated rows, allocated or in buffers that held something else", async () => {
    const expected = {
      dOnly: counts,
      dTied: counts.map((c) => c + 10),
      dTwice: counts.map((c) => 5 * c),
      dDoubled: counts.map((c) => 2 * c),
    };
    const plain = await embeddings.run(embeddingFeeds);
    for (const [name, values] of Object.entries(expected)) expect([...plain[name]!].map(Number)).toEqual(values);
    const flat = new Float32Array(40).fill(99);
    const into = {
      dOnly: flat.subarray(1, 9),
      dTied: flat.subarray(10, 18),
      dTwice: flat.subarray(20, 28),
      dDoubled: flat.subarray(30, 38),
    };
    for (let i = 0; i < 2; i++) {
      await embeddings.run(embeddingFeeds, into);
      for (const [name, values] of Object.entries(expected)) expect([...into[name as keyof typeof into]]).toEqual(values);
      expect([0, 9, 18, 19, 28, 29, 38, 39].map((at) => flat[at])).toEqual(new Array(8).fill(99));
    }
  });

  test("a missing input, and a value or a buffer of the wrong size, are errors that name it", async () => {
    await expect(squares.run({ x: feeds.x })).rejects.toThrow("run: no value for the input k");
    await expect(squares.run({ ...feeds, x: new Float32Array(5) })).rejects.toThrow("run: input x has 5 values, the program expects 2×3");
    await expect(squares.run(feeds, { y: new Float32Array(7) })).rejects.toThrow("run: output y has 6 values, its buffer 7");
    for (const name of ["dOnly", "dTied", "dTwice"]) {
      await expect(embeddings.run(embeddingFeeds, { [name]: new Float32Array(7) })).rejects.toThrow(
        `run: output ${name} has 8 values, its buffer 7`,
      );
    }
    await expect(squares.run(feeds, { z: new Float32Array(6) })).rejects.toThrow("run: the program has no output z");
    // Nothing was left half done.
    expect([...(await squares.run(feeds))["y"]!].map(Number)).toEqual([2, 8, 18, 32, 50, 72]);
  });

  test("a value of the wrong type is an error", async () => {
    await expect(squares.run({ ...feeds, x: new Int32Array(6) })).rejects.toThrow(/float32/);
  });

  test("an input, a constant, a boolean and one value under two names can be outputs; names are free", async () => {
    const program = trace(
      { v0: { dtype: "float32", shape: [2] }, v1: { dtype: "int32", shape: [2] }, "a b/c:0": { dtype: "bool", shape: [2] } },
      (inputs) => {
        const y = exp(inputs.v0);
        return {
          same: inputs.v0,
          integers: inputs.v1,
          flags: inputs["a b/c:0"],
          fixed: zeros([3]),
          y,
          again: y,
          v2: neg(y),
          output_v2: neg(inputs.v0),
        };
      },
    );
    const executable = await compile(program, { device });
    const results = await executable.run({ v0: Float32Array.of(0, 1), v1: Int32Array.of(-3, 4), "a b/c:0": Uint8Array.of(1, 0) });
    const e = Math.fround(Math.E);
    expect(Object.fromEntries(Object.entries(results).map(([name, data]) => [name, Array.from(data, Number)]))).toEqual({
      ...{ same: [0, 1], integers: [-3, 4], flags: [1, 0], fixed: [0, 0, 0], y: [1, e], again: [1, e], v2: [-1, -e], output_v2: [-0, -1] },
    });
    await executable.dispose();
  });

  test("a constant is not fed, and stays what it was", async () => {
    const executable = await compile(square, { device, constants: { k: Float32Array.of(2), unused: floats(3) } });
    for (let i = 0; i < 2; i++) expect([...(await executable.run({ x: feeds.x }))["y"]!].map(Number)).toEqual([2, 8, 18, 32, 50, 72]);
    await expect(executable.run({})).rejects.toThrow("run: no value for the input x");
    await executable.dispose();
  });

  test("an input that no output reads is checked and ignored", async () => {
    const program = trace({ x: { dtype: "float32", shape: [1] }, unread: { dtype: "float32", shape: [2] } }, ({ x }) => ({ y: exp(x) }));
    const executable = await compile(program, { device });
    expect(Number((await executable.run({ x: Float32Array.of(0), unread: new Float32Array(2) }))["y"]![0])).toBe(1);
    await expect(executable.run({ x: Float32Array.of(0) })).rejects.toThrow("run: no value for the input unread");
    await executable.dispose();
  });
});

/** A layer with its gradient, large enough that the runtime divides the work among threads. */
function layer(): { program: Program; feeds: Record<string, Float32Array | Int32Array> } {
  const [rows, width, states] = [96, 128, 50];
  const program = trace(
    {
      table: { dtype: "float32", shape: [states, width] },
      tokens: { dtype: "int32", shape: [rows] },
      weight: { dtype: "float32", shape: [width, width] },
    },
    ({ table, tokens, weight }) => {
      const x = gather(table, tokens);
      const y = exp(mul(linear(x, weight), 0.1));
      const loss = sum(reduceSum(mul(matmul(y, x, { transposeB: true }), 0.01), [1]));
      const [dTable, dWeight] = gradient(loss, [table, weight]);
      return { loss, y, dTable: dTable!, dWeight: dWeight! };
    },
  );
  const draw = random(5);
  return {
    program,
    feeds: {
      table: floats(states * width, 2),
      tokens: Int32Array.from({ length: rows }, () => draw.integer(states)),
      weight: floats(width * width, 3),
    },
  };
}

describe("determinism and threads", () => {
  const results = async (device: Device, threads: number): Promise<Record<string, ArrayLike<number>>[]> => {
    const { program, feeds } = layer();
    const executable = await compile(program, { device, threads });
    const runs: Record<string, ArrayLike<number>>[] = [];
    for (let i = 0; i < 5; i++) runs.push((await executable.run(feeds)) as unknown as Record<string, ArrayLike<number>>);
    await executable.dispose();
    return runs;
  };

  test.each([
    ["cpu", 1],
    ["cpu", 2],
    ["wasm", 1],
  ] as const)("repeated runs on %s with %i threads are equal bit for bit, and so is a second session", async (device, threads) => {
    const [first, ...others] = [...(await results(device, threads)), ...(await results(device, threads))];
    for (const other of others) expect(other).toEqual(first);
  });

  // 2e-5 of the largest value: sums of 128 products of O(1) in another order differ by about 128·6e-8 of it.
  test("one and two threads, and the two builds of the runtime, agree", async () => {
    const [reference] = await results("cpu", 1);
    for (const [other] of [await results("cpu", 2), await results("wasm", 1)]) {
      for (const [name, values] of Object.entries(reference!)) {
        const scale = Math.max(...Array.from(values, Math.abs));
        Array.from(values).forEach((value, i) => expect(Math.abs(Number(other![name]![i]) - value)).toBeLessThanOrEqual(2e-5 * scale));
      }
    }
  });

  test("an idle server's setting, without spinning threads, gives the same", async () => {
    const { program, feeds } = layer();
    const executable = await compile(program, { threads: 2, spinning: false });
    expect(await executable.run(feeds)).toEqual((await results("cpu", 2))[0]);
    await executable.dispose();
  });
});

describe("memory", () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;

  // Each run reads 0.5 MB, writes 0.5 MB into a buffer and allocates 0.5 MB: keeping any of them over 200 runs would cost 100 MB.
  test.each(devices)("does not grow over 300 runs on %s", async (device) => {
    const shape = [256, 512];
    const program = trace({ x: { dtype: "float32", shape } }, ({ x }) => ({ kept: exp(x), fresh: neg(exp(x)) }));
    const executable = await compile(program, { device });
    const x = floats(256 * 512);
    const kept = new Float32Array(256 * 512 + 5).subarray(5);
    const after = async (runs: number): Promise<number> => {
      for (let i = 0; i < runs; i++) {
        await executable.run({ x }, { kept });
        // A macrotask lets finalizers release what was collected.
        if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      collect();
      await new Promise((resolve) => setTimeout(resolve, 20));
      return process.memoryUsage().rss;
    };
    const start = await after(100);
    const end = await after(200);
    expect((end - start) / 2 ** 20).toBeLessThan(60);
    await executable.dispose();
  });
});
