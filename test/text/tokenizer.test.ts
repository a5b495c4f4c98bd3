import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { characterFile } from "../../src/text/character.ts";
import { fingerprint, loadTokenizer, parseTokenizer } from "../../src/text/tokenizer.ts";
import { storyTokenizer, temporaryFolder } from "./helpers.ts";

const folder = await temporaryFolder();

describe("loadTokenizer", () => {
  it("loads both kinds", async () => {
    const bpe = await loadTokenizer(await folder.write("bpe.json", JSON.stringify(storyTokenizer().toJSON())));
    const character = await loadTokenizer(await folder.write("character.json", JSON.stringify(characterFile(["a", "b"]))));
    expect([bpe.kind, character.kind]).toEqual(["bpe", "character"]);
    expect([bpe.size, character.size]).toEqual([320, 2]);
  });

  it("passes over a byte order mark", async () => {
    const { size } = await loadTokenizer(await folder.write("marked.json", `\ufeff${JSON.stringify(characterFile(["a", "b"]))}`));
    expect(size).toBe(2);
  });

  it("names the file and what is wrong with it", async () => {
    const cases: [string, RegExp][] = [
      [await folder.write("cut.json", '{"model": {'), /cut\.json: not JSON .*; expected a tokenizer\.json/],
      [await folder.write("other.json", '{"a": 1}'), /other\.json: not a tokenizer\.json: model/],
      [await folder.write("piece.json", '{"model": {"type": "Unigram", "vocab": []}}'), /piece\.json: model type "Unigram"/],
      [`${folder.path}/none.json`, /none\.json/],
    ];
    for (const [path, reason] of cases) {
      await expect(loadTokenizer(path)).rejects.toThrow(UserError);
      await expect(loadTokenizer(path)).rejects.toThrow(reason);
    }
  });
});

describe("fingerprint", () => {
  it("tells tokenizers apart", async () => {
    const tokenizer = storyTokenizer();
    const again = parseTokenizer(JSON.parse(JSON.stringify(tokenizer.toJSON())));
    expect(await fingerprint(again)).toBe(await fingerprint(tokenizer));
    expect(await fingerprint(tokenizer)).toMatch(/^[0-9a-f]{64}$/);
    expect(await fingerprint(storyTokenizer(["<|endoftext|>"]))).not.toBe(await fingerprint(tokenizer));
  });
});
