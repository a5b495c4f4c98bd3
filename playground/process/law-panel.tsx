/** The law of one word as noise comes: p_t = exp(σ(t)Q) p_0. */
import { marginal } from "sedd";
import { BarTable } from "./bar-table.tsx";
import { figure } from "./figure.ts";
import { Sides } from "./sides.tsx";
import { p0, sigma, weights } from "./state.ts";
import { nameOf, words } from "./world.ts";

/** Weights that are all 0 are no law: such a change is not made. */
const setWeights = (next: readonly number[]): void => {
  if (next.some((weight) => weight > 0)) weights.value = next;
};

export const LawPanel = () => (
  <section aria-labelledby="law-title">
    <h2 id="law-title">1. One word under noise</h2>
    <p>
      A word is not known for certain: <var>p</var>
      <sub>0</sub> says how probable each of the five words is. Noise redraws the word, at rate 1 per unit of noise, from a law that has
      nothing to do with language: an even draw (uniform), or always MASK (absorbing). What is left at time <var>t</var> is <var>p</var>
      <sub>t</sub> = exp(<var>σ</var>(<var>t</var>)<var>Q</var>) <var>p</var>
      <sub>0</sub>: with probability e<sup>−σ</sup> nothing has happened yet, else the word was redrawn (<code>marginal</code>; Lou, Meng,
      Ermon 2024, section 2).
    </p>
    <fieldset class="shape">
      <legend>
        The clean word’s law <var>p</var>
        <sub>0</sub>: shape it
      </legend>
      {words.map((word, i) => (
        <div key={word}>
          <label>
            <span>
              {word} <b>{p0.value[i]!.toFixed(2)}</b>
            </span>
            <input
              type="range"
              min="0"
              max="100"
              value={weights.value[i]}
              aria-valuetext={`probability ${p0.value[i]!.toFixed(2)}`}
              onInput={(event) => {
                setWeights(weights.value.with(i, Number(event.currentTarget.value)));
                event.currentTarget.value = String(weights.value[i]);
              }}
            />
          </label>
          <button type="button" onClick={() => setWeights(words.map((_, j) => (i === j ? 100 : 0)))}>
            only<span class="hidden"> {word}</span>
          </button>
        </div>
      ))}
    </fieldset>
    <Sides>
      {(graph) => (
        <BarTable
          caption={
            <>
              <var>p</var>
              <sub>t</sub> of each state; the line marks where it ends
            </>
          }
          heads={[
            "state",
            <>
              <var>p</var>
              <sub>0</sub>
            </>,
            <>
              <var>p</var>
              <sub>t</sub>
            </>,
          ]}
          rows={[...marginal(graph, p0.value, sigma.value)].map((p, y) => ({
            name: nameOf(y),
            figures: [figure(p0.value[y] ?? 0), figure(p)],
            share: p,
            mark: graph.limit(y),
          }))}
        />
      )}
    </Sides>
  </section>
);
