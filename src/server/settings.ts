/**
 * A server's settings: flags before environment (SEDD_…) before configuration file before defaults. The three say the same things by the same names: `--api-key`,
 * SEDD_API_KEY and `apiKey`.
 */
import { z } from "zod";
import { isObject } from "../formats/json.ts";
import { readYaml } from "../formats/yaml.ts";
import { DEFAULT_MODEL } from "../model.ts";
import { UserError } from "../platform/errors.ts";
import { isOrigin } from "./security.ts";

const texts = z.union([
  z
    .string()
    .min(1)
    .transform((text) => [text]),
  z.array(z.string().min(1)).min(1),
]);
const whole = (least: number, most: number) => z.int().min(least).max(most);

const noOrigin = (list: readonly string[]): string =>
  `${list.find((item) => !isOrigin(item))} is no origin; give one as browsers write it, without a path or a default port, such as https://example.org, or * for any`;

/** Of a configuration file; flags and environment give the same. */
const schema = z.strictObject({
  host: z.string().min(1).default("127.0.0.1"),
  port: whole(0, 65_535).default(8080),
  /** Folders or shipped names, each as it is or as ID=FOLDER. */
  model: texts.default([DEFAULT_MODEL]),
  /** As a header can carry it; a file's line end is none of it. */
  apiKey: z
    .string()
    .trim()
    .min(8, { error: "at least 8 characters" })
    .regex(/^[\x21-\x7e]+$/, { error: "ASCII letters, digits and signs without spaces, which a header can carry" })
    .optional(),
  /** Of pages; "*" is every one. */
  corsOrigin: texts.refine((list) => list.every(isOrigin), { error: ({ input }) => noOrigin(input as string[]) }).default([]),
  device: z.enum(["cpu", "wasm"]).optional(),
  weights: z.enum(["ema", "raw"]).optional(),
  threads: whole(1, 256).optional(),
  batching: z.boolean().default(true),
  /** Texts that are written at once, per model. */
  rows: whole(1, 1024).default(32),
  /** Requests that may wait, per model. */
  queue: whole(0, 100_000).default(128),
  /** Seconds. */
  timeLimit: z.number().positive().max(86_400).default(120),
  grace: z.number().min(0).max(3600).default(10),
  /** Bytes. */
  bodyLimit: whole(1024, 2 ** 30).default(2 ** 20),
  /** Of one request. */
  texts: whole(1, 1024).default(16),
  steps: whole(1, 100_000).default(4096),
  trustProxy: z.boolean().default(false),
  logLevel: z.enum(["silent", "error", "warn", "info", "debug"]).default("info"),
  logTexts: z.boolean().default(false),
});

export type Settings = z.output<typeof schema>;

const lists = new Set(["model", "corsOrigin"]);
/** apiKey → SEDD_API_KEY. */
const variableOf = (name: string): string => `SEDD_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
export const variables: readonly string[] = Object.keys(schema.shape).map(variableOf);
const flagOf = (name: string): string => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/**
 * @param flags what the command line gave, by name; undefined where it gave nothing
 * @param file a configuration file, YAML or JSON
 * @throws UserError that names the flag, variable or field, its value and what would do
 */
export async function readSettings(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
  file?: string,
): Promise<Settings> {
  const stored = file === undefined ? {} : await readConfiguration(file);
  const given: Record<string, unknown> = { ...stored };
  const sources = new Map(Object.keys(stored).map((name) => [name, `${file}: ${name}`]));
  for (const name of Object.keys(schema.shape)) {
    const variable = env[variableOf(name)];
    if (variable !== undefined && variable !== "") {
      given[name] = plain(name, variable);
      sources.set(name, variableOf(name));
    }
    if (flags[name] !== undefined) {
      given[name] = flags[name];
      sources.set(name, flagOf(name));
    }
  }
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  if (issue.code === "unrecognized_keys")
    throw new UserError(`${file}: ${issue.keys[0]} is no setting; there are ${Object.keys(schema.shape).join(", ")}`);
  const name = String(issue.path[0]);
  const value = name === "apiKey" ? "" : ` ${JSON.stringify(given[name])}`;
  throw new UserError(`${sources.get(name) ?? name}${value}: ${issue.message.replace(/^Invalid input: /, "")}`);
}

/** Variables that look like settings and are none: a misspelt SEDD_APIKEY would leave a server open. SEDD_CACHE is the cache's. */
export function strayVariables(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set(["SEDD_CACHE", ...variables]);
  return Object.keys(env).filter((name) => name.startsWith("SEDD_") && !known.has(name));
}

/** A variable's text as a configuration file would have it. */
function plain(name: string, text: string): unknown {
  if (lists.has(name)) return text.split(",").map((item) => item.trim());
  if (/^(true|false)$/.test(text)) return text === "true";
  const setting: z.ZodType = schema.shape[name as keyof typeof schema.shape];
  const isNumber = [1, 1024].some((number) => setting.safeParse(number).success);
  return isNumber && /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

async function readConfiguration(file: string): Promise<Record<string, unknown>> {
  const value = await readYaml(file);
  if (!isObject(value)) throw new UserError(`${file}: expected settings by name, for example port: 8080`);
  return value;
}
