/** What a model's worker does: runs jobs that come through a port, several at once, and says how they go. Threads are not its concern (worker.ts). */
import { formatTrajectory } from "../diffusion/trajectory-file.ts";
import { load, type Model } from "../model.ts";
import { record, type Recorder } from "../objectives/sedd-record.ts";
import { graphOf } from "../objectives/sedd.ts";
import { messageOf, UserError } from "../platform/errors.ts";
import type { FromWorker, GenerateJob, JobEvent, Port, QueryJob, Result, Step, ToWorker, WorkerSettings } from "./protocol.ts";
import { follower } from "./settled.ts";

/** Loads the model and serves jobs until the port closes. Never throws: a model that does not load is a message. */
export async function serveJobs(port: Port<FromWorker, ToWorker>, settings: WorkerSettings): Promise<void> {
  const { id, path, device, weights, threads, maxRows } = settings;
  const anonymous = (text: string): string => text.replaceAll(path, id);
  let model: Model;
  let vocabularySize: number;
  try {
    const onCall = (rows: number, runs: number) => port.postMessage({ type: "call", rows, runs });
    model = await load(path, { device, weights, threads, ...(maxRows > 1 ? { batching: { maxRows, onCall } } : {}) });
    vocabularySize = model.tokenizer.size; // a server writes texts: a UserError for a model without one
  } catch (error) {
    port.postMessage({ type: "broken", message: messageOf(error), user: error instanceof UserError });
    return;
  }
  const running = new Map<number, AbortController>();
  port.on("message", (message) => {
    if (message.type === "cancel") {
      running.get(message.job)?.abort();
      return;
    }
    const { job, task } = message;
    const controller = new AbortController();
    running.set(job, controller);
    const tell = (event: JobEvent) => port.postMessage({ type: "event", job, event });
    const { signal } = controller;
    (task.kind === "generate" ? generate(model, settings, task, signal, tell) : query(model, task, signal))
      .then(
        (result) => port.postMessage({ type: "done", job, result }),
        (error: unknown) => {
          const reason = signal.aborted ? "cancelled" : error instanceof UserError ? "user" : "internal";
          port.postMessage({ type: "failed", job, message: anonymous(messageOf(error)), reason });
        },
      )
      .finally(() => running.delete(job))
      .catch(() => undefined);
  });
  const { length, longest, parameterCount, config } = model;
  port.postMessage({
    type: "ready",
    card: {
      length,
      longest,
      parameterCount,
      vocabularySize,
      graph: config.sedd.graph,
      mask: maskOf(model),
      objective: config.sedd.objective ?? "sedd",
    },
  });
}

const maskOf = ({ config }: Model): number | undefined => graphOf(config.sedd).mask;

async function generate(
  model: Model,
  { id, device, weights }: WorkerSettings,
  task: GenerateJob,
  signal: AbortSignal,
  tell: (event: JobEvent) => void,
): Promise<Result> {
  const { kind: _, template, show, region, record: kept, ...options } = task;
  const recorder = kept ? record(model, { device, weights }) : undefined;
  const followers = Array.from({ length: task.count }, () => follower(model.tokenizer, { mask: maskOf(model), region }));
  const between = followers.map((): Step[] => []);
  let started = false;
  const samples = await (recorder ?? model).infill(template, {
    ...options,
    signal,
    onStep(frame) {
      const { sequence, step, steps, time, sigma, tokens, spans, done, changed, probability } = frame;
      if (!started) {
        const given = spans.reduce((sum, { begin, end, text }) => sum + (text === undefined ? 0 : end - begin), 0);
        tell({ type: "started", given, holes: tokens.length - given });
        started = true;
      }
      if (show === "snapshots" && (changed.length > 0 || step === 0 || done))
        tell({
          ...{ type: "snapshot", sequence, step, steps, time, sigma, text: frame.text, tokens, changed, probability },
          spans: spans.map(({ begin, end, text }) => ({ begin, end, given: text !== undefined })),
          ...(recorder ? { between: between[sequence]!.splice(0) } : {}),
        });
      else if (show === "snapshots" && recorder) between[sequence]!.push({ step, time, sigma, changes: [] });
      if (show !== "settled" && !done) return;
      const follow = followers[sequence]!;
      const before = follow.ended;
      const text = follow.push(frame);
      if (show === "settled" && (text !== "" || follow.ended !== before)) tell({ type: "text", sequence, text, ended: follow.ended });
    },
  });
  signal.throwIfAborted();
  const { steps, lengths } = samples[0]!;
  const texts = samples.map(({ tokens }, i) => ({ text: followers[i]!.text, tokens, ended: followers[i]!.ended }));
  return {
    ...{ kind: "generate", texts, steps },
    ...(lengths ? { lengths } : {}),
    ...(recorder ? { recording: fileOf(recorder, id) } : {}),
  };
}

/** @param id what the model is called outside: where its folder is nobody is told */
function fileOf(recorder: Recorder, id: string): string {
  const trajectory = recorder.trajectory();
  return formatTrajectory({ ...trajectory, run: { ...trajectory.run, model: id } });
}

async function query(model: Model, task: QueryJob, signal: AbortSignal): Promise<Result> {
  const answer = await answerOf(model, task, signal);
  signal.throwIfAborted();
  return { kind: "query", answer };
}

async function answerOf(model: Model, task: QueryJob, signal: AbortSignal): Promise<Extract<Result, { kind: "query" }>["answer"]> {
  if (task.kind === "laws") return { laws: await model.laws(task.tokens, task.sigma, { ...task, signal }) };
  if (task.kind === "likelihood") return model.likelihood(task.text, { ...task, signal });
  if (task.kind === "score") {
    const { template, candidates, top, ...options } = task;
    if (candidates) return model.rank(template, candidates, { ...options, signal });
    return model.score(template, { ...options, top, signal });
  }
  const { tokenizer } = model;
  const tokens = task.tokens ?? Array.from(tokenizer.encode(task.text!));
  const wrong = tokens.find((token) => token > tokenizer.size);
  if (wrong !== undefined) throw new UserError(`tokens: there is no token ${wrong}; tokens are 0 to ${tokenizer.size - 1}, and MASK`);
  return { tokens, texts: tokens.map((token) => tokenizer.decode([token])), text: tokenizer.decode(tokens) };
}
