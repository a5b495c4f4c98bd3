/**
 * Infill templates: `Once [[30]] the [[ ]] end`. `[[n]]` is a hole of n tokens, `[[ ]]` takes an even share of what is left of the length, `[[a-b]]` is a hole of
 * a to b tokens, `\[[` is two literal brackets. Of a longer run of brackets the last two open the hole. Parsing knows text; layout knows tokens.
 */
import { UserError } from "../platform/errors.ts";
import type { Tokenizer } from "../text/interface.ts";

/** A piece of a template; `at` is where it begins there (counted from 1, in UTF-16 units). */
export type Segment =
  /** `tokens` where they are given themselves; left out, the text is encoded. */
  | { readonly kind: "text"; readonly text: string; readonly tokens?: readonly number[]; readonly at: number }
  /** `tokens` is a number, "rest", or a range whose length is still to be chosen. */
  | { readonly kind: "hole"; readonly tokens: number | "rest" | { readonly min: number; readonly max: number }; readonly at: number };

/** The segments of a template, in order; neighbouring text is one segment. What cannot be read is a UserError that names the place. */
export const parseTemplate = (template: string): Segment[] =>
  parse(template, (inside, at) => ({ kind: "hole", tokens: holeSize(inside, at), at }));

/**
 * A template in brackets, or as a list of texts, tokens and holes, in which no text needs quoting. `given` are token ids that come back as they are: of a
 * text that was written, some tokens can be kept and the rest written again, which encoding its pieces anew would not do.
 */
export type Template =
  | string
  | readonly (string | { readonly given: readonly number[] } | { readonly tokens: Extract<Segment, { kind: "hole" }>["tokens"] })[];

/**
 * The segments of either form; in a list, `at` counts the pieces.
 *
 * @throws UserError for a hole or a token that cannot be
 */
export function templateSegments(template: Template, { size, decode }: Pick<Tokenizer, "size" | "decode">): Segment[] {
  if (typeof template === "string") return parseTemplate(template);
  return template.flatMap((piece, k): Segment[] => {
    if (typeof piece === "string") return piece === "" ? [] : [{ kind: "text", text: piece, at: k + 1 }];
    if ("given" in piece) {
      const wrong = piece.given.find((token) => !(Number.isSafeInteger(token) && token >= 0 && token < size));
      if (wrong !== undefined) throw new UserError(`piece ${k + 1} of the template gives token ${wrong}; tokens are 0 to ${size - 1}`);
      return piece.given.length === 0 ? [] : [{ kind: "text", text: decode(piece.given), tokens: piece.given, at: k + 1 }];
    }
    const { tokens } = piece;
    const [min, max] = typeof tokens === "object" ? [tokens.min, tokens.max] : [tokens, tokens];
    const isCount = (n: number | "rest"): boolean => Number.isSafeInteger(n) && Number(n) >= 1;
    if (tokens !== "rest" && !(isCount(min) && isCount(max) && Number(min) <= Number(max)))
      throw new UserError(
        `hole ${k + 1} of the template, ${JSON.stringify(tokens)}: expected a count of tokens, of at least 1, "rest" or { min, max }`,
      );
    return [{ kind: "hole", tokens, at: k + 1 }];
  });
}

/** What a query judges: a piece of text in its place. */
export interface Judged {
  readonly kind: "judged";
  readonly text: string;
  readonly at: number;
}

/**
 * The segments of a query: as those of a template, but brackets hold the text to judge (`Once [[upon a time]] there`). A number of tokens or nothing between them
 * is a hole still; a backslash makes text of either (`[[\\8]]` judges "8").
 */
export const parseQuery = (template: string): (Segment | Judged)[] =>
  parse<Segment | Judged>(template, (inside, at) => {
    if (/^\s*(?:\d+\s*(?:-\s*\d+\s*)?)?$/.test(inside)) return { kind: "hole", tokens: holeSize(inside, at), at };
    return { kind: "judged", text: inside.startsWith("\\") ? inside.slice(1) : inside, at };
  });

/** Splits a template at its brackets; `bracket` says what stands for their inside, the brackets being at character `at`. */
function parse<T extends { readonly kind: string }>(
  template: string,
  bracket: (inside: string, at: number) => T,
): (T | Extract<Segment, { kind: "text" }>)[] {
  const segments: (T | Extract<Segment, { kind: "text" }>)[] = [];
  let text = "";
  let textAt = 1;
  const flush = () => {
    if (text !== "") segments.push({ kind: "text", text, at: textAt });
    text = "";
  };
  for (let i = 0; i < template.length;) {
    if (text === "") textAt = i + 1;
    if (template.startsWith("\\[[", i)) {
      text += "[[";
      i += 3;
    } else if (template.startsWith("[[", i) && template[i + 2] !== "[") {
      const end = template.indexOf("]]", i + 2);
      if (end === -1) throw new UserError(`the template's [[ at character ${i + 1} is not closed by ]]; write \\[[ for literal brackets`);
      flush();
      segments.push(bracket(template.slice(i + 2, end), i + 1));
      i = end + 2;
    } else text += template[i++]!;
  }
  flush();
  return segments;
}

