/** Trajectories: recorded from runs, written, read, replayed; and every damage found, with its line. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { CorrectorOptions } from "../../src/diffusion/corrector.ts";
import { geometric, logLinear } from "../../src/diffusion/noise.ts";
import { sampleFrom } from "../../src/diffusion/sample-from.ts";
import type { Frame, SamplerName } from "../../src/diffusion/sampler.ts";
import { collectFrames, replayTrajectory, type Trajectory, type TrajectoryFrame } from "../../src/diffusion/trajectory.ts";
import { firstDifference, formatTrajectory, parseTrajectory } from "../../src/diffusion/trajectory-file.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { UserError } from "../../src/platform/errors.ts";
import { golden } from "../support/fixtures.ts";
import { oracle } from "../support/oracle.ts";

const p0 = golden("enumerable.safetensors").float64("p0");
const truths = { absorb: oracle(absorb(3), p0, 3), uniform: oracle(uniform(3), p0, 3) };
const COUNT = 3;

/** A recorded run at the exact score, and the frames it had, sequence by sequence. */
async function recordedRun(kind: "absorb" | "uniform", sampler: SamplerName, seed: number, steps = 4, corrector?: CorrectorOptions) {
  const { graph, score } = truths[kind];
  const frames = collectFrames();
  const seen: TrajectoryFrame[][] = Array.from({ length: COUNT }, () => []);
  const noise = logLinear();
  const onStep = (frame: Frame) => {
    for (let sequence = 0; sequence < COUNT; sequence++) {
      const own = [...frame.changed.keys()].filter((k) => Math.floor(frame.changed[k]! / 3) === sequence);
      const one: TrajectoryFrame = {
        sequence,
        step: frame.step,
        steps: frame.steps,
        time: frame.time,
        sigma: frame.sigma,
        tokens: [...frame.tokens.subarray(sequence * 3, sequence * 3 + 3)],
        changed: own.map((k) => frame.changed[k]! % 3),
        probability: own.map((k) => frame.probability[k]!),
      };
      seen[sequence]!.push(one);
      frames.add(one);
    }
  };
  const texts = (await sampleFrom(score, { graph, noise, sampler, length: 3, steps, count: COUNT, seed, corrector, onStep })).map((x) =>
    x.join(" "),
  );
  const description = {
    package: "1.2.3",
    model: "tiny",
    verb: "sample",
    options: { seed, steps },
    graph: { kind, vocabularySize: 3 },
    noise: noise.config,
  } as const;
  return { trajectory: frames.trajectory(description, texts), seen };
}

describe.each([
  ["absorb", "analytic", undefined],
  ["absorb", "first-hitting", undefined],
  ["uniform", "analytic", undefined],
  ["uniform", "euler", undefined],
  ["absorb", "analytic", { positions: 1 }],
  ["uniform", "analytic", { positions: 1, calls: 2 }],
] as const)("a run, %s, %s, corrector %j", (kind, sampler, corrector) => {
  it("comes back from its file as it was, and replays frame by frame", async () => {
    for (let seed = 1; seed < 9; seed++) {
      const { trajectory, seen } = await recordedRun(kind, sampler, seed, 4, corrector);
      const again = parseTrajectory(formatTrajectory(trajectory), "run.jsonl");
      expect(again).toEqual(trajectory);
      seen.forEach((frames, sequence) => expect([...replayTrajectory(again, sequence)]).toEqual(frames));
      expect(seen.map((frames) => frames.at(-1)!.tokens)).toEqual(again.tokens);
      expect(firstDifference(trajectory, (await recordedRun(kind, sampler, seed, 4, corrector)).trajectory)).toBeUndefined();
    }
  });
});

