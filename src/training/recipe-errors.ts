/** What is wrong with a recipe, in one line: the full path of each key, its value, and what would do. */
import { z } from "zod";

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** All issues of a schema's check of `raw`. */
export function describeIssues(issues: readonly Issue[], raw: unknown, schema: z.ZodType): string {
  return issues
    .flatMap((issue) => specific(issue))
    .map((issue) => describe(issue, raw, schema))
    .join("; ");
}

/** An issue of a union as the issues of the alternative that was meant: the one with which the value got furthest. */
function specific(issue: Issue, above: Path = []): Issue[] {
  const here = { ...issue, path: [...above, ...issue.path] } as Issue;
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return [here];
  const isWrongType = (alternative: readonly Issue[]): boolean =>
    alternative.some(({ code, path }) => code === "invalid_type" && path.length === 0);
  const meant = issue.errors.filter((alternative) => !isWrongType(alternative));
  return meant.length === 1 ? meant[0]!.flatMap((inner) => specific(inner, here.path)) : [here];
}

function describe(issue: Issue, raw: unknown, schema: z.ZodType): string {
  if (issue.code === "unrecognized_keys") {
    const known = knownKeys(issue.path, raw, schema).join(", ");
    return issue.keys.map((name) => `${show([...issue.path, name])}: unknown key; known here: ${known}`).join("; ");
  }
  const value = valueAt(raw, issue.path);
  if (value === undefined && issue.path.length > 0) return `${show(issue.path)}: missing; ${expectation(issue, schema)}`;
  const shown = JSON.stringify(value) ?? String(value);
  return `${show(issue.path)}: ${shown.length > 60 ? `${shown.slice(0, 60)}…` : shown} will not do; ${expectation(issue, schema)}`;
}

const typeNames: Readonly<Record<string, string>> = {
  int: "a whole number",
  number: "a number",
  string: "a text",
  object: "a section",
  array: "a list",
  boolean: "true or false",
};

function expectation(issue: Issue, schema: z.ZodType): string {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${typeNames[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected ${oneOf(issue.values)}`;
    case "too_small":
      return `expected ${sized(issue)}${issue.inclusive ? "at least" : "more than"} ${issue.minimum}`;
    case "too_big":
      return `expected ${sized(issue)}${issue.inclusive ? "at most" : "less than"} ${issue.maximum}`;
    case "invalid_union":
      return issue.discriminator === undefined ? "expected a file's path or a section" : `expected ${oneOf(constants(issue.path, schema))}`;
    default:
      return issue.message;
  }
}

const oneOf = (values: readonly unknown[]): string => values.map((value) => JSON.stringify(value)).join(" or ");

/** What the key at a path may be in the alternatives of its section. */
const constants = (path: Path, schema: z.ZodType): unknown[] =>
  alternatives(schemaAt(path.slice(0, -1), schema)).map(({ properties }) => properties?.[String(path.at(-1))]?.const);

const sized = ({ origin }: { origin: string }): string =>
  origin === "array" ? "a list of " : origin === "string" ? "a text of length " : "";

const show = (path: Path): string => path.map(String).join(".") || "the recipe";

/** What stands at a path; undefined where there is none. */
export const valueAt = (raw: unknown, path: Path): unknown =>
  path.reduce((node, step) => (node as Record<PropertyKey, unknown> | null | undefined)?.[step], raw);

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly const?: unknown;
}

function schemaAt(path: Path, schema: z.ZodType): JsonSchema | undefined {
  let at: JsonSchema | undefined = z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
  for (const step of path)
    at =
      typeof step === "number"
        ? at?.items
        : alternatives(at)
            .map(({ properties }) => properties?.[String(step)])
            .find((property) => property !== undefined);
  return at;
}

const alternatives = (at: JsonSchema | undefined): readonly JsonSchema[] => at?.anyOf ?? at?.oneOf ?? (at ? [at] : []);

/** The keys that the schema has at a path; of several alternatives, those of the one whose constants the value has. */
function knownKeys(path: Path, raw: unknown, schema: z.ZodType): string[] {
  const at = schemaAt(path, schema);
  const value = valueAt(raw, path) as Record<string, unknown>;
  const fits = ({ properties }: JsonSchema): boolean =>
    properties !== undefined &&
    Object.entries(properties).every(
      ([key, property]) => property.const === undefined || value[key] === undefined || property.const === value[key],
    );
  return [
    ...new Set(
      alternatives(at)
        .filter(fits)
        .flatMap(({ properties }) => Object.keys(properties ?? {})),
    ),
  ];
}
