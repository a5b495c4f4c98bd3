/** Runs that the server records: the file verifies, and snapshots leave out no step, however slowly they are read. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { replayTrajectory, type TrajectoryFrame } from "../../src/diffusion/trajectory.ts";
import { parseTrajectory } from "../../src/diffusion/trajectory-file.ts";
import type { Step } from "../../src/server/protocol.ts";
import { cli, temporaryFolder } from "../cli/support.ts";
import { atOnce, eventsOf, inThread, serveTiny } from "./support.ts";

interface Snapshot extends Omit<TrajectoryFrame, "sequence"> {
  readonly type: "snapshot";
  readonly index: number;
  readonly between: readonly Step[];
}
interface Done {
  readonly type: "done";
  readonly texts: readonly { readonly text: string }[];
  readonly recording: string;
}

const ask = { template: "the [[6]] saw [[4]].", n: 2, seed: 5, steps: 40, temperature: 0.9, record: true };
const diffusing = { ...ask, stream: true, diffusing: true };

/** All that snapshots tell of one text, step by step. */
const toldOf = (snapshots: readonly Snapshot[]) =>
  snapshots.flatMap(({ between, step, time, sigma, tokens, changed, probability }) => [
    ...between,
    {
      ...{ step, time, sigma },
      changes: changed.map((position, j) => ({ position, token: tokens[position]!, probability: probability[j]! })),
    },
  ]);

test.each(["absorb", "uniform"] as const)("%s: sedd replay --verify accepts it, written beside other requests", async (graph) => {
  const served = await serveTiny({}, {}, graph);
  const [events] = await Promise.all([
    served.post("/v1/infill", diffusing).then(eventsOf),
    ...[1, 2, 3].map(async (seed) => (await served.post("/v1/infill", { template: "a [[9]]", seed, steps: 30 })).text()),
  ]);
  const done = events.at(-2) as Done;
  expect(done.recording).not.toContain(served.folder);
  const file = join(await temporaryFolder(), "run.jsonl");
  await writeFile(file, done.recording);
  expect(await cli(["replay", file, "--verify", "--model", served.folder])).toMatchObject({
    code: 0,
    stdout: done.texts.map(({ text }) => `${text}\n`).join(""),
    stderr: expect.stringMatching(/verified: \d+ changes and 2 texts come out bit for bit\n[^]*--- infill of tiny, seed 5, 40 steps/),
  });
  // The same without a stream, and with one of text; nothing of it where it is not asked for.
  expect(await (await served.post("/v1/infill", ask)).json()).toMatchObject({ recording: done.recording });
  expect((await eventsOf(await served.post("/v1/infill", { ...ask, stream: true }))).at(-2)).toMatchObject({ recording: done.recording });
  const plain = await (await served.post("/v1/infill", { ...diffusing, record: false })).text();
  expect(plain).not.toMatch(/"recording"|"between"/);
});

test.each([
  ["as they come", inThread],
  ["missed by a slow reader", atOnce],
])("snapshots, %s, tell every step of every text", async (_, connect) => {
  const served = await serveTiny({}, { connect });
  const events = (await eventsOf(await served.post("/v1/infill", diffusing))) as (Snapshot | Done)[];
  const trajectory = parseTrajectory((events.at(-2) as Done).recording, "run.jsonl");
  const snapshots = events.filter((event) => event.type === "snapshot");
  for (const index of [0, 1]) {
    const own = snapshots.filter((snapshot) => snapshot.index === index);
    const frames = [...replayTrajectory(trajectory, index)];
    expect(toldOf(own)).toEqual(toldOf(frames.map((frame) => ({ ...frame, type: "snapshot", index, between: [] }))));
    // A step that changes nothing has no snapshot of its own; those that are not read in time are one with the last.
    const changing = frames.filter(({ changed, time }, k) => k === 0 || changed.length > 0 || time === 0).length;
    expect(changing).toBeLessThan(frames.length);
    expect(own.length).toBeLessThanOrEqual(connect === atOnce ? 2 : changing);
  }
});
