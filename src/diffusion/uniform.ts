/** The uniform graph: every token is replaced, at rate 1, by one drawn evenly from all V. V states, no MASK. */
import { graphWithLimit, type Graph } from "./graph.ts";

/**
 * The uniform diffusion over `vocabularySize` tokens.
 *
 * @example uniform(2).transition(0, Math.log(2)) // [0.75, 0.25]: half is redrawn, half of that as it was
 */
export function uniform(vocabularySize: number): Graph {
  const share = 1 / vocabularySize;
  return graphWithLimit(
    { kind: "uniform", vocabularySize, states: vocabularySize, pull: { here: share, elsewhere: share } },
    () => share,
    (random) => random.integer(vocabularySize),
  );
}
