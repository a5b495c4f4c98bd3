/** Backwards: the concrete score at a state, and the rates that it gives. */
import { useSignal } from "@preact/signals";
import { concreteScore, marginal, reverseRateMatrix, type Graph } from "sedd";
import { Choice } from "../parts/choice.tsx";
import { BarTable } from "./bar-table.tsx";
import { figure } from "./figure.ts";
import { Sides } from "./sides.tsx";
import { p0, sigma } from "./state.ts";
import { nameOf } from "./world.ts";

export const ReversePanel = () => (
  <section aria-labelledby="reverse-title">
    <h2 id="reverse-title">3. Backwards: the concrete score</h2>
    <p>
      Run backwards, noise is again a process of jumps, and all that its rates need to know of language is ratios of probabilities: the
      concrete score <var>s</var>
      <sub>y</sub> = <var>p</var>
      <sub>t</sub>(<var>y</var>) / <var>p</var>
      <sub>t</sub>(<var>x</var>). From <var>x</var> the reverse process goes to <var>y</var> at rate <var>s</var>
      <sub>y</sub> <var>Q</var>(<var>x</var>, <var>y</var>): the rate of the way there, turned round, times how much likelier <var>y</var>{" "}
      is than <var>x</var>. A trained network does nothing else but guess these ratios (<code>concreteScore</code>,{" "}
      <code>reverseRateMatrix</code>; the paper’s sections 2 and 3). Here they are exact, from <var>p</var>
      <sub>0</sub> above.
    </p>
    <Sides>{(graph) => <Reverse graph={graph} />}</Sides>
  </section>
);

function Reverse({ graph }: { readonly graph: Graph }) {
  const picked = useSignal(graph.mask ?? 0);
  const x = picked.value;
  const p = marginal(graph, p0.value, sigma.value);
  const score = concreteScore(p);
  const rates = reverseRateMatrix(graph, score).map((row) => row[x]!);
  const total = -rates[x]!;
  return (
    <>
      <Choice
        label={
          <>
            The word is now <var>x</var> =
          </>
        }
        value={x}
        options={[...p].map((_, y) => [y, nameOf(y)] as const)}
        onValue={(y) => void (picked.value = y)}
      />
      <BarTable
        caption={`Moves from “${nameOf(x)}”; bars are shares of the total rate`}
        heads={[
          <>
            to <var>y</var>
          </>,
          <>
            <var>p</var>
            <sub>t</sub>(<var>y</var>)
          </>,
          <>
            <var>s</var>
            <sub>y</sub>
          </>,
          <>
            <var>Q</var>(<var>x</var>, <var>y</var>)
          </>,
          "rate",
        ]}
        rows={[...p].map((probability, y) => ({
          name: nameOf(y),
          figures: [
            figure(probability),
            p[x] === 0 ? "–" : figure(score[y]![x]!),
            y === x ? "–" : figure(graph.rate(y)[x]!),
            y === x ? "stays" : rates[y] === 0 ? "0" : figure(rates[y]!),
          ],
          share: y === x || total === 0 ? 0 : rates[y]! / total,
          faint: y === x || rates[y] === 0,
        }))}
      />
      <p class="finding">{findingOf(graph, x, p[x]!, total)}</p>
    </>
  );
}

function findingOf(graph: Graph, x: number, probability: number, total: number): string {
  if (probability === 0) return `At this time nothing is at “${nameOf(x)}”, so there is no ratio: move the time or p₀.`;
  if (graph.limit(x) === 0) return "Nothing moves: noise leads to MASK alone, so a word that is still to be seen has never been touched.";
  if (total === 0) return `Nothing moves: noise could not have led from any other state to “${nameOf(x)}”.`;
  return `It leaves “${nameOf(x)}” at rate ${figure(total)} per unit of noise.`;
}
