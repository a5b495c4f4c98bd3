import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesSource } from "../../src/formats/source.ts";
import { openZip } from "../../src/formats/zip.ts";
import { UserError } from "../../src/platform/errors.ts";
import { zip } from "./torch-file.ts";

const open = (bytes: Uint8Array) => openZip(bytesSource(bytes, "x.zip"));
const contents = async (bytes: Uint8Array) =>
  Object.fromEntries(
    await Promise.all([...(await open(bytes)).values()].map(async (entry) => [entry.name, await entry.read(0, entry.size)])),
  );

describe("openZip", () => {
  test.each([{}, { wide: true }, { comment: "a comment of some length" }])("any files come back, %j", async (options) => {
    const files = fc.dictionary(fc.stringMatching(/^[a-z/.]{1,8}$/), fc.uint8Array({ maxLength: 40 }), {
      maxKeys: 4,
      noNullPrototype: true,
    });
    await fc.assert(
      fc.asyncProperty(files, async (given) => {
        expect(await contents(zip(given, options))).toEqual(given);
      }),
      { numRuns: 100 },
    );
  });

  test("parts of an entry, and nothing outside it", async () => {
    const entry = (await open(zip({ a: Uint8Array.of(1, 2, 3, 4), b: Uint8Array.of(5) }))).get("a")!;
    expect([...(await entry.read(1, 2))]).toEqual([2, 3]);
    await expect(entry.read(2, 3)).rejects.toThrow(new UserError("x.zip is damaged or cut off: the entry a has 4 bytes, 5 are needed"));
  });

  test("compressed entries are refused when they are read", async () => {
    const entry = (await open(zip({ a: Uint8Array.of(1) }, { method: 8 }))).get("a")!;
    await expect(entry.read(0, 1)).rejects.toThrow(/^x\.zip: the entry a is compressed/);
  });

  test("two entries of one name", async () => {
    const twice = zip({ "name-a": Uint8Array.of(1), "name-b": Uint8Array.of(2) });
    for (let at = 0; at < twice.length; at++) if (twice[at] === 0x62 && twice[at - 1] === 0x2d) twice[at] = 0x61;
    await expect(open(twice)).rejects.toThrow("two entries named name-a");
  });

  test.each([{}, { wide: true }])("every truncation is a UserError, %j", async (options) => {
    const whole = zip({ a: Uint8Array.of(1, 2, 3), "b/c": new Uint8Array(30) }, options);
    for (let length = 0; length < whole.length; length++) await expect(contents(whole.subarray(0, length))).rejects.toThrow(UserError);
  });

  test.each([{}, { wide: true }])("any change of a byte is a UserError or still an archive, %j", async (options) => {
    const whole = zip({ a: Uint8Array.of(1, 2, 3), "b/c": new Uint8Array(30) }, options);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, value) => {
        const changed = whole.slice();
        changed[at] = value;
        const error: unknown = await contents(changed).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(error).toBeInstanceOf(UserError);
      }),
      { numRuns: 1500 },
    );
  });
});
