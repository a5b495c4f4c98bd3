import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeUtf8, invalidUtf8At } from "../../src/platform/utf8.ts";

const strict = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
};

describe("invalidUtf8At", () => {
  test("agrees with the platform's decoder on whether bytes are UTF-8, and everything before the offset is", () => {
    // Bytes near the borders of the encoding's ranges, so that valid sequences do occur.
    const byte = fc.oneof(
      fc.constantFrom(0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xf5),
      fc.nat(255),
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (values) => {
        const bytes = Uint8Array.from(values);
        const at = invalidUtf8At(bytes);
        expect(at === -1).toBe(strict(bytes));
        if (at >= 0) expect(strict(bytes.subarray(0, at))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["a lone continuation", [0x61, 0x80], 1],
    ["an overlong slash", [0xc0, 0xaf], 0],
    ["a surrogate", [0x61, 0xed, 0xa0, 0x80], 1],
    ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80], 0],
    ["a sequence cut off", [0x61, 0x62, 0xe2, 0x82], 2],
    ["latin1", [0x63, 0x61, 0x66, 0xe9, 0x20], 3],
  ])("%s", (_, bytes, at) => expect(invalidUtf8At(Uint8Array.from(bytes))).toBe(at));
});

describe("decodeUtf8", () => {
  test("gives any well-formed text back, a byte order mark included", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(decodeUtf8(new TextEncoder().encode(text))).toBe(text);
      }),
    );
    expect(decodeUtf8(Uint8Array.from([0xef, 0xbb, 0xbf, 0x41]))).toBe("\uFEFFA");
  });
  test("gives undefined for anything else", () => expect(decodeUtf8(Uint8Array.from([0xff]))).toBeUndefined());
});
