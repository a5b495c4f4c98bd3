/** What a comparison found: averages as a table and as curves, and the texts side by side. */
import { computed, signal } from "@preact/signals";
import { Choice, plainly } from "../parts/choice.tsx";
import { Plot, type Point } from "../parts/plot.tsx";
import type { Estimate } from "./average.ts";
import type { Changes, Outcome } from "./compare.ts";
import { outcomes, rows } from "./comparison.ts";

const nats = computed((): readonly Point[] => rows.value.map(({ steps, nats }) => ({ x: steps, y: nats.mean, error: nats.error })));
const seconds = computed((): readonly Point[] =>
  rows.value.map(({ steps, milliseconds: { mean, error } }) => ({
    x: steps,
    y: mean / 1000,
    error: error === undefined ? undefined : error / 1000,
  })),
);

const withError = ({ mean, error }: Estimate, digits: number): string =>
  error === undefined ? mean.toFixed(digits) : `${mean.toFixed(digits)} ± ${error.toFixed(digits)}`;

const finding = (points: readonly Point[], what: string, unit: string): string =>
  `${what} against steps. ${points.map(({ x, y }) => `${x} steps: ${y.toFixed(2)} ${unit}`).join("; ")}.`;

export function Results() {
  const repeated = rows.value.some(({ runs }) => runs > 1);
  return (
    <>
      <table class="averages">
        <caption>
          {repeated
            ? "Means over seeds, ± the standard error that the spread between seeds gives, which one text does not have"
            : "One text each: ± is the error of the estimate of its bound, and says nothing of other seeds"}
        </caption>
        <thead>
          <tr>
            <th scope="col">Steps</th>
            <th scope="col">Texts</th>
            <th scope="col">Bound, nats a token</th>
            <th scope="col">Time, ms</th>
          </tr>
        </thead>
        <tbody>
          {rows.value.map(({ steps, runs, nats, milliseconds }) => (
            <tr key={steps}>
              <th scope="row">{steps}</th>
              <td>{runs}</td>
              <td>{withError(repeated && runs === 1 ? { ...nats, error: undefined } : nats, 3)}</td>
              <td>{withError(milliseconds, 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <div class="curves">
        <Plot points={nats.value} axes={["steps", "bound, nats a token"]} label={finding(nats.value, "Bound", "nats a token")} />
        <Plot points={seconds.value} axes={["steps", "time, seconds"]} label={finding(seconds.value, "Time", "seconds")} />
      </div>
      <Texts />
    </>
  );
}

const shown = signal<number | undefined>(undefined);

function Texts() {
  const seeds = [...new Set(outcomes.value.map(({ seed }) => seed))];
  const seed = seeds.find((known) => known === shown.value) ?? seeds[0];
  return (
    <>
      <h2>The texts</h2>
      {seeds.length > 1 && <Choice label="of seed" value={seed} options={plainly(seeds)} onValue={(each) => void (shown.value = each)} />}
      <div class="texts">
        {outcomes.value
          .filter((outcome) => outcome.seed === seed)
          .map((outcome) => (
            <Text key={outcome.steps} outcome={outcome} />
          ))}
      </div>
    </>
  );
}

const Text = ({ outcome: { steps, text, milliseconds, bound, changes } }: { readonly outcome: Outcome }) => (
  <article>
    <h3>{steps} steps</h3>
    <p class="text">{text}</p>
    <p class="quiet">
      {milliseconds.toFixed(0)} ms. Bound {bound.natsPerToken.toFixed(2)} ± {bound.standardError.toFixed(2)} nats a token.{" "}
      {sentence(changes)}
    </p>
  </article>
);

const sentence = ({ changing, of, most }: Changes): string =>
  `${changing} of ${of} steps changed something, at most ${most} ${most === 1 ? "token" : "tokens"} at once.`;
