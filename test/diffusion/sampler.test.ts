/** The sampling loop apart from its law: reproducibility, frames, prompts, calls, aborts, extreme scores, wrong options. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { geometric, logLinear } from "../../src/diffusion/noise.ts";
import { sampleFrom } from "../../src/diffusion/sample-from.ts";
import { type Frame, run, samplerNames, type RunOptions } from "../../src/diffusion/sampler.ts";
import { denseScore, type DenseScore } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { UserError } from "../../src/platform/errors.ts";

/** A score that depends on the whole row, so that a row mixed with another would show. */
const toyScore =
  (graph: Graph): DenseScore =>
  (tokens, sigma) => {
    const length = tokens.length / sigma.length;
    const out = new Float64Array(tokens.length * graph.states);
    for (let p = 0; p < tokens.length; p++) {
      const r = Math.floor(p / length);
      let key = p % length;
      for (let i = 0; i < length; i++) key = (key * 31 + tokens[r * length + i]! + 7) % 1009;
      const scale = graph.kind === "absorb" ? -Math.log(Math.expm1(sigma[r]!) * graph.vocabularySize) : 0;
      for (let y = 0; y < graph.states; y++) out[p * graph.states + y] = y === tokens[p] ? 0 : Math.sin(key + y * 1.7) + scale;
    }
    return out;
  };

const graphs = { absorb: absorb(7), uniform: uniform(7) };
const collect = async (graph: Graph, options: Partial<RunOptions>, score = toyScore(graph)): Promise<Frame[]> => {
  const frames: Frame[] = [];
  for await (const frame of run(denseScore(score, graph), { noise: logLinear(), length: 6, steps: 5, seed: 11, ...options }))
    frames.push(frame);
  return frames;
};
const kinds = [
  ["absorb", "analytic"],
  ["absorb", "euler"],
  ["absorb", "first-hitting"],
  ["uniform", "analytic"],
  ["uniform", "euler"],
] as const;

describe.each(kinds)("%s, %s", (kind, sampler) => {
  const graph = graphs[kind];

  it("sample i depends on (seed, i), not on count, nor on how rows share calls", async () => {
    const options = { graph, noise: logLinear(), sampler, length: 6, steps: 5, seed: 3 };
    const many = await sampleFrom(toyScore(graph), { ...options, count: 9 });
    expect(await sampleFrom(toyScore(graph), { ...options, count: 4 })).toEqual(many.slice(0, 4));
    expect(await sampleFrom(toyScore(graph), { ...options, count: 9, maxRows: 2 })).toEqual(many);
    expect(await sampleFrom(toyScore(graph), { ...options, count: 9, seed: 4 })).not.toEqual(many);
    expect(new Set(many.map(String)).size).toBeGreaterThan(5);
  });

  it("frames tell the story: steps, falling time, what changed; the last is clean", async () => {
    const frames = await collect(graph, { sampler, count: 3 });
    const steps = frames[0]!.steps;
    expect(frames.map((frame) => frame.step)).toEqual([...Array(steps + 1).keys(), steps]);
    expect(frames.map((frame) => frame.done)).toEqual(frames.map((_, k) => k === frames.length - 1));
    frames.slice(1).forEach((frame, k) => {
      const before = frames[k]!;
      expect(frame.time).toBeLessThanOrEqual(before.time);
      expect(frame.sigma).toBeLessThanOrEqual(before.sigma);
      const differ = [...frame.tokens.keys()].filter((i) => frame.tokens[i] !== before.tokens[i]);
      expect([...frame.changed]).toEqual(differ);
    });
    expect(frames.at(-1)).toMatchObject({ time: 0, sigma: 0 });
    frames.at(-1)!.tokens.forEach((token) => expect(token).toBeLessThan(7));
    if (kind === "absorb") expect(frames[0]!.tokens.every((token) => token === 7)).toBe(true);
  });

  it("what is given is there in every frame and at every call", async () => {
    const given = Int32Array.of(-1, 3, -1, 0, 6, -1);
    const kept = (tokens: Int32Array) => tokens.forEach((token, p) => given[p % 6] !== -1 && expect(token).toBe(given[p % 6]));
    const score = toyScore(graph);
    const frames = await collect(graph, { sampler, count: 4, given }, (tokens, sigma) => {
      kept(tokens);
      return score(tokens, sigma);
    });
    frames.forEach((frame) => kept(frame.tokens));
  });

  it("is asked at no more rows than maxRows", async () => {
    const rows: number[] = [];
    const score = toyScore(graph);
    await collect(graph, { sampler, count: 5, maxRows: 2 }, (tokens, sigma) => {
      rows.push(sigma.length);
      return score(tokens, sigma);
    });
    expect(Math.max(...rows)).toBe(2);
  });
});

