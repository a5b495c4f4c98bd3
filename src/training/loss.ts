/** Compiled loss programs, one a shape, over one flat buffer of parameters. */
import { GRADIENT, lossProgram, PARAMETER, type BatchShape, type Corruption, type Objective } from "../objectives/objective.ts";
import { compile, type CompileOptions, type Executable } from "../tensor/index.ts";

export interface LossRunner {
  /** The summed loss, and, where `gradients` is given, its gradient written there. */
  run(parameters: Float32Array, corruption: Corruption, shape: BatchShape, gradients?: Float32Array): Promise<number>;
  /** Releases the programs of all other shapes: each holds the most memory that it ever needed. */
  keep(shapes: readonly BatchShape[]): Promise<void>;
  dispose(): Promise<void>;
}

export function lossRunner(objective: Objective, options: CompileOptions): LossRunner {
  const programs = new Map<string, { readonly shape: BatchShape; readonly program: Executable }>();
  const { layout } = objective;
  return {
    async run(parameters, { feeds, capacity }, shape, gradients) {
      const training = gradients !== undefined;
      const key = [shape.batch, shape.length, capacity, training].join();
      let own = programs.get(key);
      if (!own) {
        own = { shape, program: await compile(lossProgram(objective, shape, capacity, { training, gradients: training }), options) };
        programs.set(key, own);
      }
      const { sum } = await own.program.run(
        { ...layout.slices(parameters, PARAMETER), ...feeds },
        gradients ? layout.slices(gradients, GRADIENT) : {},
      );
      return Number(sum![0]);
    },
    async keep(shapes) {
      for (const [key, { shape, program }] of programs) {
        if (shapes.some(({ batch, length }) => batch === shape.batch && length === shape.length)) continue;
        programs.delete(key);
        await program.dispose();
      }
    },
    async dispose() {
      for (const { program } of programs.values()) await program.dispose();
      programs.clear();
    },
  };
}
