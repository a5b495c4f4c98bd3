import { describe, expect, it } from "vitest";
import { difference, interpolate, meeting, order } from "../../src/evaluation/report/compare.ts";
import type { Estimate, Report } from "../../src/evaluation/report/schema.ts";
import { figures } from "../../src/evaluation/report/figures.ts";
import { ranking, summary } from "../../src/evaluation/report/summary.ts";
import { syntheticReport } from "./report-fixture.ts";

const e = (value: number, standardError = 0): Estimate => ({ value, standardError });

describe("differences", () => {
  it("have the errors of both, and count from twice that on", () => {
    expect(difference(e(5, 3), e(1, 4))).toEqual(e(4, 5));
    expect([order(e(1, 0.3), e(2, 0.4)), order(e(2, 0.3), e(1, 0.4)), order(e(1, 0.3), e(1.99, 0.4))]).toEqual([-1, 1, 0]);
    expect([order(e(1), e(1)), order(e(1), e(1.1))]).toEqual([0, -1]); // exact values
  });
});

describe("curves", () => {
  const points = [
    { x: 0, y: e(10, 1) },
    { x: 2, y: e(6, 3) },
  ];
  it("are straight between points, errors too, and end with them", () => {
    expect(interpolate(points, 0.5)).toEqual({ ...e(9, 1.5), slope: -2 });
    expect(interpolate(points, 2)).toMatchObject(e(6, 3));
    expect(interpolate(points, 0)).toMatchObject(e(10, 1));
    expect(interpolate(points, -1)).toBeUndefined();
    expect(interpolate(points, 2.1)).toBeUndefined();
  });

  // Perplexity 320 / √steps and 0.01 s a step are straight in logarithms, so that the meeting is known: 100 steps take 1 s and give 32; 64 steps give 40.
  const law = {
    protocol: "quality",
    judge: "judge",
    points: [4, 32, 256].map((steps) => ({
      steps,
      perplexity: e(320 / Math.sqrt(steps), 3.2 / Math.sqrt(steps)),
      unigramEntropy: e(5),
      seconds: e(steps / 100),
    })),
  };
  const ar = { steps: 128, perplexity: e(40, 1), unigramEntropy: e(5), seconds: e(1, 0.1) };
  it("meet a single point at equal time and at equal quality", () => {
    const { sameTime, sameQuality } = meeting(law, ar);
    expect(sameTime!.steps).toBeCloseTo(100, 9);
    expect(sameTime!.perplexity.value).toBeCloseTo(32, 9);
    // 1 % of its own and half of the clock's 10 %, the slope being −1/2.
    expect(sameTime!.perplexity.standardError).toBeCloseTo(32 * Math.hypot(0.01, 0.05), 9);
    expect(sameQuality!.steps).toBeCloseTo(64, 9);
    expect(sameQuality!.seconds).toBeCloseTo(0.64, 9);
  });
  it("do not meet what lies beyond them", () => {
    expect(meeting(law, { ...ar, perplexity: e(10), seconds: e(0.01) })).toEqual({ certain: false });
    const { sameQuality: already, certain } = meeting(law, { ...ar, perplexity: e(500) }) as Required<ReturnType<typeof meeting>>;
    expect(certain).toBe(true);
    expect(already.steps).toBeCloseTo(4, 9);
    expect(already.seconds).toBeCloseTo(0.04, 9);
  });
});

