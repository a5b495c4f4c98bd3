/** A comparison over steps and seeds, with a model that answers by rule. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import type { Backend, Frame, GenerateRequest } from "../../playground/backend/backend.ts";
import { averages, estimate } from "../../playground/quality/average.ts";
import { boundSamples, changesOf, compare, type CompareOptions, type Outcome, type Wanted } from "../../playground/quality/compare.ts";
import { formatTrajectory } from "../../src/index.ts";
import { inChromium } from "../browser/chromium.ts";
import { noTrajectory } from "./fake-backend.ts";
import { builtPage, expectAccessible, expectNoWider } from "./page.ts";

const frame = (step: number, time: number, changed: readonly number[], steps: number): Frame => ({
  ...{ sequence: 0, step, steps, time, sigma: time, tokens: [], changed, probability: changed.map(() => 1), spans: [] },
});

/** Writes its request as the text; its bound is 10 / steps, its time the steps. Every second step changes one token, and the final denoise three. */
function fakeBackend(): { backend: Backend; asked: GenerateRequest[]; measured: unknown[] } {
  const [asked, measured]: [GenerateRequest[], unknown[]] = [[], []];
  const backend: Partial<Backend> = {
    async generate(request, { signal, onFrame }) {
      signal.throwIfAborted();
      asked.push(request);
      const { steps = 0, seed } = request;
      onFrame(frame(0, 1, [], steps));
      for (let step = 1; step <= steps; step++) onFrame(frame(step, 1 - step / (steps + 1), step % 2 === 0 ? [step] : [], steps));
      onFrame(frame(steps, 0, [0, 1, 2], steps));
      return { texts: [`${steps} ${seed}`], tokens: [[1]], milliseconds: steps, trajectory: noTrajectory };
    },
    async likelihood(text, { samples, seed }) {
      measured.push({ text, samples, seed });
      return { natsPerToken: 10 / Number(text.split(" ")[0]), standardError: 0.5 };
    },
  };
  return { backend: backend as Backend, asked, measured };
}

const wanted: Wanted = { template: "a [[4]]", length: 48, sampler: "analytic", steps: [8, 32], seeds: [5, 6] };
const listen = (signal = new AbortController().signal): CompareOptions & { outcomes: Outcome[]; begun: unknown[] } => {
  const [outcomes, begun]: [Outcome[], unknown[]] = [[], []];
  return { outcomes, begun, signal, onOutcome: (outcome) => outcomes.push(outcome), onBegin: (run) => begun.push(run) };
};

describe("compare", () => {
  it("runs every seed at every number of steps, one after the other, behind a warm-up that does not count", async () => {
    const { backend, asked, measured } = fakeBackend();
    const heard = listen();
    await compare(backend, wanted, heard);
    const runs = [8, 32].flatMap((steps) => [5, 6].map((seed) => ({ steps, seed }))).sort((a, b) => a.seed - b.seed);
    expect(heard.begun).toEqual([undefined, ...runs]);
    expect(asked).toEqual(
      [{ steps: 1, seed: 5 }, { steps: 8, seed: 5 }, ...runs].map((run) => ({
        template: "a [[4]]",
        length: 48,
        sampler: "analytic",
        count: 1,
        ...run,
      })),
    );
    expect(heard.outcomes.map(({ steps, seed, text, milliseconds }) => ({ steps, seed, text, milliseconds }))).toEqual(
      runs.map(({ steps, seed }) => ({ steps, seed, text: `${steps} ${seed}`, milliseconds: steps })),
    );
    // One noise for all texts, so that their bounds compare.
    expect(measured).toEqual(["1 5", "8 5", "8 5", "32 5", "8 6", "32 6"].map((text) => ({ text, samples: boundSamples, seed: 0 })));
    expect(heard.outcomes[0]!.changes).toEqual({ changing: 4, of: 8, most: 3 });
  });

  it("stops between runs, and what was found stands", async () => {
    const { backend, asked } = fakeBackend();
    const controller = new AbortController();
    const heard = listen(controller.signal);
    const onOutcome = (outcome: Outcome): void => {
      heard.outcomes.push(outcome);
      if (heard.outcomes.length === 3) controller.abort(new Error("stopped by hand"));
    };
    await expect(compare(backend, wanted, { ...heard, onOutcome })).rejects.toThrow("stopped by hand");
    expect(heard.outcomes).toHaveLength(3);
    expect(asked).toHaveLength(5);
  });

  it("passes on what the model refuses", async () => {
    const { backend } = fakeBackend();
    const refuse = async (): Promise<never> => Promise.reject(new Error("the template has no hole"));
    await expect(compare({ ...backend, generate: refuse }, wanted, listen())).rejects.toThrow("the template has no hole");
  });
});

describe("changesOf", () => {
  it("counts the steps that changed something, without the final denoise, and the most at once, with it", () => {
    const frames = [frame(0, 1, [], 3), frame(1, 0.7, [4, 5], 3), frame(2, 0.4, [], 3), frame(3, 1e-5, [1], 3), frame(3, 0, [0, 2, 3], 3)];
    expect(changesOf(frames)).toEqual({ changing: 2, of: 3, most: 3 });
  });
});

