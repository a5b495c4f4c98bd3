/**
 * A trajectory as JSON lines: a header with everything that does not move (the run, its frames' times, how each sequence began), one line a change
 * {step, time, sequence, position, token, probability}, and an end with what came out. Numbers are printed so that they read back bit for bit. Each line
 * ends with a checksum of itself and all lines before it, so that a line that was altered, left out or cut off is found, and named.
 */
import { z } from "zod";
import { UserError } from "../platform/errors.ts";
import type { Change, RunDescription, Trajectory } from "./trajectory.ts";

const FORMAT = "sedd-trajectory";
const VERSION = 1;

const natural = z.int().min(0);
const templateSchema = z.union([
  z.string(),
  z.array(
    z.union([
      z.string(),
      z.strictObject({ given: z.array(natural) }),
      z.strictObject({ tokens: z.union([natural, z.literal("rest"), z.strictObject({ min: natural, max: natural })]) }),
    ]),
  ),
]);
const headerSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  package: z.string(),
  model: z.string(),
  device: z.string().optional(),
  weights: z.string().optional(),
  verb: z.enum(["sample", "infill"]),
  template: templateSchema.optional(),
  options: z.record(z.string(), z.unknown()),
  graph: z.object({ kind: z.enum(["absorb", "uniform"]), vocabularySize: z.int().min(1) }),
  noise: z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("loglinear"), eps: z.number() }),
    z.object({ kind: z.literal("geometric"), sigmaMin: z.number(), sigmaMax: z.number() }),
  ]),
  frames: z.array(z.object({ step: natural, time: z.number(), sigma: z.number(), changes: natural })).min(1),
  start: z.array(z.array(natural)).min(1),
});
const changeSchema = z.object({
  step: natural,
  time: z.number(),
  sequence: natural,
  position: natural,
  token: natural,
  probability: z.number().gt(0).max(1),
});
const endSchema = z.object({ end: z.literal(true), tokens: z.array(z.array(natural)), texts: z.array(z.string()) });

/** The lines of a trajectory, without their checksums: header, changes, end. */
function bodies({ run, frames, start, changes, tokens, texts }: Trajectory): string[] {
  // Typed arrays among the options become plain ones.
  const plain = (_key: string, value: unknown): unknown => (ArrayBuffer.isView(value) ? Array.from(value as unknown as number[]) : value);
  const header = JSON.stringify({ format: FORMAT, version: VERSION, ...run, frames, start }, plain);
  return [header, ...changes.map((change) => JSON.stringify(change)), JSON.stringify({ end: true, tokens, texts })];
}

/**
 * The file's text, line by line, the last one with its line end too.
 *
 * @example await writeFile("run.jsonl", formatTrajectory(recorder.trajectory()));
 */
export function formatTrajectory(trajectory: Trajectory): string {
  let sum = START;
  return bodies(trajectory)
    .map((body) => {
      sum = checksum(sum, body);
      return `${body.slice(0, -1)},"check":"${hex(sum)}"}\n`;
    })
    .join("");
}

/**
 * Reads what {@link formatTrajectory} wrote, and checks that the changes lead from the beginning to the end.
 *
 * @param name of the file, for errors
 * @throws UserError with the number of the first line that is missing, was altered, or does not fit those before it
 */
