/** The absorbing graph: every token turns into MASK at rate 1, and stays there. V tokens, V + 1 states, MASK = V. */
import { graphWithLimit, type Graph } from "./graph.ts";

/**
 * The absorbing ("masked") diffusion over `vocabularySize` tokens.
 *
 * @example absorb(3).transition(0, Math.log(2)) // [0.5, 0, 0, 0.5]: half is masked
 */
export function absorb(vocabularySize: number): Graph & { readonly mask: number } {
  const mask = vocabularySize;
  const graph = graphWithLimit(
    { kind: "absorb", vocabularySize, states: vocabularySize + 1, mask, pull: { here: 1, elsewhere: 0 } },
    (x) => (x === mask ? 1 : 0),
    () => mask,
  );
  return { ...graph, mask };
}