it("the recorded probabilities are those of the steps' law: at the exact score their mean surprise is the entropy of what is drawn", async () => {
  // One event a call: along an unmasking order π the product over events is p0(x0). Seen through the file, on 60 runs of 3 sequences.
  for (let seed = 1; seed <= 60; seed++) {
    const { trajectory } = await recordedRun("absorb", "first-hitting", seed, 3);
    const products = [1, 1, 1];
    for (const { sequence, probability } of parseTrajectory(formatTrajectory(trajectory), "run").changes)
      products[sequence]! *= probability;
    trajectory.tokens.forEach((tokens, i) => expect(products[i]).toBeCloseTo(p0[truths.absorb.clean.index(tokens)]!, 12));
  }
});

/** Any trajectory: random walks of any shape, with numbers that are hard to print. */
const trajectories = fc
  .record({
    V: fc.integer({ min: 1, max: 50_000 }),
    kind: fc.constantFrom("absorb" as const, "uniform" as const),
    lengths: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }),
    places: fc.array(fc.record({ step: fc.nat(9), time: fc.double({ noNaN: true, noDefaultInfinity: true }), moves: fc.array(fc.nat()) }), {
      minLength: 1,
      maxLength: 6,
    }),
    probability: fc.double({ min: 0, minExcluded: true, max: 1, noNaN: true }),
    texts: fc.array(fc.string({ unit: "binary" }), { minLength: 3, maxLength: 3 }),
    template: fc.option(fc.string({ unit: "grapheme" }), { nil: undefined }),
  })
  .map(({ V, kind, lengths, places, probability, texts, template }): Trajectory => {
    const states = kind === "absorb" ? V + 1 : V;
    const start = lengths.map((length) => Array.from({ length }, (_, i) => (i * 7919) % states));
    const tokens = start.map((sequence) => [...sequence]);
    const frames = places.map(({ step, time, moves }) => ({ step, time: time + 0, sigma: time / 3 + 0, changes: moves.length }));
    const changes = places.flatMap(({ step, time, moves }) =>
      moves.map((move) => {
        const sequence = move % lengths.length;
        const position = move % lengths[sequence]!;
        const token = move % states;
        tokens[sequence]![position] = token;
        return { step, time: time + 0, sequence, position, token, probability };
      }),
    );
    const noise = geometric(1e-3, 7).config;
    return {
      run: {
        package: "0.0.0",
        model: "a/b",
        verb: template === undefined ? "sample" : "infill",
        ...(template === undefined ? {} : { template }),
        options: { seed: 2 ** 52, given: [1, 2], nested: { prompt: texts[0] } },
        graph: { kind, vocabularySize: V },
        noise,
      },
      frames,
      start,
      changes,
      tokens,
      texts: texts.slice(0, lengths.length),
    };
  });

const lineOf = (error: unknown): number => {
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).not.toMatch(/\n/);
  return Number(/^run\.jsonl:(\d+): /.exec((error as Error).message)?.[1]);
};
const failure = (text: string): unknown => {
  try {
    return parseTrajectory(text, "run.jsonl");
  } catch (error) {
    return error;
  }
};

