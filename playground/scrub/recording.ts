/** A recorded run as the page shows runs. */
import { replayTrajectory, type Trajectory } from "sedd";
import type { Backend } from "../backend/backend.ts";
import { tokenTexts } from "../parts/token-texts.ts";
import type { Run } from "../session/run.ts";

/**
 * @param name the file's
 * @param backend the model that it is opened with
 */
export function runOf(trajectory: Trajectory, name: string, backend: Backend): Run {
  const { graph, options } = trajectory.run;
  const mask = graph.kind === "absorb" ? graph.vocabularySize : undefined;
  const frames = trajectory.start.map((start, sequence) => {
    // What was given is not told. Under absorb it is what was there at the beginning; under uniform noise looks like text.
    const spans = start.map((token, i) => ({ begin: i, end: i + 1, given: mask !== undefined && token !== mask }));
    return Array.from(replayTrajectory(trajectory, sequence), (frame) => ({ ...frame, spans }));
  });
  return {
    source: { kind: "file", name, model: trajectory.run.model, vocabularySize: graph.vocabularySize },
    ...{ card: backend.card, texts: tokenTexts(backend), mask },
    sampler: String(options["sampler"] ?? "analytic"),
    frames,
    state: "done",
    result: { texts: trajectory.texts, tokens: trajectory.tokens, milliseconds: 0, trajectory },
  };
}
