/** Bodies from a JSON schema, as an OpenAPI document has it: valid ones with their bounds, and ones with something wrong. */
import fc from "fast-check";

export interface Schema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
}

const bracketed = fc.array(
  fc.constantFrom("the", " king", "[[", "]]", "2", "-", " ", "a", "\\", "[[1]]", "[[ ]]", "[[1-3]]", "[[ fox]]", "ß", "🐉"),
  {
    maxLength: 6,
  },
);
const texts = fc.oneof(
  fc.constantFrom("the king", "a fox [[2]] saw", "the[[ king]] saw", "[[3]]"),
  bracketed.map((pieces) => pieces.join("")),
  fc.string({ unit: "grapheme", maxLength: 20 }),
);

/** Values that a schema allows; `known` says better than the schema what a property of a name may be. */
export function valid(schema: Schema, known: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map((branch) => valid(branch, known)));
  const types = [schema.type ?? "anything"].flat();
  if (types.length > 1) return fc.oneof(...types.map((type) => valid({ ...schema, type }, known)));
  const { minimum, exclusiveMinimum, maximum = Number.MAX_SAFE_INTEGER, items = {}, minItems = 0, maxItems = Infinity } = schema;
  const least = minimum ?? exclusiveMinimum ?? 0;
  switch (types[0]) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
      // Small ones mostly: large ones are work, not abuse.
      return fc.oneof(
        { weight: 12, arbitrary: fc.integer({ min: least, max: Math.min(maximum, least + 8) }) },
        { weight: 1, arbitrary: fc.constant(maximum) },
      );
    case "number":
      return fc.oneof(
        fc.constantFrom(minimum ?? least + 1e-300, schema.maximum ?? 1e308, least + 0.5),
        fc.double({ min: least, minExcluded: minimum === undefined, max: schema.maximum ?? 30, noNaN: true }),
      );
    case "string":
      return texts.map((text) => (text.length < (schema.minLength ?? 0) ? "a" : text));
    case "array":
      return fc.array(valid(items, known), { minLength: minItems, maxLength: Math.min(maxItems, minItems + 4) });
    case "object": {
      const own = Object.entries(schema.properties ?? {}).map(([name, property]) => [name, known[name] ?? valid(property, known)] as const);
      return fc.record(Object.fromEntries(own), { requiredKeys: [...(schema.required ?? [])], noNullPrototype: true });
    }
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

/** What no field means. */
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom<unknown[]>(
    -1,
    0.5,
    1e308,
    2 ** 53,
    -0,
    "NaN",
    "Infinity",
    "1e999",
    "\ud800",
    "\udfff\ud800",
    "[[",
    "[[0]]",
    "[[99999999999]]",
    "\\[[",
  ),
  fc.constantFrom<unknown[]>(
    "a".repeat(5000),
    "\u0000",
    "[[ ]]".repeat(50),
    [[[[[[]]]]]],
    {},
    { tokens: -1 },
    { given: [1e9] },
    null,
    true,
  ),
);

interface Edit {
  /** Where, as shares: which child of what is there, down to as deep as they go. */
  readonly at: readonly number[];
  readonly kind: "replace" | "remove" | "add";
  readonly name: string;
  readonly value: unknown;
}
const edits: fc.Arbitrary<Edit> = fc.record({
  at: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 3 }),
  kind: fc.constantFrom("replace", "replace", "remove", "add"),
  name: fc.constantFrom("anything", "__proto__", "constructor", "toString", "steps", "logprobs", ""),
  value: odd,
});

const isNode = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

function edited(value: unknown, { at: [share = 0, ...deeper], kind, name, value: other }: Edit): unknown {
  if (!isNode(value)) return kind === "remove" ? null : other;
  const entries = Object.entries(value);
  const rebuilt = (all: [string, unknown][]) => (Array.isArray(value) ? all.map(([, item]) => item) : Object.fromEntries(all));
  const k = Math.floor(share * entries.length);
  const chosen = entries[k];
  if (kind === "add" || !chosen) return rebuilt([...entries, [name, other]]);
  if (deeper.length > 0 && isNode(chosen[1]))
    return rebuilt(entries.with(k, [chosen[0], edited(chosen[1], { at: deeper, kind, name, value: other })]));
  return rebuilt(kind === "remove" ? entries.toSpliced(k, 1) : entries.with(k, [chosen[0], other]));
}

/** Valid bodies with one to three edits: a part replaced by something odd, left out, or added. */
export const mutated = (bodies: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(bodies, fc.array(edits, { minLength: 1, maxLength: 3 }))
    .map(([body, list]) => list.reduce<unknown>((value, edit) => edited(value, edit), body));
