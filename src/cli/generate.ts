/** What `sample` and `infill` do alike: load, draw, show, print. Texts go to standard output, all else to standard error. */
import { writeFileAtomic } from "#platform";
import { formatTrajectory } from "../diffusion/trajectory-file.ts";
import { load, type Model } from "../model.ts";
import { record } from "../objectives/sedd-record.ts";
import type { Sample, SampleFrame, SampleOptions } from "../objectives/sedd-model.ts";
import { printable } from "./cells.ts";
import { mayColor, type Io } from "./io.ts";
import { requireFolderOf, type GenerateOptions, type ModelOptions } from "./options.ts";
import { showingDownloads } from "./download-progress.ts";
import { duration, statusLine } from "./progress.ts";
import { watchView } from "./watch.ts";

export async function generate(
  io: Io,
  { model: name, device, weights, threads, json, watch, record: file, ...given }: GenerateOptions,
  draw: (model: Pick<Model, "sample" | "infill">, options: SampleOptions) => Promise<Sample[]>,
): Promise<void> {
  const { signal } = io;
  if (file !== undefined) await requireFolderOf("--record", file);
  const settings = settingsOf(given);
  const model = await showingDownloads(io.stderr, (onProgress) => load(name, { device, weights, threads, signal, onProgress }));
  try {
    if (!json) void model.tokenizer; // without one there is no text to print: a UserError before anything is drawn
    const recorder = file === undefined ? undefined : record(model, { device, weights });
    const view = watch ? watchOf(model, settings.count, io) : stepCounter(io);
    let samples: Sample[];
    try {
      samples = await draw(recorder ?? model, {
        ...settings,
        signal,
        onStep: view && ((frame) => frame.sequence === 0 && view.show(frame)),
      });
      signal.throwIfAborted();
      view?.finish();
    } finally {
      view?.close();
    }
    if (json) for (const sample of samples) io.stdout.write(`${JSON.stringify(sample)}\n`);
    else print(samples, io);
    // After the text is out: a full disk costs the record alone.
    if (recorder) await writeFileAtomic(file!, formatTrajectory(recorder.trajectory()));
  } finally {
    await model.dispose();
  }
}

export const watchOf = ({ tokenizer }: Pick<Model, "tokenizer">, count: number, io: Io) =>
  watchView({
    output: io.stdout,
    messages: io.stderr,
    color: mayColor(io.stdout, io.env),
    pieces: (tokens) => tokenizer.pieces(tokens),
    mask: tokenizer.size,
    title: count > 1 ? `sample 1 of ${count}  ` : "",
    signal: io.signal,
  });

/** What the flags mean to a model. */
function settingsOf({ allow, forbid, corrector, ...rest }: Omit<GenerateOptions, keyof ModelOptions | "json" | "watch" | "record">) {
  return {
    ...rest,
    ...(corrector === undefined ? {} : { corrector: { positions: corrector } }),
    ...(allow || forbid ? { constraints: [{ allow, forbid }] } : {}),
  };
}

/** On a terminal, how far the sampler is. */
function stepCounter({ stderr }: Io) {
  if (!stderr.isTTY) return undefined;
  const line = statusLine(stderr);
  return {
    show: ({ step, steps }: SampleFrame) => line.update(`step ${step}/${steps}`),
    finish: () => line.clear(),
    close: () => line.clear(),
  };
}

function print(samples: readonly Sample[], { stdout, stderr }: Io): void {
  const [{ seed, steps, sampler, departures = {} }] = samples as [Sample, ...Sample[]];
  samples.forEach(({ text }, i) => {
    if (samples.length > 1) stderr.write(`--- seed ${seed}, sample ${i + 1} ---\n`);
    stdout.write(`${stdout.isTTY ? printable(text) : text}\n`);
  });
  const seconds = samples.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / 1000;
  const named = Object.entries(departures).map(([name, value]) => `, ${name} ${value}`);
  stderr.write(`--- seed ${seed}, ${sampler}, ${steps} steps${named.join("")}, ${duration(seconds)} ---\n`);
}
