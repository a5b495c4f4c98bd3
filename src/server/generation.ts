/** Jobs that write texts, as all routes that write share them: settings into jobs, stop texts, who has ended, and the end of the work when all have. */
import type { Context } from "hono";
import { drawSeed } from "../platform/random.ts";
import { hostOf, laneOf, type Service } from "./context.ts";
import type { Counts, GenerateJob, JobEvent, Result } from "./protocol.ts";
import type { Body } from "./schemas.ts";
import { stopFilter } from "./stops.ts";

/** The settings of a draw, as requests name them. */
type Settings = Pick<Body<"infill">, "seed" | "steps" | "sampler" | "temperature" | "top_k" | "top_p">;

/** Those settings as a job has them. Temperature 0 means the likeliest token. */
export function drawOptions({ seed, steps, sampler, temperature, top_k, top_p }: Settings) {
  const greedy = temperature === 0;
  return {
    seed: seed ?? drawSeed(),
    steps,
    sampler,
    temperature: greedy ? undefined : temperature,
    topK: greedy ? 1 : top_k,
    topP: greedy ? undefined : top_p,
  } satisfies Partial<GenerateJob>;
}

/** Aborted when the client leaves, or by whoever needs the work no more. */
export function requestSignal(c: Context): { readonly signal: AbortSignal; readonly abort: (reason: unknown) => void } {
  const controller = new AbortController();
  const client = c.req.raw.signal;
  const leave = (): void => controller.abort(new Error("the client is gone"));
  if (client.aborted) leave();
  client.addEventListener("abort", leave, { once: true });
  return { signal: controller.signal, abort: (reason) => controller.abort(reason) };
}

export type FinishReason = "stop" | "length";
export interface Ended {
  readonly text: string;
  readonly reason: FinishReason;
  /** The stop text that ended it, or an end-of-text token, or neither. */
  readonly by: "word" | "eos" | "limit";
}

export interface GenerateOptions {
  readonly model: string | undefined;
  readonly job: GenerateJob;
  readonly stops?: readonly string[];
  readonly signal: AbortSignal;
  /** One of several jobs of a request, and not the first. */
  readonly admitted?: boolean | undefined;
  readonly onStarted?: (counts: Counts) => void;
  /** Text to append to a sequence, after stops. */
  readonly onText?: (sequence: number, text: string) => void;
  /** A sequence whose text is complete. */
  readonly onEnd?: (sequence: number, ended: Ended) => void;
  readonly onSnapshot?: (event: Extract<JobEvent, { type: "snapshot" }>) => void;
}

export interface Generated extends Partial<Pick<Extract<Result, { kind: "generate" }>, "steps" | "lengths" | "recording">> {
  readonly ended: readonly Ended[];
  readonly counts: Counts;
  readonly tokens?: readonly (readonly number[])[];
}

/** The texts of a job; it leaves the worker early when every text has met its stop. */
export async function generate(c: Context, service: Service, options: GenerateOptions): Promise<Generated> {
  const { model, job, stops = [], signal, admitted, onStarted, onText, onEnd, onSnapshot } = options;
  const host = hostOf(service, model);
  const enough = new AbortController();
  const both = AbortSignal.any([signal, enough.signal]);
  const sequences = Array.from({ length: job.count }, () => ({
    filter: stopFilter(stops),
    text: "",
    ended: undefined as Ended | undefined,
  }));
  let counts: Counts = { given: 0, holes: 0 };
  const append = (k: number, text: string): void => {
    if (text === "") return;
    sequences[k]!.text += text;
    onText?.(k, text);
  };
  const end = (k: number, by: Ended["by"]): void => {
    const sequence = sequences[k]!;
    if (sequence.ended) return;
    if (by !== "word") append(k, sequence.filter.end());
    sequence.ended = { text: sequence.text, reason: by === "limit" ? "length" : "stop", by };
    onEnd?.(k, sequence.ended);
  };
  const receive = (k: number, piece: string, eos: boolean): void => {
    const { filter, ended } = sequences[k]!;
    if (ended) return;
    append(k, filter.push(piece));
    if (filter.stopped) end(k, "word");
    else if (eos) end(k, "eos");
  };
  const onEvent = (event: JobEvent): void => {
    if (event.type === "started") {
      counts = event;
      onStarted?.(counts);
    } else if (event.type === "snapshot") onSnapshot?.(event);
    else {
      receive(event.sequence, event.text, event.ended);
      if (sequences.every(({ ended }) => ended)) enough.abort(new Error("all texts have ended"));
    }
  };
  const all = (): Ended[] => sequences.map(({ ended }) => ended!);
  let result;
  try {
    result = await host.run(job, { lane: laneOf(c, service), rows: job.count, signal: both, admitted, onEvent });
  } catch (error) {
    if (!enough.signal.aborted || signal.aborted) throw error;
  }
  service.metrics.tokens.inc({ model: host.id }, counts.holes * job.count);
  if (!result || result.kind !== "generate") return { ended: all(), counts };
  const { kind: _, texts, ...rest } = result;
  texts.forEach(({ text, ended }, k) => {
    // While it ran, only what had settled was told, if anything.
    if (!sequences[k]!.ended) receive(k, job.show === "settled" ? "" : text, ended);
    end(k, "limit");
  });
  return { ended: all(), counts, tokens: texts.map(({ tokens }) => tokens), ...rest };
}
