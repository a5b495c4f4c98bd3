/** The Process view's world: its trajectories follow exp(σQ), and its reverse process ends at the data. */
import type { Locator, Page } from "playwright-core";
import { absorb, concreteScore, geometric, logLinear, marginal, sampleFrom, transitionMatrix, uniform, type Graph } from "sedd";
import { describe, expect, it } from "vitest";
import { countEnds, denoise, exactScore, momentAt } from "../../playground/process/backward.ts";
import { figure } from "../../playground/process/figure.ts";
import { drawEvents, stateAt } from "../../playground/process/forward.ts";
import { graphs, nameOf, sentenceLength, sentences, words } from "../../playground/process/world.ts";
import { inChromium } from "../browser/chromium.ts";
import { chiSquare, chiSquareLimit, totalVariation } from "../support/statistics.ts";
import { builtPage, expectAccessible, expectNoWider } from "./page.ts";

const kinds = graphs.map((graph): [string, Graph] => [graph.kind, graph]);
const most = geometric().sigma(1);
const data = [...sentences.map(({ probability }) => probability), 0];

const expectLaw = (counts: readonly number[], law: ArrayLike<number>): void => {
  const { statistic, freedom } = chiSquare(counts, law);
  expect(statistic).toBeLessThan(chiSquareLimit(freedom));
};