function holeSize(inside: string, at: number): number | "rest" | { min: number; max: number } {
  const content = inside.trim();
  if (content === "") return "rest";
  const shown = `the hole [[${inside}]] at character ${at} of the template`;
  const match = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(content);
  if (!match) throw new UserError(`${shown} is no count of tokens; write [[24]], or [[ ]] for what is left, or \\[[ for literal brackets`);
  const sizes = match
    .slice(1, 3)
    .filter((digits) => digits !== undefined)
    .map(Number);
  if (!sizes.every((size) => Number.isSafeInteger(size))) throw new UserError(`${shown} is too large`);
  if (sizes[0]! < 1) throw new UserError(`${shown} must have at least 1 token`);
  if (sizes.length === 1) return sizes[0]!;
  if (sizes[1]! < sizes[0]!) throw new UserError(`${shown} ends before it begins`);
  return { min: sizes[0]!, max: sizes[1]! };
}

/** A template laid out over positions. */
export interface Layout {
  /** [length] tokens, −1 in holes: what a sampler takes. */
  readonly given: Int32Array;
  /**
   * Where each segment lies: positions `begin` (included) to `end` (not included). What is given has its text, and comes back letter for letter, or, where
   * `exact`, token for token: then the text alone may begin or end with a part of a character, whose rest is in a neighbour.
   */
  readonly spans: readonly { readonly begin: number; readonly end: number; readonly text?: string; readonly exact?: true }[];
}

/** The text of what stands on a layout's positions. Tokens of neighbouring spans are decoded together, as a character may be spread over them. */
export function layoutText(tokens: Int32Array, { spans }: Layout, decode: (tokens: Int32Array) => string): string {
  let [text, done] = ["", 0];
  for (const { begin, end, text: given, exact } of spans) {
    if (given === undefined || exact) continue;
    text += decode(tokens.subarray(done, begin)) + given;
    done = end;
  }
  return text + decode(tokens.subarray(done));
}

/**
 * Places segments on positions. Each text is encoded by itself, so that what is given comes back unchanged.
 *
 * @param length positions that `[[ ]]` holes fill up to; not used where there are none
 * @param limit the most positions there may be
 */
export function layoutTemplate(
  segments: readonly Segment[],
  encode: (text: string) => ArrayLike<number>,
  { length, limit }: { readonly length: number; readonly limit: number },
): Layout {
  const pieces = segments.map((segment) => {
    if (segment.kind === "text") {
      const { text, tokens, at } = segment;
      return { text, tokens: tokens ?? encode(text), exact: tokens !== undefined, size: 0, at };
    }
    if (typeof segment.tokens === "object")
      throw new UserError(
        `the hole [[${segment.tokens.min}-${segment.tokens.max}]] at character ${segment.at} of the template is a range; here its length must be settled`,
      );
    if (segment.tokens !== "rest" && segment.tokens > limit)
      throw new UserError(
        `the hole [[${segment.tokens}]] at character ${segment.at} of the template is longer than the ${limit} tokens there is room for`,
      );
    return { text: undefined, tokens: undefined, exact: false, size: segment.tokens, at: segment.at };
  });
  const sizeOf = (piece: (typeof pieces)[number]) => (piece.tokens ? piece.tokens.length : piece.size === "rest" ? 0 : piece.size);
  const fixed = pieces.reduce((sum, piece) => sum + sizeOf(piece), 0);
  const sharers = pieces.filter((piece) => piece.size === "rest").length;
  const total = sharers > 0 ? length : fixed;
  if (total === 0) throw new UserError("the template is empty; write text with holes such as [[24]]");
  if (fixed + sharers > total)
    throw new UserError(`the template needs at least ${fixed + sharers} tokens, the length is ${total}; give a larger one, or less text`);
  if (total > limit) throw new UserError(`the template comes to ${total} tokens; at most ${limit} are possible`);

  const given = new Int32Array(total).fill(-1);
  const spans: Layout["spans"][number][] = [];
  let position = 0;
  let left = total - fixed;
  let sharersLeft = sharers;
  for (const piece of pieces) {
    let size = sizeOf(piece);
    if (piece.size === "rest") {
      size = Math.ceil(left / sharersLeft--);
      left -= size;
    }
    if (piece.tokens) given.set(piece.tokens, position);
    spans.push({
      begin: position,
      end: position + size,
      ...(piece.text === undefined ? {} : { text: piece.text }),
      ...(piece.exact ? { exact: true } : {}),
    });
    position += size;
  }
  return { given, spans };
}

/** What is given when every sequence begins with a prompt: its tokens, then holes up to `length`. */
export function prefix(prompt: ArrayLike<number>, length: number): Int32Array {
  if (!(prompt.length < length))
    throw new UserError(`the prompt has ${prompt.length} tokens, which leaves nothing to write at length ${length}`);
  const wrong = Array.from(prompt).find((token) => !(Number.isSafeInteger(token) && token >= 0));
  if (wrong !== undefined) throw new UserError(`the prompt holds ${String(wrong)}; give token ids, whole numbers from 0 on`);
  const given = new Int32Array(length).fill(-1);
  given.set(prompt);
  return given;
}
