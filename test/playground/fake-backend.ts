/** A backend that writes the position's number at every position, one a step, as fast as it is let. */
import type { Backend, Frame } from "../../playground/backend/backend.ts";

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
    card: { name: "fake", device: "none", graph: "absorb", vocabularySize: mask, parameters: 0, longest: length, length, mask },
    async generate({ count, steps }, { signal, onFrame }) {
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
      return { texts: texts.map(String), tokens: texts, milliseconds: 1 };
    },
    laws: unused,
    likelihood: unused,
    encode: unused,
    textsOf: unused,
    dispose: () => undefined,
  };
}
