/** Steps against quality: the same seeds at several numbers of steps, with the time and the bound of each. */
import { signal } from "@preact/signals";
import { NumberField, SamplerField, TemplateField } from "../parts/fields.tsx";
import { ask, asked, ranges } from "../session/link.ts";
import { card } from "../session/model.ts";
import { boundSamples } from "./compare.ts";
import { comparison, outcomes, startComparison, stopComparison } from "./comparison.ts";
import "./quality.css";
import { Results } from "./results.tsx";

const stepChoices = [4, 8, 16, 32, 64, 128, 256];
const chosenSteps = signal<readonly number[]>([8, 16, 32, 64, 128]);
const length = signal(48);
const seedCount = signal(1);
const mostSeeds = 8;

export const QualityView = () => (
  <div class="quality">
    <p>
      A step asks the network once, at most, and may write several tokens; tokens written at one step do not know of each other. More steps
      mean fewer tokens at once, hence fewer that do not fit together, and more time. That holds on average: for one seed, more steps may
      well give a worse text, so repeat over several seeds before you believe a difference.
    </p>
    <p>
      The bound says how surprising the model finds the finished text, in nats a token: −log <var>p</var> is at most that, estimated from{" "}
      {boundSamples} noisy copies. Lower is likelier, and a likely text is not the same as a good one: dull and repetitive texts are the
      likeliest of all, and a model’s opinion of its own text is no reader’s. So read the texts, too.
    </p>
    <Form />
    <Progress />
    {outcomes.value.length > 0 && <Results />}
  </div>
);

function Form() {
  const { template, seed, sampler } = asked.value;
  const steps = chosenSteps.value;
  const running = comparison.value?.state === "running";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const seeds = Array.from({ length: seedCount.value }, (_, i) => seed + i);
        void startComparison({ template, length: length.value, sampler, steps, seeds });
      }}
    >
      <TemplateField rows={3}>
        <code>[[8]]</code> is a hole of 8 tokens, <code>[[ ]]</code> fills up to the length.
      </TemplateField>
      <div class="fields">
        <NumberField
          label="Length, tokens"
          value={length.value}
          {...{ min: 1, max: card.value?.longest ?? 1024 }}
          onValue={(value) => void (length.value = value)}
        />
        <SamplerField />
        <NumberField label="First seed" value={seed} {...ranges.seed} max={ranges.seed.max - mostSeeds} onValue={(seed) => ask({ seed })} />
        <NumberField
          label="Seeds to average over"
          value={seedCount.value}
          {...{ min: 1, max: mostSeeds }}
          onValue={(value) => void (seedCount.value = value)}
        />
        <fieldset class="steps">
          <legend>Steps</legend>
          {stepChoices.map((count) => (
            <label key={count}>
              <input
                type="checkbox"
                checked={steps.includes(count)}
                onChange={({ currentTarget: { checked } }) =>
                  void (chosenSteps.value = stepChoices.filter((each) => (each === count ? checked : steps.includes(each))))
                }
              />{" "}
              {count}
            </label>
          ))}
        </fieldset>
        <button type="submit" class="primary" disabled={steps.length === 0}>
          Compare
        </button>
        <button type="button" disabled={!running} onClick={stopComparison}>
          Stop
        </button>
      </div>
    </form>
  );
}

/** The bar tells how far it is; the end alone is said aloud. */
function Progress() {
  const now = comparison.value;
  const all = now ? now.wanted.steps.length * now.wanted.seeds.length : 0;
  const running = now?.state === "running";
  const text = now && now.state !== "failed" ? `${now.message}: ${now.outcomes.length} of ${all} texts.` : "";
  return (
    <>
      {running && (
        <>
          <progress aria-label="Texts written" value={now.outcomes.length} max={all} />
          <p class="quiet">{text}</p>
        </>
      )}
      <p class="quiet" role="status">
        {running ? "" : text}
      </p>
      {now?.state === "failed" && (
        <p class="mistake" role="alert">
          {now.message}
        </p>
      )}
    </>
  );
}
