/** A sentence noised, and one denoised by the exact reverse process of four sentences. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import type { Graph } from "sedd";
import { Choice, plainly } from "../parts/choice.tsx";
import { countEnds, denoise, momentAt, whichSentence, type Moment } from "./backward.ts";
import { BarTable } from "./bar-table.tsx";
import { drawEvents, stateAt } from "./forward.ts";
import { Sides } from "./sides.tsx";
import { noise, schedule, schedules, sigma, time } from "./state.ts";
import { nameOf, sentenceLength, sentences } from "./world.ts";

const chosen = signal(0);
const seed = signal(1);
const steps = signal(64);
const stepChoices = [1, 2, 4, 8, 16, 64, 256];
/** Runs that are counted at a time. */
const runsAtOnce = 200;
const mostNoise = Math.max(...Object.values(schedules).map((schedule) => schedule.sigma(1)));

export const SentencePanel = () => (
  <section aria-labelledby="sentence-title">
    <h2 id="sentence-title">4. A sentence there and back</h2>
    <p>
      Each word of a sentence is struck by noise at moments of its own; both graphs are struck at the same ones here. The way back starts
      from nothing but noise, at <var>t</var> = 1, and knows only the concrete score of a tiny language of four sentences, summed up exactly
      over all of them. Denoise (slide to the left) and it lands on a sentence of that language, not on the one that was noised: noise
      forgets, and what comes back is a fresh draw (<code>sampleFrom</code>; the paper’s section 4).
    </p>
    <div class="fields">
      <Choice
        label="Sentence to noise"
        value={chosen.value}
        options={sentences.map(({ text }, i) => [i, text] as const)}
        onValue={(i) => void (chosen.value = i)}
      />
      <Choice label="Reverse steps" value={steps.value} options={plainly(stepChoices)} onValue={(count) => void (steps.value = count)} />
      <button type="button" onClick={() => void seed.value++}>
        Other draws
      </button>
    </div>
    <Sides>{(graph) => <Journey graph={graph} />}</Sides>
    <p>
      A step draws every word by itself from its exact law given the noisy text. That is a step’s only error, and it vanishes as steps get
      smaller: in one step, all words are drawn without knowing of each other, and sentences come out that the data do not have.
    </p>
  </section>
);

function Journey({ graph }: { readonly graph: Graph }) {
  const clean = sentences[chosen.value]!.tokens;
  const events = drawEvents(graph, sentenceLength, mostNoise, seed.value);
  const noisy = clean.map((token, i) => stateAt(token, events[i]!, sigma.value));
  const struck = events.filter((own) => own[0] && own[0].sigma <= sigma.value).length;
  return (
    <>
      <Words label={`Noised: ${struck} of ${sentenceLength} words were struck`} tokens={noisy} compare={clean} />
      <Way graph={graph} />
      <Ends key={`${schedule.value} ${steps.value}`} graph={graph} />
    </>
  );
}

/** The run of the reverse process that the slider goes through. */
function Way({ graph }: { readonly graph: Graph }) {
  const [moments, setMoments] = useState<readonly Moment[]>([]);
  useEffect(() => {
    const controller = new AbortController();
    const { signal } = controller;
    denoise(graph, sentences, { noise: noise.value, steps: steps.value, seed: seed.value, signal }).then(setMoments, () => undefined);
    return () => controller.abort();
  }, [graph, noise.value, steps.value, seed.value]);
  const now = momentAt(moments, time.value);
  if (!now) return <p class="words">…</p>;
  const known = sentences[whichSentence(sentences, now.tokens)];
  const where =
    now.time > 0
      ? "on its way from noise"
      : known
        ? `a sentence of probability ${known.probability} in the data`
        : "no sentence of the data";
  return <Words label={`Denoised: ${where}`} tokens={now.tokens} compare={moments.at(-1)!.tokens} />;
}

const Words = ({
  label,
  tokens,
  compare,
}: {
  readonly label: string;
  readonly tokens: readonly number[];
  readonly compare: readonly number[];
}) => (
  <div class="words">
    <p>{label}</p>
    <p>
      {tokens.map((token, i) => (
        <span key={i} class={token === compare[i] ? "" : nameOf(token) === "MASK" ? "masked" : "other"}>
          {nameOf(token)}{" "}
        </span>
      ))}
    </p>
  </div>
);

/** How often runs end where, against the data. Of other settings it is another one, which has counted nothing. */
function Ends({ graph }: { readonly graph: Graph }) {
  const none = new Array<number>(sentences.length + 1).fill(0);
  const [counts, setCounts] = useState<readonly number[]>(none);
  const [asked, setAsked] = useState(0);
  useEffect(() => {
    if (asked === 0) return;
    const controller = new AbortController();
    const options = { noise: noise.value, steps: steps.value, seed: asked, count: runsAtOnce, signal: controller.signal };
    countEnds(graph, sentences, options).then(
      (more) => setCounts((before) => before.map((count, k) => count + more[k]!)),
      () => undefined,
    );
    return () => controller.abort();
  }, [asked]);
  const runs = counts.reduce((sum, count) => sum + count, 0);
  const busy = runs < asked * runsAtOnce;
  return (
    <>
      <BarTable
        caption={`Where ${runs} runs ended; the line marks the data`}
        heads={["sentence", "data", "runs", "share"]}
        rows={counts.map((count, k) => {
          const probability = sentences[k]?.probability ?? 0;
          const share = count / Math.max(1, runs);
          return {
            name: sentences[k]?.text ?? "no sentence of the data",
            figures: [
              probability.toFixed(2),
              String(count),
              runs ? `${share.toFixed(3)} ± ${Math.sqrt((share * (1 - share)) / runs).toFixed(3)}` : "–",
            ],
            share,
            mark: probability,
          };
        })}
      />
      <p>
        <button type="button" aria-disabled={busy} onClick={() => busy || setAsked(asked + 1)}>
          {busy ? "Running …" : `${runs ? "Another" : "Count"} ${runsAtOnce} runs`}
          <span class="hidden"> under {graph.kind}</span>
        </button>
      </p>
    </>
  );
}
