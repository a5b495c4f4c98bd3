import { readFile, writeFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { packFiles } from "../../src/text/packing.ts";
import { memorySource, openTokens } from "../../src/text/source.ts";
import { story, storyTokenizer, temporaryFolder } from "./helpers.ts";

const folder = await temporaryFolder();
const tokenizer = storyTokenizer();
const path = `${folder.path}/story.tokens`;
await packFiles({ files: [await folder.write("story.txt", story)], tokenizer, out: path });
const ids = tokenizer.encode(story);

describe("openTokens", () => {
  it("gives the same windows from memory and from the file", async () => {
    const whole = await openTokens(path);
    const ranges = await openTokens(path, { memoryBytes: 0 });
    expect([whole.count, ranges.count]).toEqual([ids.length, ids.length]);
    await fc.assert(
      fc.asyncProperty(fc.nat(ids.length), fc.nat(ids.length), async (a, b) => {
        const [start, end] = [Math.min(a, b), Math.max(a, b)];
        const expected = ids.slice(start, end);
        expect(await whole.window(start, end - start)).toEqual(expected);
        expect(await ranges.window(start, end - start)).toEqual(expected);
      }),
    );
    for (const source of [whole, ranges, memorySource(ids)]) {
      await expect(source.window(ids.length - 1, 2)).rejects.toThrow(RangeError);
      await expect(source.window(-1, 1)).rejects.toThrow(RangeError);
    }
  });

  it("gives windows that are the caller's own", async () => {
    const source = memorySource(ids);
    (await source.window(0, 2))[0] = -5;
    expect(await source.window(0, 2)).toEqual(ids.slice(0, 2));
  });

  it("refuses what is no packed file, or a damaged one", async () => {
    const good = await readFile(path);
    const damaged = async (bytes: Uint8Array | string): Promise<string> => folder.write("damaged.tokens", bytes);
    const cases: [Uint8Array | string, RegExp][] = [
      ["", /no packed token file \(0 bytes\)/],
      ["some text that is long enough", /no packed token file, or cut off/],
      [good.subarray(0, good.length / 2), /no packed token file, or cut off/],
      [good.subarray(10), /bytes instead of the/],
      [Buffer.concat([good.subarray(0, -12), Buffer.from([255, 255, 255, 255]), good.subarray(-8)]), /its header is damaged/],
      [Buffer.concat([good.subarray(0, -12), Buffer.from([3, 0, 0, 0]), good.subarray(-8)]), /its header is damaged/],
      [Buffer.concat([Buffer.from("{}"), Buffer.from([2, 0, 0, 0]), good.subarray(-8)]), /header is damaged or of another version/],
    ];
    for (const [bytes, reason] of cases) {
      const opened = openTokens(await damaged(bytes));
      await expect(opened).rejects.toThrow(UserError);
      await expect(opened).rejects.toThrow(reason);
    }
    await expect(openTokens(`${folder.path}/none.tokens`)).rejects.toThrow(UserError);
    await writeFile(path, good);
  });
});
