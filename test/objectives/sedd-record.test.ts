/** A model that remembers what it wrote: the record replays as the stream of the same seed, and verifies. (The command line's side: test/cli/replay.test.ts.) */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { replayTrajectory, type TrajectoryFrame } from "../../src/diffusion/trajectory.ts";
import { formatTrajectory, parseTrajectory } from "../../src/diffusion/trajectory-file.ts";
import { record, verifyTrajectory } from "../../src/objectives/sedd-record.ts";
import { load, type Model } from "../../src/model.ts";
import { UserError } from "../../src/platform/errors.ts";

let model: Model;
beforeAll(async () => void (model = await load("fairytales", { threads: 1 })));
afterAll(() => model.dispose());
const template = "Once upon a time [[6]] the end.";

describe("a record", () => {
  test("replays the frames that a stream of the same seed gives, but for their text", async () => {
    const recorder = record(model);
    await recorder.infill(template, { seed: 5, steps: 6 });
    const replayed = [...replayTrajectory(parseTrajectory(formatTrajectory(recorder.trajectory()), "run.jsonl"))];
    const streamed: TrajectoryFrame[] = [];
    for await (const { text: _, spans: _spans, done: _done, ...frame } of model.stream({ template, seed: 5, steps: 6 }))
      streamed.push(frame);
    expect(replayed).toEqual(streamed);
  });

  test("has the drawn seed, how the model was loaded, and nothing that is no data", async () => {
    const recorder = record(model, { weights: "raw" });
    const seen: number[] = [];
    const { signal } = new AbortController();
    const [sample] = await recorder.sample({ length: 8, steps: 3, signal, onStep: ({ step }) => seen.push(step) });
    const { run } = recorder.trajectory();
    expect(run).toMatchObject({
      model: "fairytales",
      weights: "raw",
      verb: "sample",
      graph: { kind: "absorb", vocabularySize: model.tokenizer.size },
    });
    expect(run.options).toEqual({ length: 8, steps: 3, sampler: "analytic", seed: sample!.seed });
    expect(seen).toEqual([0, 1, 2, 3, 3]); // the caller's own listener is called as before
  });

  test("of a list with exact tokens keeps them, through its file too", async () => {
    const recorder = record(model);
    const [before] = await recorder.infill(template, { seed: 5, steps: 6 });
    const kept = before!.tokens;
    const pieces = [{ given: kept.slice(0, 3) }, { tokens: 2 }, { given: kept.slice(5) }];
    const [sample] = await recorder.infill(pieces, { seed: 6, steps: 4 });
    expect(sample!.tokens.toSpliced(3, 2)).toEqual(kept.toSpliced(3, 2));
    expect(sample!.text).toBe(model.tokenizer.decode(sample!.tokens));
    const read = parseTrajectory(formatTrajectory(recorder.trajectory()), "run.jsonl");
    expect(read.run.template).toEqual(pieces);
    await verifyTrajectory(model, read, "run.jsonl");
    await expect(recorder.infill([{ given: [model.tokenizer.size] }, { tokens: 1 }])).rejects.toThrow(
      /^piece 1 of the template gives token/,
    );
  });

  test("of nothing is refused", () => {
    expect(() => record(model).trajectory()).toThrow(UserError);
  });
});

test("verifying names the first line that comes out otherwise; a signal stops it", async () => {
  const recorder = record(model);
  await recorder.infill(template, { seed: 5, steps: 6 });
  const trajectory = recorder.trajectory();
  await verifyTrajectory(model, trajectory, "run.jsonl");
  const [first] = trajectory.changes;
  const nudged = { ...trajectory, changes: trajectory.changes.with(0, { ...first!, probability: first!.probability * (1 - 2 ** -52) }) };
  await expect(verifyTrajectory(model, nudged, "run.jsonl")).rejects.toThrow(
    /^run\.jsonl:2: recorded \{"step":.*\}, the run gives \{.*\}$/,
  );
  await verifyTrajectory(model, nudged, "run.jsonl", { tolerance: 1e-12 });
  const further = { ...trajectory, changes: trajectory.changes.with(0, { ...first!, probability: first!.probability * (1 - 1e-11) }) };
  await expect(verifyTrajectory(model, further, "run.jsonl", { tolerance: 1e-12 })).rejects.toThrow(/^run\.jsonl:2: /);
  const older = { ...nudged, run: { ...nudged.run, package: "0.0.1" } };
  await expect(verifyTrajectory(model, older, "run.jsonl")).rejects.toThrow(/\(recorded with sedd 0\.0\.1, this is .*\)$/);
  const reason = new Error("enough");
  await expect(verifyTrajectory(model, trajectory, "run.jsonl", { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
});
