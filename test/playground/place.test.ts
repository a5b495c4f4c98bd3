/** The place in a run: what is chosen while it plays stays chosen. */
import { expect, it } from "vitest";
import { goIn, placeIn } from "../../playground/scrub/place.ts";
import type { Run } from "../../playground/session/run.ts";

const sourceOf = (name: string): Run["source"] => ({ kind: "file", name, model: "fake", vocabularySize: 100 });

it("changes what is named and nothing else, from where one is then", () => {
  const source = sourceOf("a.jsonl");
  expect(placeIn(source)).toEqual({ source, sequence: 0, frame: undefined, position: undefined });
  // As a timer of the player does, that was set before the choices.
  const onwards = (): void => goIn(source, ({ frame = 0 }) => ({ frame: frame + 1 }));
  onwards();
  goIn(source, { position: 7 });
  goIn(source, { sequence: 1 });
  onwards();
  expect(placeIn(source)).toEqual({ source, sequence: 1, frame: 2, position: 7 });
  goIn(source, { frame: 9 });
  onwards();
  expect(placeIn(source).frame).toBe(10);
});

it("another run begins at its end, whatever was chosen in the one before", () => {
  const [first, second] = [sourceOf("a.jsonl"), sourceOf("b.jsonl")];
  goIn(first, { frame: 3, position: 2 });
  goIn(second, { position: 1 });
  expect(placeIn(second)).toEqual({ source: second, sequence: 0, frame: undefined, position: 1 });
});
