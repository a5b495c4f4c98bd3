/** A backend that writes the position's number at every position, one a step, as fast as it is let. */
import type { Trajectory } from "sedd";
import type { Backend, Frame } from "../../playground/backend/backend.ts";

/** Stands for the recordings of runs whose steps no test reads in them: one text of one token, in which nothing moves. */
export const noTrajectory: Trajectory = {
  run: {
    ...{ package: "0.1.0", model: "fake", verb: "infill", template: [{ given: [0] }], options: { seed: 1 } },
    ...{ graph: { kind: "absorb", vocabularySize: 100 }, noise: { kind: "loglinear", eps: 1e-3 } },
  },
  frames: [{ step: 0, time: 1, sigma: 1, changes: 0 }],
  start: [[0]],
  changes: [],
  tokens: [[0]],
  texts: [""],
};

export interface FakeOptions {
  readonly length?: number;
  /** Awaited before each step, the beginning too; may throw. */
  readonly pause?: (step: number) => Promise<void>;
}

export function fakeBackend({ length = 4, pause = async () => undefined }: FakeOptions = {}): Backend {
  const mask = 100;
  const unused = (): never => {
    throw new Error("not a part of this test");
  };
  return {
    card: {
      name: "fake",
      device: "none",
      graph: "absorb",
      vocabularySize: mask,
      parameters: 0,
      longest: length,
      length,
      mask,
      leftToRight: false,
    },
    async generate({ count, steps = length }, { signal, onFrame }) {
      const texts = Array.from({ length: count }, () => Array<number>(length).fill(mask));
      for (let step = 0; step <= length; step++) {
        await pause(step);
        signal.throwIfAborted();
        texts.forEach((tokens, sequence) => {
          const changed = step === 0 ? [] : [step - 1];
          for (const position of changed) tokens[position] = position;
          const frame: Frame = {
            ...{ sequence, step, steps, changed, time: 1 - step / length, sigma: length - step },
            tokens: [...tokens],
            probability: changed.map(() => 1),
            spans: [{ begin: 0, end: length, given: false }],
          };
          onFrame(frame);
        });
      }
      return { texts: texts.map(String), tokens: texts, milliseconds: 1, trajectory: noTrajectory };
    },
    laws: unused,
    likelihood: unused,
    encode: unused,
    textsOf: unused,
    decode: unused,
    dispose: () => undefined,
  };
}