export function parseTrajectory(text: string, name: string): Trajectory {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const wrong = (line: number, what: string): UserError => new UserError(`${name}:${line}: ${what}`);
  let sum = START;
  const read = <T>(index: number, schema: z.ZodType<T>, what: string): T => {
    const line = lines[index];
    if (line === undefined) throw wrong(index + 1, `the file ends here, before ${what}: it was cut off`);
    const [, inner, check] = /^(\{.*),"check":"([0-9a-f]{8})"\}$/.exec(line) ?? [];
    if (inner === undefined)
      throw wrong(
        index + 1,
        index === 0 ? "is not the header of a recorded run (sedd sample --record)" : "is no whole line of a recorded run",
      );
    sum = checksum(sum, `${inner}}`);
    if (hex(sum) !== check) throw wrong(index + 1, "was altered, or lines before it are missing: its checksum is another");
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      throw wrong(index + 1, "is not JSON");
    }
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issue = result.error.issues[0]!;
    throw wrong(index + 1, `is not ${what}: ${[...issue.path, issue.message].join(": ")}`);
  };

  const {
    format: _format,
    version: _version,
    frames,
    start,
    ...run
  } = read(0, headerSchema, "the header of a recorded run of this format");
  const states = run.graph.vocabularySize + (run.graph.kind === "absorb" ? 1 : 0);
  const text0 = start.map((sequence) => [...sequence]);
  if (text0.some((sequence) => sequence.some((state) => state >= states))) throw wrong(1, `begins with states beyond ${states - 1}`);
  const changes: Change[] = [];
  const touched = text0.map((sequence) => sequence.map(() => 1));
  for (const { step, time, changes: count } of frames)
    for (let k = 0; k < count; k++) {
      const change = read(changes.length + 1, changeSchema, "a change");
      const line = changes.push(change) + 1;
      const sequence = text0[change.sequence];
      if (!sequence) throw wrong(line, `there is no sequence ${change.sequence}; the run has ${text0.length}`);
      if (change.position >= sequence.length)
        throw wrong(line, `there is no position ${change.position}; the sequence has ${sequence.length}`);
      if (change.token >= states) throw wrong(line, `token ${change.token} is no state; states are 0 to ${states - 1}`);
      if (change.step !== step || change.time !== time)
        throw wrong(line, `is of step ${change.step}, time ${change.time}; step ${step}, time ${time} is due`);
      sequence[change.position] = change.token;
      touched[change.sequence]![change.position] = line;
    }
  const end = read(changes.length + 1, endSchema, "the end of the run");
  if (lines.length > changes.length + 2) throw wrong(changes.length + 3, "the run has ended before this line");
  if (end.tokens.length !== text0.length || end.texts.length !== text0.length)
    throw wrong(changes.length + 2, `${text0.length} sequences began, another number ended`);
  text0.forEach((sequence, i) => {
    if (end.tokens[i]!.length !== sequence.length) throw wrong(changes.length + 2, `sequence ${i} ends with another length`);
    const at = sequence.findIndex((token, position) => token !== end.tokens[i]![position]);
    if (at >= 0)
      throw wrong(
        touched[i]![at]!,
        `leaves token ${sequence[at]} at position ${at} of sequence ${i}, which ends with ${end.tokens[i]![at]}`,
      );
  });
  return { run: run as RunDescription, frames, start, changes, tokens: end.tokens, texts: end.texts };
}

/**
 * Where two runs part: the first line in which the other differs from the recorded one. What it was called and where it ran may differ.
 *
 * @param tolerance relative, of every number; 0: bit for bit. Whole numbers (tokens, places, steps) are so compared exactly by any that is small.
 * @returns undefined where they are the same; else the number of the recorded line and both lines
 */
export function firstDifference(
  recorded: Trajectory,
  other: Trajectory,
  tolerance = 0,
): { line: number; recorded: string; other: string } | undefined {
  const ran = ({ verb, template, options, graph, noise }: RunDescription) => ({
    package: "",
    model: "",
    verb,
    template,
    options,
    graph,
    noise,
  });
  const a = bodies({ ...recorded, run: ran(recorded.run) });
  const b = bodies({ ...other, run: ran(other.run) });
  // The header counts the changes: it is compared last, so that the first change that is another one is named.
  const order = [...Array.from({ length: Math.max(a.length, b.length) - 1 }, (_, k) => k + 1), 0];
  const k = order.find((line) => !sameLine(a[line], b[line], tolerance));
  return k === undefined ? undefined : { line: k + 1, recorded: a[k] ?? "nothing", other: b[k] ?? "nothing" };
}

const sameLine = (a: string | undefined, b: string | undefined, tolerance: number): boolean =>
  a === b || (tolerance > 0 && a !== undefined && b !== undefined && alike(JSON.parse(a), JSON.parse(b), tolerance));

/** Whether two plain values are the same but for numbers that differ by so small a share of themselves. */
function alike(a: unknown, b: unknown, tolerance: number): boolean {
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const [own, others] = [Object.entries(a), Object.entries(b)];
  return own.length === others.length && own.every(([key, value]) => alike(value, (b as Record<string, unknown>)[key], tolerance));
}

const START = 0x811c9dc5;
const hex = (sum: number): string => sum.toString(16).padStart(8, "0");

/** FNV-1a (32 bits) over the characters of a line, begun with the checksum of the lines before. Against accidents, not against malice. */
function checksum(begin: number, line: string): number {
  let sum = begin;
  for (let i = 0; i < line.length; i++) sum = Math.imul(sum ^ line.charCodeAt(i), 0x01000193);
  return sum >>> 0;
}