describe("averages", () => {
  const outcome = (steps: number, seed: number, natsPerToken: number, milliseconds: number): Outcome => ({
    ...{ steps, seed, text: "", milliseconds, bound: { natsPerToken, standardError: 0.25 } },
    changes: { changing: 0, of: steps, most: 0 },
  });

  it("has the mean and its standard error over seeds, by steps, ascending", () => {
    const found = averages([outcome(32, 1, 2, 10), outcome(8, 1, 4, 1), outcome(32, 2, 3, 30), outcome(32, 3, 4, 20), outcome(8, 2, 4, 1)]);
    expect(found).toEqual([
      { steps: 8, runs: 2, nats: { mean: 4, error: 0 }, milliseconds: { mean: 1, error: 0 } },
      { steps: 32, runs: 3, nats: { mean: 3, error: Math.sqrt(1 / 3) }, milliseconds: { mean: 20, error: 10 / Math.sqrt(3) } },
    ]);
  });

  it("of one text has the error of its own bound, and none of its time", () => {
    expect(averages([outcome(8, 1, 4, 12)])).toEqual([
      { steps: 8, runs: 1, nats: { mean: 4, error: 0.25 }, milliseconds: { mean: 12, error: undefined } },
    ]);
  });

  it("covers the true mean as often as a standard error should", () => {
    // 8 draws of a uniform law: |mean − ½| < 1 standard error in about 65 % of the repetitions (Student's t with 7 degrees of freedom).
    let state = 1;
    const draw = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
    const covered = Array.from({ length: 4000 }, () => estimate(Array.from({ length: 8 }, draw))).filter(
      ({ mean, error }) => Math.abs(mean - 0.5) < error!,
    ).length;
    expect(covered / 4000).toBeGreaterThan(0.62);
    expect(covered / 4000).toBeLessThan(0.68);
  });
});

inChromium("Steps and quality, in a browser", () => {
  const open = builtPage();

  /** The server of the page: its bound of a text is 32 / steps, and it answers nothing more after `most` texts. */
  const serve = async (page: Page, most = Infinity): Promise<void> => {
    let asked = 0;
    const entry = { id: "mine", ready: true, length: 128, longest: 1024, parameters: 1e6, vocabulary: 10, mask: 10, graph: "absorb" };
    await page.route("**/v1/models", (route) => route.fulfill({ json: { data: [entry] } }));
    await page.route("**/v1/infill", async (route) => {
      const { steps, seed } = route.request().postDataJSON() as { steps: number; seed: number };
      if (asked++ > most) return;
      // Step 3 writes the token; the steps that change nothing are told by the snapshot after them.
      const places = Array.from({ length: steps + 2 }, (_, k) => ({
        ...{ step: Math.min(k, steps), time: k > steps ? 0 : 1 - k / (steps + 1), sigma: 1 },
      }));
      const unchanged = (from: number, to: number) => places.slice(from, to).map((place) => ({ ...place, changes: [] }));
      const snapshots = [
        { ...places[0], tokens: [10], changed: [], probability: [], between: [] },
        { ...places[3], tokens: [7], changed: [0], probability: [0.5], between: unchanged(1, 3) },
        { ...places[steps + 1], tokens: [7], changed: [], probability: [], between: unchanged(4, steps + 1) },
      ].map((snapshot) => ({ type: "snapshot", index: 0, steps, spans: [], ...snapshot }));
      const texts = [{ text: `Text of ${steps} steps, seed ${seed}.`, tokens: [7] }];
      const events = [...snapshots, { type: "done", texts, recording: formatTrajectory(noTrajectory) }];
      await route.fulfill({ contentType: "text/event-stream", body: events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("") });
    });
    await page.route("**/v1/likelihood", async (route) => {
      const { text } = route.request().postDataJSON() as { text: string };
      await route.fulfill({ json: { natsPerToken: 32 / Number(/of (\d+)/.exec(text)![1]), standardError: 0.1 } });
    });
    await page.getByLabel("Runs in").selectOption("server");
  };
  const compareWith = async (page: Page, seeds: number): Promise<void> => {
    await page.getByLabel("Seeds to average over").fill(String(seeds));
    for (const steps of ["64", "128"]) await page.getByLabel(steps, { exact: true }).uncheck();
    await page.getByRole("button", { name: "Compare" }).click();
  };
  const said = (page: Page, text: string) => page.getByRole("status").filter({ hasText: text }).waitFor();

  it.each([
    ["light", 1280],
    ["dark", 360],
  ] as const)("%s, %d pixels wide: texts, averages and curves, accessible by axe's rules", (colorScheme, width) =>
    open(
      "view=quality&seed=4",
      async (page) => {
        await serve(page);
        await compareWith(page, 2);
        await said(page, "Done: 6 of 6 texts.");
        const rows = await page.getByRole("table").locator("tbody tr").allTextContents();
        expect(rows.map((row) => row.split(" ± ")[0])).toEqual(["824.000", "1622.000", "3221.000"]); // steps, two texts, the bound
        await page
          .getByRole("img", {
            name: "Bound against steps. 8 steps: 4.00 nats a token; 16 steps: 2.00 nats a token; 32 steps: 1.00 nats a token.",
          })
          .waitFor();
        await page.getByLabel("of seed").selectOption("5");
        expect(await page.getByRole("article").locator(".text").allTextContents()).toEqual(
          [8, 16, 32].map((steps) => `Text of ${steps} steps, seed 5.`),
        );
        await page.getByText("1 of 8 steps changed something, at most 1 token at once.").waitFor();
        await expectNoWider(page, width);
        await expectAccessible(page);
      },
      { colorScheme, viewport: { width, height: 800 } },
    ),
  );

  it("can be stopped; what was found stays", () =>
    open("view=quality", async (page) => {
      await serve(page, 3); // the two of the warm-up and two texts; the third never comes
      await compareWith(page, 1);
      await page.getByText("Writing with 32 steps, seed 1: 2 of 3 texts.").waitFor();
      await page.getByRole("button", { name: "Stop" }).click();
      await said(page, "Stopped: 2 of 3 texts.");
      expect(await page.getByRole("article").count()).toBe(2);
      await page.getByText("says nothing of other seeds").waitFor();
    }));
});