describe("reaching another's perplexity", () => {
  const plateau = (last: Estimate) => ({
    points: [e(90, 2), e(52, 2.2), last].map((perplexity, i) => ({
      steps: 4 ** (i + 1),
      perplexity,
      unigramEntropy: e(5),
      seconds: e(4 ** i),
    })),
  });
  const ar = { steps: 128, perplexity: e(49.2, 1.9), unigramEntropy: e(5), seconds: e(1) };
  it("counts as far as the errors tell, and does not turn on the last digit", () => {
    for (const last of [49.1, 49.3]) {
      const { sameQuality, certain } = meeting(plateau(e(last, 2)), ar);
      expect([sameQuality!.steps, sameQuality!.seconds].map(Math.round)).toEqual([16, 4]);
      expect(certain).toBe(false);
    }
    expect(meeting(plateau(e(40, 2)), ar)).toMatchObject({ sameQuality: { steps: expect.closeTo(16.2, 0) }, certain: true });
    expect(meeting({ points: plateau(e(40, 2)).points.slice(0, 1) }, ar)).not.toHaveProperty("sameQuality");
  });
  it("is told so", () => {
    const report = syntheticReport();
    const { judge } = report.models.ar!.quality as { judge: string };
    report.models.ar!.quality = { protocol: "quality", judge, points: [ar] };
    const told = (last: Estimate): string => {
      report.models["sedd-absorb"]!.quality = { protocol: "quality", judge, ...plateau(last) };
      return sentencesOf(report, "Steps and time").find(
        (sentence) => sentence.includes("ar's perplexity") || sentence.includes("ar's at"),
      )!;
    };
    expect(told(e(49.1, 2))).toBe(
      "sedd-absorb's perplexity cannot be told apart from ar's at about 16 steps, in 4 times ar's time, nor is it lower with any number of steps that was measured.",
    );
    expect(told(e(40, 2))).toBe("sedd-absorb comes down to ar's perplexity at about 16 steps, in 4 times ar's time.");
    report.models.ar!.quality.machines = ["one"];
    (report.models["sedd-absorb"]!.quality as { machines: readonly string[] }).machines = ["two"];
    expect(sentencesOf(report, "Steps and time").slice(0, 2)).toEqual([
      "sedd-absorb and ar wrote on several machines, whose seconds do not compare: one and two.",
      "sedd-absorb comes down to ar's perplexity at about 16 steps.",
    ]);
  });
});

describe("a ranking", () => {
  it("says how many of its errors a difference is, and of a small one only that it is small", () => {
    const entries = [
      { name: "c", estimate: e(3.5, 0.3) },
      { name: "b", estimate: e(3.1, 0.3) },
      { name: "a", estimate: e(2, 0.4) },
    ];
    expect(ranking(entries, "nats")).toEqual([
      "a has the lowest number: 2.00 ± 0.40 nats.",
      "b is higher than a by 1.10 ± 0.50, 2.2 times its error.",
      "c is higher than a by 1.50 ± 0.50, 3.0 times its error.",
    ]);
    expect(ranking(entries, "points", 1).slice(0, 2)).toEqual([
      "c has the highest number: 3.50 ± 0.30 points.",
      "b and c cannot be told apart: they differ by 0.40 ± 0.42.",
    ]);
  });
  it("does not take a higher bound for a worse model, nor a pseudo-likelihood for either", () => {
    const sentences = ranking(
      [
        { name: "exact", kind: "exact", estimate: e(4) },
        { name: "bound", kind: "bound", estimate: e(5, 0.1) },
        { name: "mlm", kind: "pseudo", estimate: e(1, 0.1) },
      ],
      "nats",
    );
    expect(sentences).toEqual([
      "exact has the lowest number: 4 nats, exact.",
      "bound is higher than exact by 1.00 ± 0.10, 10.0 times its error.",
      "Upper bounds, which the models themselves may stay below: bound. A higher bound does not prove a worse model.",
      "mlm's pseudo-likelihood of 1.00 ± 0.10 nats compares with none of these.",
    ]);
    expect(ranking([], "nats")).toEqual([]);
  });
});

/** A report in which every standard error is multiplied. */
function withErrors(report: Report, factor: number): Report {
  const text = JSON.stringify(report, (key, value: unknown) => (key === "standardError" ? ((value as number) + 1e-3) * factor : value));
  return JSON.parse(text) as Report;
}

const sentencesOf = (report: Report, heading: string): readonly string[] =>
  summary(report).find((claim) => claim.heading === heading)?.sentences ?? [];