describe("calls", () => {
  it("a step in which nothing can change makes none", async () => {
    // After a first Euler step of this score every position is filled.
    const eager: DenseScore = (tokens) => new Float64Array(tokens.length * 8).fill(50);
    const frames = await collect(graphs.absorb, { sampler: "euler", steps: 30 }, eager);
    expect(frames.map((frame) => frame.calls)).toEqual([0, ...Array(31).fill(1)]);
    expect(frames[1]!.cut).toBe(6); // six staying weights below 0
  });
  it("nothing to fill makes none at all", async () => {
    const given = Int32Array.of(1, 2, 3, 4, 5, 6);
    for (const [kind, sampler] of kinds) {
      const frames = await collect(graphs[kind], { sampler, given });
      expect(frames.at(-1)).toMatchObject({ calls: 0, done: true, tokens: given });
    }
  });
  it("first-hitting makes one call an event, or as many as steps allow", async () => {
    for (const [steps, calls] of [
      [undefined, 6],
      [100, 6],
      [4, 4],
      [1, 1],
    ] as const)
      expect((await collect(graphs.absorb, { sampler: "first-hitting", count: 3, steps })).at(-1)!.calls).toBe(calls);
  });
  it("first-hitting asks within the times of training and sampling", async () => {
    const seen: number[] = [];
    const score = toyScore(graphs.absorb);
    await collect(graphs.absorb, { sampler: "first-hitting", count: 500, length: 1, noise: geometric(0.5, 2) }, (tokens, sigma) => {
      seen.push(...sigma);
      return score(tokens, sigma);
    });
    expect(Math.max(...seen)).toBe(2);
    expect(Math.min(...seen)).toBe(geometric(0.5, 2).sigma(1e-5));
  });
});

describe("aborting", () => {
  it("throws the reason before anything if it is already aborted", async () => {
    const score: DenseScore = () => expect.fail("asked");
    await expect(
      sampleFrom(score, { graph: graphs.absorb, noise: logLinear(), length: 3, steps: 4, signal: AbortSignal.abort("no") }),
    ).rejects.toBe("no");
  });
  it("is heard between steps, from a timer too, though the score never yields", async () => {
    const controller = new AbortController();
    let calls = 0;
    const score: DenseScore = (tokens, sigma) => {
      if (++calls === 2) setImmediate(() => controller.abort(new Error("enough")));
      return toyScore(graphs.uniform)(tokens, sigma);
    };
    const sampling = sampleFrom(score, { graph: graphs.uniform, noise: logLinear(), length: 3, steps: 100_000, signal: controller.signal });
    await expect(sampling).rejects.toThrow("enough");
    expect(calls).toBeLessThan(10);
  });
});