it("the world: sentences of known words whose probabilities sum to 1", () => {
  expect(data.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
  for (const { text, tokens } of sentences) {
    expect(tokens).toHaveLength(sentenceLength);
    expect(tokens.map(nameOf).join(" ")).toBe(text);
  }
  expect(nameOf(words.length)).toBe("MASK");
});

describe.each(kinds)("%s: a sentence that is noised", (kind, graph) => {
  const seeds = 20_000;
  const drawn = Array.from({ length: seeds }, (_, seed) => drawEvents(graph, 1, most, seed)[0]!);

  it.each([0.05, 0.7, 2.5])("has the law exp(σQ) at σ = %d", (sigma) => {
    const counts = new Array<number>(graph.states).fill(0);
    for (const events of drawn) counts[stateAt(3, events, sigma)]!++;
    expectLaw(
      counts,
      transitionMatrix(graph, sigma).map((row) => row[3]!),
    );
  });

  it("goes on from where it is: the law at σ = 1.5 of those that are at a state at σ = 0.5", () => {
    const counts = Array.from({ length: graph.states }, () => new Array<number>(graph.states).fill(0));
    for (const events of drawn) counts[stateAt(0, events, 0.5)]![stateAt(0, events, 1.5)]!++;
    const step = transitionMatrix(graph, 1);
    counts.forEach(
      (row, x) =>
        row.some((n) => n > 0) &&
        expectLaw(
          row,
          step.map((to) => to[x]!),
        ),
    );
  });

  it("is one trajectory: events in order, the clean token before the first, the same for a seed", () => {
    const events = drawEvents(graph, 3, most, 5);
    expect(events).toEqual(drawEvents(graph, 3, most, 5));
    expect(events).not.toEqual(drawEvents(graph, 3, most, 6));
    for (const own of events) {
      expect(own.map(({ sigma }) => sigma)).toEqual(own.map(({ sigma }) => sigma).sort((a, b) => a - b));
      expect(stateAt(2, own, own[0]!.sigma * (1 - 1e-9))).toBe(2);
      expect(stateAt(2, own, own[0]!.sigma)).toBe(own[0]!.state);
    }
    if (kind === "absorb") expect(new Set(events.flat().map(({ state }) => state))).toEqual(new Set([graph.mask]));
  });
});

it("both graphs are struck at the same moments", () => {
  const [a, b] = [uniform(5), absorb(5)].map((graph) => drawEvents(graph, 4, most, 9).map((own) => own.map(({ sigma }) => sigma)));
  expect(a).toEqual(b);
});

describe.each(kinds)("%s: the exact score", (_kind, graph) => {
  it("is p(… y …)/p(… x …) of a sum over all sentences and noises", () => {
    const sigma = 0.8;
    const into = transitionMatrix(graph, sigma);
    const p = (text: readonly number[]): number =>
      sentences.reduce(
        (sum, { tokens, probability }) => sum + text.reduce((product, y, i) => product * into[y]![tokens[i]!]!, probability),
        0,
      );
    const end = graph.mask ?? 4;
    for (const text of [[0, end, 3, end, end], new Array<number>(5).fill(end)]) {
      const scores = exactScore(graph, sentences)(Int32Array.from(text), Float64Array.of(sigma)) as Float64Array;
      text.forEach((_, i) => {
        for (let y = 0; y < graph.states; y++) {
          const ratio = p(text.with(i, y)) / p(text);
          expect(Math.exp(scores[i * graph.states + y]!) - ratio).toBeCloseTo(0, 10);
        }
      });
    }
  });

  it("of texts of one word is the concrete score of the marginal", () => {
    const p0 = [0.6, 0.4, 0, 0, 0];
    const single = p0.map((probability, token) => ({ text: "", tokens: [token], probability }));
    const x = graph.mask ?? 2;
    const scores = exactScore(graph, single)(Int32Array.of(x), Float64Array.of(0.3)) as Float64Array;
    const wanted = concreteScore(marginal(graph, p0, 0.3)).map((row) => row[x]!);
    scores.forEach((score, y) => expect(Math.exp(score)).toBeCloseTo(wanted[y]!, 10));
  });
});

describe("the reverse process", () => {
  it("absorb, one word at a time: ends follow the data exactly", async () => {
    const graph = absorb(words.length);
    const options = { graph, noise: logLinear(), sampler: "first-hitting", length: sentenceLength, count: 4000, seed: 3 } as const;
    const ends = await sampleFrom(exactScore(graph, sentences), options);
    const counts = sentences.map(({ tokens }) => ends.filter((end) => tokens.every((token, i) => token === end[i])).length);
    expect(counts.reduce((sum, n) => sum + n, 0)).toBe(4000);
    expectLaw(counts, data);
  });

  it.each(kinds.flatMap(([kind, graph]) => [logLinear(), geometric()].map((noise) => [kind, noise.kind, graph, noise] as const)))(
    "%s, %s: ends come nearer to the data with more steps",
    async (_kind, _schedule, graph, noise) => {
      const far: number[] = [];
      for (const steps of [1, 128]) {
        const counts = await countEnds(graph, sentences, { noise, steps, seed: 7, count: 500 });
        expect(counts.reduce((sum, n) => sum + n, 0)).toBe(500);
        far.push(
          totalVariation(
            counts.map((n) => n / 500),
            data,
          ),
        );
      }
      expect(far[0]).toBeGreaterThan(0.2);
      expect(far[1]).toBeLessThan(0.08); // 500 draws of the data itself are 0.03 from it
    },
  );

  it("a run goes from noise to words, and time finds its place in it", async () => {
    const moments = await denoise(absorb(words.length), sentences, { noise: logLinear(), steps: 16, seed: 1 });
    expect(moments).toHaveLength(18);
    expect(moments[0]).toEqual({ time: 1, tokens: [5, 5, 5, 5, 5] });
    expect(moments.at(-1)!.time).toBe(0);
    expect(moments.at(-1)!.tokens).not.toContain(5);
    expect(momentAt(moments, 1)).toBe(moments[0]);
    expect(momentAt(moments, 0)).toBe(moments.at(-1));
    expect(momentAt(moments, 0.5)!.time).toBeGreaterThanOrEqual(0.5);
    expect(momentAt(moments, 0.5)!.time).toBeLessThan(0.5 + 1 / 16);
    expect(momentAt([], 0.5)).toBeUndefined();
  });
});

it("figures keep their size readable", () => {
  expect([0, 0.3333, -0.8, 1234.5, 0.00012, 2e-9].map(figure)).toEqual(["0.000", "0.333", "−0.800", "1.2e3", "1.2e−4", "2.0e−9"]);
});

inChromium("Process, in a browser", () => {
  const open = builtPage();
  const law = (page: Page, kind: string) => page.getByRole("table", { name: /of each state/ }).nth(kind === "uniform" ? 0 : 1);
  const cells = (table: Locator, column: number): Promise<string[]> => table.locator(`tbody tr > :nth-child(${column})`).allTextContents();
  const time = (page: Page) => page.getByRole("slider", { name: /^Time/ });
  const way = (page: Page) => page.getByText(/^Denoised: /);

  it("shows p_t of a law that is shaped and of a time that keys move", () =>
    open("view=process", async (page) => {
      await page.getByRole("button", { name: "only cat" }).click();
      await page.getByLabel("Noise schedule").selectOption("geometric");
      await time(page).focus();
      for (const [key, t] of [
        ["Home", 0],
        ["ArrowRight", 0.001],
        ["End", 1],
        ["ArrowLeft", 0.999],
      ] as const) {
        await page.keyboard.press(key);
        for (const [kind, graph] of kinds) {
          const wanted = marginal(graph, [0, 1, 0, 0, 0], geometric().sigma(t));
          await expect.poll(() => cells(law(page, kind), 3), { message: `${kind} at ${t}` }).toEqual([...wanted].map(figure));
        }
      }
    }));

  it("shows the reverse rates at a state that is picked, and why there are none", () =>
    open("view=process", async (page) => {
      const pick = page.getByLabel(/^The word is now/).nth(1);
      const moves = page.getByRole("table", { name: /^Moves from “MASK”/ });
      // By log-linear noise s = p0 / (e^σ − 1); Q(MASK, y) = 1.
      const rates = [0.1, 0.6, 0.3].map((p) => figure(p / Math.expm1(logLinear().sigma(0.35))));
      expect(await cells(moves, 5)).toEqual([...rates, "0", "0", "stays"]);
      await pick.selectOption("cat");
      await page.getByText("a word that is still to be seen has never been touched").waitFor();
    }));

  it("denoises to a sentence of the data, and counts where runs end", () =>
    open("view=process", async (page) => {
      await page.getByLabel("Reverse steps").selectOption("256");
      await time(page).focus();
      await page.keyboard.press("End");
      await expect.poll(() => way(page).allTextContents()).toEqual(Array(2).fill("Denoised: on its way from noise"));
      await page.keyboard.press("Home");
      await expect
        .poll(() => way(page).allTextContents())
        .toEqual(Array(2).fill(expect.stringMatching(/a sentence of probability 0\.[1-4] in the data$/)));
      await page.getByLabel("Reverse steps").selectOption("4");
      await page.getByRole("button", { name: "Count 200 runs under absorb" }).click();
      const counted = page.getByRole("table", { name: "Where 200 runs ended" });
      await counted.waitFor();
      const counts = await cells(counted, 3);
      expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(200);
      await page.getByRole("button", { name: "Other draws" }).click();
      await counted.waitFor(); // counts are of the settings, not of the one run that is shown
      await page.getByLabel("Noise schedule").selectOption("geometric");
      await expect.poll(() => page.getByRole("table", { name: "Where 0 runs ended" }).count()).toBe(2);
    }));

  it("plays to the end and stands there; in a few pictures where motion is unwelcome", async () => {
    const play = async (page: Page): Promise<Set<string>> => {
      const seen = new Set<string>();
      await time(page).fill("0.7");
      await page.getByRole("button", { name: "Noise ▶" }).click();
      await page.getByRole("button", { name: "Pause" }).waitFor();
      await expect
        .poll(async () => (seen.add(await time(page).inputValue()), page.getByRole("button", { name: "Pause" }).count()), {
          timeout: 20_000,
          interval: 50,
        })
        .toBe(0);
      expect(await time(page).inputValue()).toBe("1");
      return seen.add("1"); // it may have come between the two questions
    };
    await open("view=process", async (page) => expect((await play(page)).size).toBeGreaterThan(5));
    await open("view=process", async (page) => expect([...(await play(page))]).toEqual(["0.7", "0.8", "0.9", "1"]), {
      reducedMotion: "reduce",
    });
  });

  it.each([
    ["light", 1280],
    ["dark", 1280],
    ["light", 360],
  ] as const)("%s, %d pixels wide: accessible by axe's rules, no wider than the screen", (colorScheme, width) =>
    open(
      "view=process",
      async (page) => {
        await page.getByRole("table").first().waitFor();
        await expectNoWider(page, width);
        await expectAccessible(page);
      },
      { colorScheme, viewport: { width, height: 800 } },
    ),
  );
});
