/** The paper's protocol: which tokens it scores, what it counts, and what it says differs from the paper. */
import { afterAll, describe, expect, test } from "vitest";
import { datasets, readDataset, type DatasetText } from "../../src/evaluation/datasets.ts";
import { paperLikelihood, rowGroups } from "../../src/evaluation/protocol.ts";
import { seddModel, type SeddModel, type TextLikelihood } from "../../src/objectives/sedd-model.ts";
import { characterFile, characterTokenizer } from "../../src/text/character.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { configOf, parametersOf } from "../objectives/support.ts";

const alphabet = [..." abcdefghijklmnopqrstuvwxyz"];
const withEnd = characterTokenizer(characterFile([...alphabet, ..."?1é\n"], ["<|endoftext|>"]));
const END = withEnd.endOfText!;

/** A model that hands back what it is asked, and how. */
const listening = (tokenizer: Tokenizer, length: number, protocol: Partial<TextLikelihood["protocol"]> = {}) => {
  const asked: Int32Array[] = [];
  const likelihood = async (windows: string | readonly ArrayLike<number>[]): Promise<TextLikelihood> => {
    asked.push(...(windows as readonly Int32Array[]));
    const card = { estimator: "stratified", terms: { integral: 1, tail: 0 }, samples: 8, objective: "sedd", ...protocol };
    return { model: "listening", tokenCount: asked.length * asked[0]!.length, protocol: card } as unknown as TextLikelihood;
  };
  return { asked, model: { tokenizer, length, likelihood } };
};

const rowsOf = (...rows: string[]): DatasetText => ({ set: datasets.ptb, rows, form: datasets.ptb.form, size: rows.length });
const decoded = (asked: readonly Int32Array[]) => asked.map((ids) => withEnd.decode(ids).replaceAll("<|endoftext|>", "|"));

describe("rows are cut as the released code cuts them", () => {
  test("eight shares of neighbours, a thousand rows at a time", () => {
    expect(rowGroups(3)).toEqual([
      [0, 1],
      [1, 2],
      [2, 3],
    ]);
    expect(rowGroups(17).slice(0, 3)).toEqual([
      [0, 3],
      [3, 5],
      [5, 7],
    ]);
    const groups = rowGroups(36_718); // WikiText-2's train split: shares of 4,590 and 4,589 rows
    expect(groups.length).toBe(8 * 5);
    expect(groups.slice(4, 6)).toEqual([
      [4000, 4590],
      [4590, 5590],
    ]);
    groups.forEach(([from], i) => expect(from).toBe(groups[i - 1]?.[1] ?? 0));
    expect(groups.at(-1)![1]).toBe(36_718);
  });

  test("end-of-text after every row, empty ones too; windows within a group, the rest dropped and counted", async () => {
    const { asked, model } = listening(withEnd, 4);
    const rows = Array.from({ length: 16 }, (_, i) => (i === 1 ? "" : i < 3 ? "abcde" : "x"));
    const { protocol } = await paperLikelihood(model, rowsOf(...rows), "f", {});
    // Groups of two rows: abcde| |, abcde|x|, x|x| …
    expect(decoded(asked)).toEqual(["abcd", "abcd", "e|x|", ...Array.from({ length: 6 }, () => "x|x|")]);
    expect(protocol.droppedTokens).toBe(3);
    expect(protocol.endOfText).toBe("end-of-text after every row, empty ones too");
  });

  test("without an end-of-text token a line break ends a row, once", async () => {
    const plain = characterTokenizer(characterFile([...alphabet, "\n"]));
    const { asked, model } = listening(plain, 3);
    const { protocol } = await paperLikelihood(model, rowsOf("ab", "cd\n"), "f", {});
    expect(asked.map((ids) => plain.decode(ids))).toEqual(["ab\n", "cd\n"]);
    expect(protocol.differences).toContainEqual(expect.stringMatching(/^end of a row: line break/));
  });

  test("text8 is one text: no end-of-text, windows of 256 characters", async () => {
    const letters = characterTokenizer(characterFile(alphabet));
    const { asked, model } = listening(letters, 1000);
    const text = "the fox went out on a chilly night ".repeat(400).trimEnd(); // of 13,999 characters 700 are the test split
    const { protocol } = await paperLikelihood(model, readDataset("text8", text, "f"), "f", {});
    expect(asked.map((ids) => letters.decode(ids)).join("")).toBe(text.slice(-700, -700 + 512));
    expect(protocol).toMatchObject({ metric: "bits per character", droppedTokens: 188, endOfText: "none", tokenizer: "27 characters" });
    expect(protocol.differences.map((line) => line.split(":")[0])).toEqual(["split", "estimator", "noisy copies of a window"]);
  });
});