describe("the summary", () => {
  it("claims nothing where the errors are large", () => {
    const sentences = summary(withErrors(syntheticReport(), 1e6)).flatMap(({ sentences }) => sentences);
    expect(sentences.filter((sentence) => /(higher|lower) than/.test(sentence))).toEqual([]);
    expect(sentences.filter((sentence) => sentence.includes("cannot be told apart")).length).toBeGreaterThan(20);
    expect(sentences.at(-2)).toContain("cannot be told apart");
    expect(sentencesOf(withErrors(syntheticReport(), 1e6), "BERT as a diffusion model").at(-1)).toContain(
      "not confirmed at any of 4 such rates",
    );
  });

  it("compares at the tokens, and at the seconds, of the model that stopped first", () => {
    const report = syntheticReport();
    const curve = (end: number, seconds: number, height: number) => ({
      protocol: "validation",
      kind: "exact" as const,
      points: [0.5, 1].map((share) => ({ tokens: end * share, seconds: seconds * share, natsPerToken: e(height - share) })),
    });
    // At 1M tokens: 7 - 1 against 7.2 - 0.5. At 100 s: 7.2 - 1 against 7 - 0.5 (the first one takes 200 s for the whole).
    report.models = {
      ar: { ...report.models.ar!, curve: curve(1_000_000, 200, 7) },
      ardm: { ...report.models.ardm!, curve: curve(2_000_000, 100, 7.2) },
    };
    expect(sentencesOf(report, "Equal tokens")).toEqual([
      "After 1M tokens of training, on the validation text: ar has the lowest number: 6 nats per token, exact.",
      "ardm is higher than ar by 0.7; both are exact.",
      "Not at the end of their own schedules then, which would have brought them lower: ardm.",
    ]);
    expect(sentencesOf(report, "Equal wall-clock")).toEqual([
      "After 1.67\u00a0min of training, on the validation text: ardm has the lowest number: 6.2 nats per token, exact.",
      "ar is higher than ardm by 0.3; both are exact.",
      "Not at the end of their own schedules then, which would have brought them lower: ar.",
    ]);
    report.models.mlm = { ...report.models.mlm!, curve: { ...curve(3_000_000, 900, 7), points: curve(3_000_000, 900, 7).points.slice(1) } };
    expect(sentencesOf(report, "Equal tokens").at(-1)).toBe("Not validated so early: mlm.");
    // Seconds of another machine say nothing.
    report.models.ar!.trainedOn = ["one", "two"];
    expect(sentencesOf(report, "Equal wall-clock")).toEqual([
      "The models were trained on several machines, whose seconds do not compare: one and two.",
    ]);
    expect(figures(report).likelihood.map(({ id }) => id)).toEqual(["training-tokens"]);
  });

  it("names the masking rates at which BERT is better, worse, or neither", () => {
    const report = syntheticReport();
    const masked = (losses: number[]) => ({
      protocol: "masked",
      points: losses.map((loss, i) => ({ rate: [0.15, 0.5, 1][i]!, accuracy: e(1 / loss, 0.01), crossEntropy: e(loss, 0.1) })),
    });
    const told = (mlm: number[], sedd: number[]): readonly string[] => {
      report.models.mlm!.masked = masked(mlm);
      report.models["sedd-absorb"]!.masked = masked(sedd);
      return sentencesOf(report, "BERT as a diffusion model");
    };
    expect(told([2, 4, 8], [3, 4.2, 6])[0]).toBe(
      "By cross-entropy mlm is better than sedd-absorb at 15\u00a0%, worse at 100\u00a0%, not to be told apart at 50\u00a0%.",
    );
    expect(told([2, 4, 8], [3, 4.2, 6])[2]).toContain("confirmed at 1 of 2 such rates, not at the others");
    expect(told([2, 5, 8], [3, 4, 6])[2]).toContain("is confirmed at all 2 such rates");
    expect(told([2, 4, 6], [3, 4, 8])[2]).toContain("not confirmed at any of 2 such rates");
    expect(told([2], [3])[2]).toContain("not tested");
  });

  it("warns of text that pleases the judge by being dull", () => {
    const warning = sentencesOf(syntheticReport(), "Text as a judge reads it").at(-1);
    expect(warning).toContain("mlm 4.610 ± 0.040");
    expect(warning).not.toContain("sedd-absorb");
  });

  it("does not compare perplexities of two judges", () => {
    const report = syntheticReport();
    const { generation } = report.models.mlm!;
    report.models.mlm!.generation = { ...(generation as Extract<typeof generation, { judge: string }>), judge: "another" };
    expect(sentencesOf(report, "Text as a judge reads it").filter((sentence) => sentence.startsWith("mlm "))).toEqual([]);
  });
});
