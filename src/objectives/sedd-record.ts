/** Recording what a model writes, and proving a record by writing it again. */
import { collectFrames, type RunDescription, type Trajectory } from "../diffusion/trajectory.ts";
import { firstDifference } from "../diffusion/trajectory-file.ts";
import { UserError } from "../platform/errors.ts";
import { packageVersion } from "../platform/version.ts";
import { graphOf } from "./sedd.ts";
import type { Sample, SampleFrame, SeddModel } from "./sedd-model.ts";

/** A model's two verbs, whose last call is kept as a trajectory. */
export interface Recorder extends Pick<SeddModel, "sample" | "infill"> {
  /** The last call that ended, whole. */
  trajectory(): Trajectory;
}

/**
 * A model that remembers.
 *
 * @param loaded how the model was loaded, so that it can be loaded so again: stands in the record
 * @example
 * const recorder = record(model);
 * await recorder.infill("Once upon a time[[24]].", { seed: 7 });
 * await writeFile("run.jsonl", formatTrajectory(recorder.trajectory()));
 */
export function record(model: SeddModel, loaded: Pick<RunDescription, "device" | "weights"> = {}): Recorder {
  let last: Trajectory | undefined;
  const recorded = async <O extends object>(
    call: Pick<RunDescription, "verb" | "template">,
    options: O & { readonly onStep?: ((frame: SampleFrame) => void) | undefined; readonly signal?: AbortSignal | undefined },
    draw: (options: O) => Promise<Sample[]>,
  ): Promise<Sample[]> => {
    const { onStep, signal, ...given } = options;
    const { sedd } = model.config;
    const frames = collectFrames();
    const samples = await draw({
      ...options,
      onStep: (frame: SampleFrame) => {
        frames.add(frame);
        onStep?.(frame);
      },
    });
    signal?.throwIfAborted();
    const run: RunDescription = {
      package: packageVersion,
      model: model.name,
      ...loaded,
      ...call,
      // What was left out too: how probabilities are to be read depends on the sampler.
      options: { ...given, sampler: samples[0]!.sampler, seed: samples[0]!.seed },
      graph: { kind: sedd.graph, vocabularySize: graphOf(sedd).vocabularySize },
      noise: sedd.noise,
    };
    last = frames.trajectory(run, samples.map(({ text }) => text)); // prettier-ignore
    return samples;
  };
  return {
    sample: async (options = {}) => recorded({ verb: "sample" }, options, (all) => model.sample(all)),
    infill: async (template, options = {}) => recorded({ verb: "infill", template }, options, (all) => model.infill(template, all)),
    trajectory() {
      if (!last) throw new UserError("trajectory: nothing has been recorded yet; call sample or infill of the recorder first");
      return last;
    },
  };
}

export interface VerifyOptions {
  /** By how large a share of itself a number may differ, default 0: bit for bit. For a run of another JavaScript engine, such as a browser's, 1e-12. */
  readonly tolerance?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((frame: SampleFrame) => void) | undefined;
}

/**
 * Runs a recorded call again and compares every change, every probability and the text, bit for bit. The network's last bits depend on the machine: the
 * same package, device and kind of processor give them again, whatever the number of threads. So does the same JavaScript engine: another one's `Math.exp` may round
 * otherwise, which the language leaves to it.
 *
 * @param name of the file, for errors
 * @throws UserError with the first line that comes out otherwise
 */
export async function verifyTrajectory(
  model: SeddModel,
  trajectory: Trajectory,
  name: string,
  { tolerance = 0, ...options }: VerifyOptions = {},
): Promise<void> {
  const { verb, template = "", options: given, package: version } = trajectory.run;
  const recorder = record(model);
  await (verb === "sample" ? recorder.sample({ ...given, ...options }) : recorder.infill(template, { ...given, ...options }));
  const again = recorder.trajectory();
  const found = firstDifference(trajectory, again, tolerance);
  if (!found) return;
  const versions = again.run.package === version ? "" : ` (recorded with sedd ${version}, this is ${again.run.package})`;
  const shorten = (line: string): string => (line.length > 160 ? `${line.slice(0, 160)}…` : line);
  throw new UserError(`${name}:${found.line}: recorded ${shorten(found.recorded)}, the run gives ${shorten(found.other)}${versions}`);
}
