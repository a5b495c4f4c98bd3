import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { sampleFrom } from "../../src/diffusion/sample-from.ts";
import { samplerNames } from "../../src/diffusion/sampler.ts";
import {
  layoutText,
  layoutTemplate,
  parseQuery,
  parseTemplate,
  prefix,
  templateSegments,
  type Segment,
} from "../../src/diffusion/template.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { UserError } from "../../src/platform/errors.ts";
import { quoteTemplate } from "../support/quote.ts";

const short = (template: string) => parseTemplate(template).map((s) => (s.kind === "text" ? s.text : [s.tokens]));
const characters = (text: string) => Int32Array.from(text, (c) => c.codePointAt(0)! % 100);
const layout = (template: string, length = 20, limit = 20) => layoutTemplate(parseTemplate(template), characters, { length, limit });
const failure = (f: () => unknown): string => {
  try {
    f();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  }
  return expect.fail("nothing was thrown");
};

describe("parsing", () => {
  it.each<[string, unknown[]]>([
    ["Once [[30]] the [[ ]] end", ["Once ", [30], " the ", ["rest"], " end"]],
    ["[[5]]", [[5]]],
    ["[[]][[ 7 ]]", [["rest"], [7]]],
    ["[[8-24]] and [[ 8 - 24 ]]", [[{ min: 8, max: 24 }], " and ", [{ min: 8, max: 24 }]]],
    ["a \\[[ b", ["a [[ b"]],
    ["a \\[[3]] b", ["a [[3]] b"]],
    ["one [ two ]] three \\ four", ["one [ two ]] three \\ four"]],
    ["[[[4]]]", ["[", [4], "]"]],
    ["\\[[[[4]]", ["[[", [4]]],
    ["", []],
    ["🐉[[2]]é", ["🐉", [2], "é"]],
  ])("%j", (template, expected) => expect(short(template)).toEqual(expected));

  it("tells where each segment begins, counted from 1", () => {
    expect(parseTemplate("ab[[3]]\\[[c[[ ]]").map((s) => s.at)).toEqual([1, 3, 8, 12]);
  });

  it.each([
    ["tell [[12", "the template's [[ at character 6 is not closed by ]]; write \\[[ for literal brackets"],
    ["[[0]]", "the hole [[0]] at character 1 of the template must have at least 1 token"],
    ["a [[-3]]", "the hole [[-3]] at character 3 of the template is no count of tokens"],
    ["a [[many]]", "the hole [[many]] at character 3 of the template is no count of tokens"],
    ["a [[1.5]]", "no count of tokens"],
    ["[[0-4]]", "must have at least 1 token"],
    ["[[9-4]]", "ends before it begins"],
    ["[[99999999999999999999]]", "is too large"],
    ["[[5]] [[ [[6]]", "is no count of tokens"],
  ])("%j is refused", (template, message) => expect(failure(() => parseTemplate(template))).toContain(message));

  it("a quoted text is itself", () => {
    const text = fc.oneof(
      fc.string(),
      fc.array(fc.constantFrom("[", "]", "\\", "a"), { maxLength: 12 }).map((c) => c.join("")),
    );
    fc.assert(fc.property(text, (value) => void expect(short(quoteTemplate(value))).toEqual(value === "" ? [] : [value])));
  });

  it("never throws anything but a UserError", () => {
    const piece = fc.constantFrom("[[", "]]", "[", "]", "\\", "\\[[", "7", "-", " ", "x", "0");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
        try {
          parseTemplate(pieces.join(""));
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
    );
  });
});

