/** Compiled loss programs, one a shape, over one flat buffer of parameters. */
import { GRADIENT, lossProgram, PARAMETER, type BatchShape, type Corruption, type Objective } from "../objectives/objective.ts";
import { compile, type CompileOptions, type Executable } from "../tensor/index.ts";

export interface LossRunner {
  /** The summed loss, and, where `gradients` is given, its gradient written there. */
  run(parameters: Float32Array, corruption: Corruption, shape: BatchShape, gradients?: Float32Array): Promise<number>;
  dispose(): Promise<void>;
}

export function lossRunner(objective: Objective, options: CompileOptions): LossRunner {
  const programs = new Map<string, Executable>();
  const { layout } = objective;
  return {
    async run(parameters, { feeds, capacity }, shape, gradients) {
      const training = gradients !== undefined;
      const key = [shape.batch, shape.length, capacity, training].join();
      let program = programs.get(key);
      if (!program) {
        program = await compile(lossProgram(objective, shape, capacity, { training, gradients: training }), options);
        programs.set(key, program);
      }
      const { sum } = await program.run(
        { ...layout.slices(parameters, PARAMETER), ...feeds },
        gradients ? layout.slices(gradients, GRADIENT) : {},
      );
      return Number(sum![0]);
    },
    async dispose() {
      for (const program of programs.values()) await program.dispose();
      programs.clear();
    },
  };
}