describe("what differs from the paper", () => {
  const names = async (tokenizer: Tokenizer, length: number, text: DatasetText, protocol?: Partial<TextLikelihood["protocol"]>) =>
    (await paperLikelihood(listening(tokenizer, length, protocol).model, text, "f", {})).protocol.differences.map(
      (line) => line.split(":")[0],
    );
  const gpt2 = {
    ...withEnd,
    kind: "bpe",
    size: 50_257,
    endOfText: 50_256,
    encode: (text: string) => (text === "Hello world" ? Int32Array.of(15_496, 995) : new Int32Array(text.length)),
  } satisfies Tokenizer;
  const whole = rowsOf(...Array.from({ length: datasets.ptb.size }, () => "the fox"));

  test("with GPT-2's tokenizer, the whole split and windows of 1,024, only how the bound is estimated", async () => {
    expect(await names(gpt2, 1024, whole)).toEqual(["estimator", "noisy copies of a window"]);
    expect(await names(gpt2, 2048, whole, { samples: 1000 })).toEqual(["estimator"]);
    expect(await names(gpt2, 1024, whole, { objective: "ar", estimator: "left-to-right" })).toEqual([]);
  });

  test("another tokenizer, a shorter window, a part of the split, another form", async () => {
    expect(await names({ ...gpt2, encode: (text) => new Int32Array(text.length) }, 1024, whole)).toContain("tokenizer");
    expect(await names(gpt2, 512, whole)).toContain("window");
    expect(await names(gpt2, 8, { ...whole, size: 3000, form: "another" })).toEqual(expect.arrayContaining(["split", "form"]));
  });
});

test("a text that fills no window, and a character that the model lacks: one line each", async () => {
  const { model } = listening(withEnd, 64);
  await expect(paperLikelihood(model, rowsOf("abc", "de"), "some.txt", {})).rejects.toThrow(
    /^--data some\.txt: its tokens \(7\) in 2 groups of rows, of which each is cut by itself, fill no window of 64; give the whole of Penn Treebank$/,
  );
  await expect(paperLikelihood(model, rowsOf("abc", "d$"), "some.txt", {})).rejects.toThrow(
    /^some\.txt, row 2, detokenized: character "\$"/,
  );
});

test("a signal stops it between groups of rows", async () => {
  const { model } = listening(withEnd, 2);
  const controller = new AbortController();
  const stopped = paperLikelihood(model, rowsOf(...Array.from({ length: 9000 }, () => "abc")), "f", { signal: controller.signal });
  controller.abort();
  await expect(stopped).rejects.toBe(controller.signal.reason);
});

describe("with a network", () => {
  const base = configOf("normalized");
  const sedd = { ...base, network: { ...base.network, states: withEnd.size + 1 } };
  const model: SeddModel = seddModel({
    name: "tiny",
    config: { sedd, length: 8 },
    parameters: parametersOf(sedd),
    tokenizer: withEnd,
    runtime: { threads: 1, spinning: false },
  });
  afterAll(() => model.dispose());

  test("windows score as the text that they are, and count it", async () => {
    const text = "a fox é went out";
    const tokens = withEnd.encode(text);
    const [whole, windows] = [await model.likelihood(text), await model.likelihood([tokens.subarray(0, 8), tokens.subarray(8)])];
    const { text: _, ...same } = whole.protocol;
    expect(windows).toEqual({ ...whole, protocol: { ...same, text: expect.stringMatching(/^[0-9a-f]{16}$/) } });
  });

  test("end-of-text costs nats and is no character", async () => {
    const ids = [...withEnd.encode("é fox"), END, END, 0];
    const { tokenCount, characters, bytes, natsPerToken, bitsPerCharacter } = await model.likelihood([Int32Array.from(ids)]);
    expect({ tokenCount, characters, bytes }).toEqual({ tokenCount: 8, characters: 6, bytes: 7 });
    expect(bitsPerCharacter).toBeCloseTo((natsPerToken * 8) / Math.LN2 / 6, 12);
  });

  test("the numbers are those of the windows", async () => {
    const report = await paperLikelihood(model, rowsOf("the fox went out", "on a chilly night"), "f", { samples: 4, seed: 2 });
    const windows = ["the fox ", "went out", "on a chi", "lly nigh"].map((text) => withEnd.encode(text));
    const direct = await model.likelihood(windows, { samples: 4, seed: 2 });
    expect(report).toMatchObject({ ...direct, protocol: { ...direct.protocol, window: 8, windows: 4 } });
    expect(report.tokenCount + report.protocol.droppedTokens).toBe(35); // 33 characters, two end-of-text
  });
});
