/** Text that may be appended: what has settled, and what no stop text can begin with. */
import { expect, test } from "vitest";
import { follower } from "../../src/server/settled.ts";
import { stopFilter } from "../../src/server/stops.ts";

const MASK = 4;
const bytes = ["a", "b", "\u00e9", ""].map((text) => new TextEncoder().encode(text));
/** Tokens: a, the two bytes of é one by one, end of text. */
const pieces = [bytes[0]!, bytes[2]!.subarray(0, 1), bytes[2]!.subarray(1), bytes[3]!];
const tokenizer = { pieceBytes: (id: number) => pieces[id]!, endOfText: 3 };
const spans = [
  { begin: 0, end: 1, text: "<" },
  { begin: 1, end: 4 },
  { begin: 4, end: 5, text: ">" },
  { begin: 5, end: 6 },
];
const frame = (hole: number[], last: number, done = false) => ({ tokens: [0, ...hole, 0, last], spans, done });

test("nothing behind an open position, no half of a character", () => {
  const { push } = follower(tokenizer, { mask: MASK, region: "all" });
  expect(push(frame([MASK, MASK, 0], 0))).toBe("<");
  expect(push(frame([0, MASK, 0], 0))).toBe("a");
  expect(push(frame([0, 1, MASK], 0))).toBe("");
  expect(push(frame([0, 1, 2], MASK))).toBe("é>");
  expect(push(frame([0, 1, 2], 0, true))).toBe("a");
});

test("a character that is spread over a token given and a hole", () => {
  const { push } = follower(tokenizer, { mask: MASK, region: "all" });
  const spread = [
    { begin: 0, end: 1 },
    { begin: 1, end: 3, text: "a\ufffd", exact: true as const },
    { begin: 3, end: 4 },
  ];
  expect(push({ tokens: [MASK, 0, 1, 2], spans: spread, done: false })).toBe("");
  expect(push({ tokens: [0, 0, 1, MASK], spans: spread, done: false })).toBe("aa");
  expect(push({ tokens: [0, 0, 1, 2], spans: spread, done: true })).toBe("é");
});

test("holes alone end at an end-of-text token", () => {
  const follow = follower(tokenizer, { mask: MASK, region: "holes" });
  expect([follow.push(frame([0, 3, MASK], MASK)), follow.ended]).toEqual(["a", true]);
  expect([follow.push(frame([0, 3, 0], 0, true)), follow.text]).toEqual(["", "a"]);
});

test("where every token may change, nothing is final before the end; half a character then is one that is broken", () => {
  const { push } = follower(tokenizer, { region: "all" });
  expect(push(frame([0, 0, 1], 0))).toBe("<");
  expect(push(frame([0, 0, 1], 0, true))).toBe("aa\ufffd>a");
});

test("stop texts across pieces, the first of several, and what only looked like one", () => {
  const run = (stops: string[], ...texts: string[]) => {
    const filter = stopFilter(stops);
    return [...texts.map((text) => filter.push(text)), filter.end(), filter.stopped];
  };
  expect(run(["END"], "one E", "N", "D two", "three")).toEqual(["one ", "", "", "", "", true]);
  expect(run(["END"], "one E", "NE", "x")).toEqual(["one ", "EN", "Ex", "", false]);
  expect(run(["bc", "b"], "abc")).toEqual(["a", "", true]);
  expect(run(["aab"], "aaa", "b")).toEqual(["a", "", "", true]);
  expect(run([], "all")).toEqual(["all", "", false]);
});