describe("lists of texts, tokens and holes", () => {
  const tokenizer = { size: 5, decode: (tokens: Int32Array | readonly number[]) => Array.from(tokens, (token) => "vwxyz"[token]).join("") };
  it("say what brackets say, and quote nothing", () => {
    const pieces = ["Once \\", { tokens: 3 }, "[[x]]", { tokens: "rest" }, "", { tokens: { min: 2, max: 4 } }] as const;
    const plain = templateSegments(pieces, tokenizer).map((segment) => (segment.kind === "text" ? segment.text : segment.tokens));
    expect(plain).toEqual(["Once \\", 3, "[[x]]", "rest", { min: 2, max: 4 }]);
    expect(templateSegments("a [[3]]", tokenizer)).toEqual(parseTemplate("a [[3]]"));
  });

  it("given tokens stand as they are, and are not encoded", () => {
    const segments = templateSegments(["ab", { given: [4, 0] }, { given: [] }, { tokens: 1 }], tokenizer);
    const { given, spans } = layoutTemplate(segments, characters, { length: 20, limit: 20 });
    expect([...given]).toEqual([97, 98, 4, 0, -1]);
    expect(spans).toEqual([
      { begin: 0, end: 2, text: "ab" },
      { begin: 2, end: 4, text: "zv", exact: true },
      { begin: 4, end: 5 },
    ]);
  });

  it.each([5, -1, 0.5, Number.NaN])("token %d is none", (token) =>
    expect(failure(() => templateSegments(["a", { given: [0, token] }], tokenizer))).toBe(
      `piece 2 of the template gives token ${token}; tokens are 0 to 4`,
    ),
  );

  it("a character that is spread over tokens given and written is whole in the text", () => {
    const bytes = [[0x61], [0xc3], [0xa9]];
    const decode = (tokens: Int32Array) => new TextDecoder().decode(Uint8Array.from([...tokens].flatMap((token) => bytes[token]!)));
    const spans = [
      { begin: 0, end: 1, text: "A" },
      { begin: 1, end: 3, text: "a\ufffd", exact: true as const },
      { begin: 3, end: 4 },
      { begin: 4, end: 5, text: "B" },
    ];
    const tokens = Int32Array.of(0, 0, 1, 2, 0);
    expect(layoutText(tokens, { given: tokens, spans }, decode)).toBe("AaéB");
  });

  it.each([0, -1, 1.5, Number.NaN, { min: 3, max: 2 }, { min: 0, max: 2 }])("a hole of %j is none", (tokens) =>
    expect(() => templateSegments(["a", { tokens }], tokenizer)).toThrow(UserError),
  );
});

describe("parsing a query", () => {
  const query = (template: string) =>
    parseQuery(template).map((s) => (s.kind === "text" ? s.text : s.kind === "hole" ? [s.tokens] : { judge: s.text }));
  it.each<[string, unknown[]]>([
    ["Once [[upon a time]] there", ["Once ", { judge: "upon a time" }, " there"]],
    ["[[ a ]][[b]]", [{ judge: " a " }, { judge: "b" }]],
    ["[[8]][[ ]][[]] [[2-3]]", [[8], ["rest"], ["rest"], " ", [{ min: 2, max: 3 }]]],
    ["[[\\8]] [[\\ ]] [[\\\\]]", [{ judge: "8" }, " ", { judge: " " }, " ", { judge: "\\" }]],
    ["a \\[[b]] [[8 men]] [[1.5]]", ["a [[b]] ", { judge: "8 men" }, " ", { judge: "1.5" }]],
    ["[[two\nlines]] 🐉[[é]]", [{ judge: "two\nlines" }, " 🐉", { judge: "é" }]],
  ])("%j", (template, expected) => expect(query(template)).toEqual(expected));
  it("tells where each segment begins, and what is not closed", () => {
    expect(parseQuery("ab[[cd]]e").map((s) => s.at)).toEqual([1, 3, 9]);
    expect(failure(() => parseQuery("a [[b"))).toContain("[[ at character 3 is not closed");
    expect(failure(() => parseQuery("a [[0]]"))).toContain("must have at least 1 token");
  });
});