describe("the format", () => {
  it("gives back every trajectory bit for bit (property)", () => {
    fc.assert(
      fc.property(trajectories, (trajectory) => {
        const text = formatTrajectory(trajectory);
        expect(text.split("\n")).toHaveLength(trajectory.changes.length + 3);
        expect(parseTrajectory(text, "run.jsonl")).toEqual(trajectory);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
  it("finds a changed character, a lost line and a cut, and names the line (property)", () => {
    const damage = fc.property(trajectories, fc.nat(), fc.constantFrom("0", "7", "x", '"', "}"), (trajectory, at, character) => {
      const text = formatTrajectory(trajectory);
      const lines = text.slice(0, -1).split("\n");
      const place = at % (text.length - 1);
      const line = text.slice(0, place).split("\n").length;
      if (text[place] !== character && text[place] !== "\n")
        expect(lineOf(failure(text.slice(0, place) + character + text.slice(place + 1)))).toBe(line);
      const lost = at % lines.length;
      if (lines.length > 1) expect(lineOf(failure(lines.filter((_, k) => k !== lost).join("\n")))).toBe(lost + 1);
      expect(lineOf(failure(lines.slice(0, lost).join("\n")))).toBe(Math.max(1, lost + 1));
      expect(lineOf(failure(text.slice(0, place)))).toBe(text[place] === "\n" ? line + 1 : line);
      expect(lineOf(failure(`${text}{}\n`))).toBe(lines.length + 1);
    });
    fc.assert(damage, { seed: 2, numRuns: 300 });
  });

  /** A file that fits its checksums but not itself, as another program might write it. */
  const rewritten = async (edit: (trajectory: Trajectory) => Trajectory) =>
    failure(formatTrajectory(edit((await recordedRun("absorb", "analytic", 5)).trajectory)));
  const withChange = (k: number, what: object) => (trajectory: Trajectory) => ({
    ...trajectory,
    changes: trajectory.changes.map((change, i) => (i === k ? { ...change, ...what } : change)),
  });
  it.each<[string, (trajectory: Trajectory) => Trajectory, RegExp]>([
    [
      "a token that the end does not have",
      withChange(2, { token: 3 }),
      /^run\.jsonl:4: leaves token 3 at position \d of sequence \d, which/,
    ],
    ["a position beyond the text", withChange(0, { position: 3 }), /^run\.jsonl:2: there is no position 3; the sequence has 3$/],
    ["a sequence that is not there", withChange(0, { sequence: 3 }), /^run\.jsonl:2: there is no sequence 3; the run has 3$/],
    ["a state that is none", withChange(1, { token: 4 }), /^run\.jsonl:3: token 4 is no state; states are 0 to 3$/],
    ["another time", withChange(1, { time: 0.123 }), /^run\.jsonl:3: is of step \d, time 0\.123; step \d, time .* is due$/],
    ["a probability above 1", withChange(1, { probability: 1.5 }), /^run\.jsonl:3: is not a change: probability: .*$/],
    ["a probability that is no number", withChange(1, { probability: NaN }), /^run\.jsonl:3: is not a change: probability: .*$/],
    ["two texts", (t) => ({ ...t, texts: t.texts.slice(1) }), /^run\.jsonl:\d+: 3 sequences began, another number ended$/],
    [
      "a beginning beyond the states",
      (t) => ({ ...t, start: [[9, 9, 9], ...t.start.slice(1)] }),
      /^run\.jsonl:1: begins with states beyond 3$/,
    ],
  ])("refuses %s", async (_name, edit, message) => {
    const error = await rewritten(edit);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
  });
  it.each(["", "\n", "{}", "not JSON at all", '{"text":"a Sample","tokens":[1]}'])("refuses what is no record: %j", (text) => {
    expect(lineOf(failure(text))).toBe(1);
  });
  it("says which run begins to differ, and where", async () => {
    const { trajectory } = await recordedRun("absorb", "analytic", 5);
    const probability = trajectory.changes[3]!.probability * (1 + 2 ** -52);
    const other = withChange(3, { probability })(trajectory);
    expect(firstDifference(trajectory, other)).toMatchObject({ line: 5, other: expect.stringContaining(String(probability)) });
    expect(firstDifference(trajectory, { ...trajectory, changes: trajectory.changes.slice(0, -1) })!.line).toBe(
      trajectory.changes.length + 1,
    );
    expect(firstDifference(trajectory, { ...trajectory, texts: ["", "", ""] })!.line).toBe(trajectory.changes.length + 2);
    expect(firstDifference(trajectory, { ...trajectory, run: { ...trajectory.run, options: {} } })!.line).toBe(1);
    expect(firstDifference(trajectory, { ...trajectory, run: { ...trajectory.run, package: "2", model: "elsewhere" } })).toBeUndefined();
  });
  it("has no sequence beyond those recorded", async () => {
    const { trajectory } = await recordedRun("absorb", "analytic", 5);
    expect(() => [...replayTrajectory(trajectory, 3)]).toThrow("there is no sequence 3; the run has 3");
  });
});
