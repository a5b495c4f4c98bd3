/** Working on a written text: what is locked stays, what is replaced is locked, and the rest becomes holes. */
import fc from "fast-check";
import { expect, it } from "vitest";
import type { Token } from "../../playground/parts/history.ts";
import { lock, replace, templateOf, type Draft } from "../../playground/write/draft.ts";

const token = (id: number, more: Partial<Token> = {}): Token => ({ id, open: false, locked: false, ...more });
const isLocked = ({ locked }: Token): boolean => locked;

const drafts = fc
  .array(fc.record({ id: fc.nat(50), state: fc.constantFrom("open", "locked", "written") }), { minLength: 1, maxLength: 20 })
  .map((list): Draft => list.map(({ id, state }) => token(id, { open: state === "open", locked: state === "locked" })));

it("a template keeps each kept token in its place and has a hole of the right length for each stretch of others", () => {
  fc.assert(
    fc.property(drafts, (draft) => {
      const pieces = templateOf(draft, isLocked);
      const laidOut = pieces.flatMap((piece): (number | undefined)[] => {
        if (typeof piece === "string") throw new Error("a text");
        return "given" in piece ? [...piece.given] : Array.from({ length: piece.tokens }, () => undefined);
      });
      expect(laidOut).toEqual(draft.map(({ id, locked }) => (locked ? id : undefined)));
      const kinds = pieces.map((piece) => typeof piece === "object" && "given" in piece);
      expect(kinds.every((given, i) => given !== kinds[i + 1])).toBe(true);
    }),
  );
});

it("locking and unlocking touch the chosen tokens alone, and nothing that is open", () => {
  const draft = [token(1), token(2, { open: true }), token(3), token(4, { locked: true })];
  expect(lock(draft, { begin: 0, end: 3 }, true).map(isLocked)).toEqual([true, false, true, true]);
  expect(lock(draft, { begin: 2, end: 4 }, false).map(isLocked)).toEqual([false, false, false, false]);
  expect(draft.map(isLocked)).toEqual([false, false, false, true]);
});

it("typed tokens take the place of the chosen ones, any number of them, and stay", () => {
  const draft = [token(1), token(2, { open: true }), token(3, { step: 4, probability: 0.5 })];
  const more = replace(draft, { begin: 1, end: 2 }, [7, 8]);
  expect(more.map(({ id }) => id)).toEqual([1, 7, 8, 3]);
  expect(more.map(isLocked)).toEqual([false, true, true, false]);
  expect(more[3]).toBe(draft[2]);
  expect(replace(draft, { begin: 0, end: 2 }, []).map(({ id }) => id)).toEqual([3]);
});