describe("layout", () => {
  it("places text and holes in order; the length is the template's own", () => {
    const { given, spans } = layout("ab[[3]]c");
    expect([...given]).toEqual([97, 98, -1, -1, -1, 99]);
    expect(spans).toEqual([
      { begin: 0, end: 2, text: "ab" },
      { begin: 2, end: 5 },
      { begin: 5, end: 6, text: "c" },
    ]);
  });
  it("[[ ]] holes share what is left, the first ones a token more", () => {
    const holes = layout("a[[ ]]b[[2]][[ ]]c[[ ]]", 13)
      .spans.filter((span) => span.text === undefined)
      .map((span) => span.end - span.begin);
    expect(holes).toEqual([3, 2, 3, 2]);
    expect(layout("a[[ ]]b", 13).given).toHaveLength(13);
  });
  it.each<[string, number, string]>([
    ["a[[10000]]", 20, "the hole [[10000]] at character 2 of the template is longer than the 20 tokens there is room for"],
    ["[[15]] [[15]]", 20, "the template comes to 31 tokens; at most 20 are possible"],
    ["[[ ]]" + "a".repeat(20), 20, "the template needs at least 21 tokens, the length is 20"],
    ["[[ ]]", 21, "the template comes to 21 tokens; at most 20 are possible"],
    ["", 20, "the template is empty"],
    ["a [[8-24]]", 20, "is a range; here its length must be settled"],
  ])("%j at length %d is refused", (template, length, message) => expect(failure(() => layout(template, length))).toContain(message));
  it("a prefix is what is given, and must leave room", () => {
    expect([...prefix([4, 5], 4)]).toEqual([4, 5, -1, -1]);
    expect([...prefix([], 2)]).toEqual([-1, -1]);
    expect(failure(() => prefix([1, 2], 2))).toContain("the prompt has 2 tokens, which leaves nothing to write at length 2");
  });
});

describe("what is given comes back unchanged", () => {
  it("in 1,000 random templates, through the whole sampler", async () => {
    const hole = fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constant("rest" as const));
    const segment = fc.oneof(
      fc.record({ kind: fc.constant("text" as const), text: fc.string({ minLength: 1, maxLength: 5 }) }),
      fc.record({ kind: fc.constant("hole" as const), tokens: hole }),
    );
    const write = (s: { kind: "text"; text: string } | { kind: "hole"; tokens: number | "rest" }) =>
      s.kind === "text" ? quoteTemplate(s.text) : s.tokens === "rest" ? "[[ ]]" : `[[${s.tokens}]]`;
    const runs = fc.record({
      segments: fc
        .array(segment, { minLength: 1, maxLength: 7 })
        .map((all) => all.filter((s, i) => !(s.kind === "text" && all[i - 1]?.kind === "text"))),
      way: fc.constantFrom(...samplerNames.map((sampler) => ({ sampler, graph: absorb(100) })), {
        sampler: "euler" as const,
        graph: uniform(100),
      }),
      seed: fc.nat(),
      length: fc.integer({ min: 35, max: 45 }),
    });
    await fc.assert(
      fc.asyncProperty(runs, async ({ segments, way, seed, length }) => {
        // A text that ends in a backslash or bracket would change what follows it: give those a letter behind.
        const safe = segments.map((s) => (s.kind === "text" ? { ...s, text: s.text.replace(/[\\[]$/, "$&.") } : s));
        const template = safe.map(write).join("");
        const parsed: Segment[] = parseTemplate(template);
        expect(parsed.map((s) => (s.kind === "text" ? s.text : s.tokens))).toEqual(
          safe.map((s) => (s.kind === "text" ? s.text : s.tokens)),
        );
        const { given, spans } = layoutTemplate(parsed, characters, { length, limit: 64 });
        const score = (tokens: Int32Array) => Float64Array.from({ length: tokens.length * way.graph.states }, (_, k) => Math.sin(k + seed));
        const samples = await sampleFrom(score, { ...way, noise: logLinear(), length: given.length, given, steps: 2, count: 2, seed });
        for (const sample of samples) {
          given.forEach((token, i) => token !== -1 && expect(sample[i]).toBe(token));
          for (const { begin, end, text } of spans) if (text !== undefined) expect(sample.slice(begin, end)).toEqual(characters(text));
          expect(sample.every((token) => token >= 0 && token < 100)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
