/** The rate matrix, and what it has done by now. */
import { rateMatrix, transitionMatrix } from "sedd";
import { MatrixTable } from "./matrix-table.tsx";
import { Sides } from "./sides.tsx";
import { sigma } from "./state.ts";

export const MatricesPanel = () => (
  <section aria-labelledby="matrices-title">
    <h2 id="matrices-title">2. The matrices</h2>
    <p>
      <var>Q</var> holds rates: entry (<var>y</var>, <var>x</var>), in row <var>y</var> and column <var>x</var>, says how fast <var>x</var>{" "}
      turns into <var>y</var>, and each column sums to 0 because what leaves one state arrives in another: d<var>p</var>/d<var>σ</var> ={" "}
      <var>Q</var>
      <var>p</var>. Followed for a noise of <var>σ</var>, the rates become probabilities, exp(<var>σ</var>
      <var>Q</var>), whose columns sum to 1. Both graphs have one form, <var>Q</var> = <var>π</var>
      <b>1</b>
      <sup>T</sup> − <var>I</var>, with <var>π</var> the law that words are redrawn from, so exp(<var>σ</var>
      <var>Q</var>) = e<sup>−σ</sup> <var>I</var> + (1 − e<sup>−σ</sup>) <var>π</var>
      <b>1</b>
      <sup>T</sup> (<code>rateMatrix</code>, <code>transitionMatrix</code>; the paper’s section 3).
    </p>
    <Sides>
      {(graph) => (
        <div class="matrices">
          <MatrixTable
            caption={
              <>
                Rates <var>Q</var>
              </>
            }
            matrix={rateMatrix(graph)}
          />
          <MatrixTable
            caption={
              <>
                Now: exp(<var>σ</var>
                <var>Q</var>)
              </>
            }
            matrix={transitionMatrix(graph, sigma.value)}
          />
        </div>
      )}
    </Sides>
  </section>
);