describe("extreme scores", () => {
  it("scores of any size are drawn from, and −Infinity never", async () => {
    for (const shift of [-700, 0, 600]) {
      const score: DenseScore = (tokens) =>
        Float64Array.from({ length: tokens.length * 8 }, (_, k) => (k % 8 === 2 ? -Infinity : shift + (k % 8)));
      for (const sampler of samplerNames) {
        const tokens = (await sampleFrom(score, { graph: graphs.absorb, noise: logLinear(), sampler, length: 200, steps: 3, seed: 1 }))[0]!;
        expect(tokens).not.toContain(2);
        expect(tokens).toContain(6);
        expect(tokens.every((token) => token >= 0 && token < 7)).toBe(true);
      }
    }
  });
  it("a position where nothing is possible is an error that names it", async () => {
    const score: DenseScore = (tokens) => new Float64Array(tokens.length * 8).fill(-Infinity);
    await expect(sampleFrom(score, { graph: graphs.absorb, noise: logLinear(), length: 2, steps: 2, count: 2, seed: 1 })).rejects.toThrow(
      "every token has probability zero at sequence 0, position 0",
    );
  });
});

describe("options", () => {
  const attempt = (options: object) =>
    sampleFrom(toyScore(graphs.absorb), { graph: graphs.absorb, noise: logLinear(), length: 4, steps: 2, seed: 1, ...options });
  it.each([
    [{ steps: 0 }, "steps must be a whole number of at least 1, got 0"],
    [{ steps: 2.5 }, "steps must be a whole number of at least 1, got 2.5"],
    [{ count: -1 }, "count must be a whole number of at least 1, got -1"],
    [{ length: 0 }, "length must be a whole number of at least 1, got 0"],
    [{ length: -1 }, "length must be a whole number of at least 1, got -1"],
    [{ length: 2.5 }, "length must be a whole number of at least 1, got 2.5"],
    [{ maxRows: 0 }, "maxRows must be a whole number of at least 1, got 0"],
    [{ seed: 0.5 }, "seed must be a whole number, got 0.5"],
    [{ sampler: "tweedy" }, 'unknown sampler "tweedy"; there are analytic, euler, first-hitting, left-to-right'],
    [{ given: Int32Array.of(1, 2) }, "what is given has 2 positions, the length is 4"],
    [{ given: Int32Array.of(1, 2, 7, -1) }, "token 7 is given at position 2; tokens are 0 to 6"],
    [{ prompt: [1, 2, 3, 4] }, "the prompt has 4 tokens, which leaves nothing to write at length 4"],
    [{ prompt: [1], given: new Int32Array(4) }, "prompt and given"],
    [{ prompt: [1.7] }, "the prompt holds 1.7; give token ids, whole numbers from 0 on"],
    [{ prompt: [0, -1] }, "the prompt holds -1; give token ids"],
    [{ prompt: ["x"] }, "the prompt holds x; give token ids"],
    [{ prompt: [7] }, "token 7 is given at position 0; tokens are 0 to 6"],
    [{ graph: graphs.uniform, sampler: "first-hitting" }, 'sampler "first-hitting" needs the absorb graph, got uniform'],
    [{ graph: graphs.uniform, sampler: "left-to-right" }, 'sampler "left-to-right" needs the absorb graph, got uniform'],
    [{ sampler: "left-to-right", grid: "cosine" }, 'grid "cosine": left-to-right has no times; leave grid out'],
  ])("%j", async (options, message) => {
    const error = await attempt(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  });
  it("have defaults: analytic, one sequence, a drawn seed; a prompt is a prefix", async () => {
    const { graph, noise } = { graph: graphs.absorb, noise: logLinear() };
    const [a] = await sampleFrom(toyScore(graph), { graph, noise, length: 12, prompt: [1, 2] });
    const [b] = await sampleFrom(toyScore(graph), { graph, noise, length: 12, prompt: [1, 2] });
    expect([...a!.subarray(0, 2)]).toEqual([1, 2]);
    expect(a).not.toEqual(b);
  });
  it("onStep sees every frame", async () => {
    const seen: number[] = [];
    await attempt({ steps: 3, onStep: (frame: Frame) => seen.push(frame.step) });
    expect(seen).toEqual([0, 1, 2, 3, 3]);
  });
});
