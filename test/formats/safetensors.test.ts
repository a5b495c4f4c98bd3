import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type WritableDtype, elementCount, encode } from "../../src/formats/dtype.ts";
import { type TensorToWrite, openSafetensors, parseSafetensors, readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { UserError } from "../../src/platform/errors.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
let folder: string;
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), "sedd-safetensors-"))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bytesAt = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
const small: TensorToWrite[] = [
  { name: "a", dtype: "F32", shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
  { name: "b", dtype: "I64", shape: [], data: [5] },
  { name: "c", dtype: "F16", shape: [0, 3], data: [] },
];

/** A file with any header: a text, or an object to be written as JSON. */
function assemble(header: unknown, data = new Uint8Array(0), length?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

describe("against the reference implementation", () => {
  // Files with one metadata key at most: the reference writes several in no fixed order.
  test.each([
    "sedd-absorb/model",
    "sedd-uniform/model",
    "gpt2/model",
    "bert/model",
    "sedd-absorb/io",
    "graphs",
    "enumerable",
    "sampler-uniform",
  ])("%s is written again byte for byte", async (name) => {
    const path = join(fixtures, `${name}.safetensors`);
    const file = await readSafetensors(path);
    const tensors = [...file.entries].map(([tensor, { dtype, shape }]) => ({
      name: tensor,
      dtype: dtype as WritableDtype,
      shape,
      data: file.float64(tensor),
    }));
    const copy = join(folder, "copy.safetensors");
    await writeSafetensors(copy, tensors.reverse(), { ...file.metadata });
    expect(Buffer.compare(readFileSync(copy), readFileSync(path))).toBe(0);
  });

  test("values that are known in closed form", async () => {
    const file = await readSafetensors(join(fixtures, "noise.safetensors"));
    const t = file.float64("t");
    const total = file.float64("loglinear.total");
    // σ(t) = −log(1 − (1−ε)t) in float64 on both sides: 1e-12 relative, as the fixtures' README states.
    for (const [i, time] of t.entries()) expect(Math.abs(total[i]! / -Math.log1p(-(1 - 1e-3) * time) - 1)).toBeLessThan(1e-12);
    expect(file.shape("t")).toEqual([68]);
    expect(Array.from(file.tensor("t"))).toEqual(Array.from(t, Math.fround));
  });
});

describe("round trip", () => {
  const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 });
  const values: Record<WritableDtype, fc.Arbitrary<number>> = {
    F64: fc.double(),
    F32: fc.float(),
    F16: fc.float({ min: -60000, max: 60000 }),
    BF16: fc.float({ min: -60000, max: 60000 }),
    I32: fc.integer().map((n) => n + 0),
    I64: fc.maxSafeInteger().map((n) => n + 0),
  };
  const tensor = fc
    .record({
      name: fc.string({ unit: "grapheme", maxLength: 6 }),
      dtype: fc.constantFrom(...(Object.keys(values) as WritableDtype[])),
      shape: shapes,
    })
    .chain((head) =>
      fc
        .array(values[head.dtype], { minLength: elementCount(head.shape), maxLength: elementCount(head.shape) })
        .map((data) => ({ ...head, data })),
    );
  const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 });

  test("any names, types, shapes, values and metadata", async () => {
    const path = join(folder, "any.safetensors");
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 5 }), metadata, async (tensors, notes) => {
        await writeSafetensors(path, tensors, notes);
        const bytes = bytesAt(path);
        expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0);
        const opened = await openSafetensors(path);
        for (const file of [await readSafetensors(path), parseSafetensors(bytes)]) {
          expect(file.metadata).toEqual({ ...notes });
          expect(new Set(file.entries.keys())).toEqual(new Set(tensors.map(({ name }) => name)));
          for (const { name, dtype, shape, data } of tensors) {
            expect(file.shape(name)).toEqual(shape);
            expect(file.bytes(name)).toEqual(encode(dtype, data, 0, data.length, name).slice());
            if (dtype === "F64" || dtype.startsWith("I")) expect([...file.float64(name)]).toEqual(data);
            if (dtype !== "F64") expect(await opened.tensor(name)).toEqual(file.tensor(name));
          }
        }
        // The order in which tensors and metadata are given does not matter.
        await writeSafetensors(path, [...tensors].reverse(), Object.fromEntries(Object.entries(notes).reverse()));
        expect(bytesAt(path)).toEqual(bytes);
      }),
      { numRuns: 60 },
    );
  });

  test("a tensor longer than one piece", async () => {
    const path = join(folder, "long.safetensors");
    const data = Float32Array.from({ length: 600_001 }, (_, i) => i % 2048);
    await writeSafetensors(path, [
      { name: "half", dtype: "F16", shape: [data.length], data },
      { name: "full", dtype: "F32", shape: [data.length], data },
    ]);
    const file = await readSafetensors(path);
    for (const name of ["half", "full"]) expect(Buffer.compare(Buffer.from(file.tensor(name).buffer), Buffer.from(data.buffer))).toBe(0);
  });

  test("what is read is the reader's own", () => {
    const bytes = assemble({ a: { dtype: "U8", shape: [2], data_offsets: [0, 2] } }, Uint8Array.of(1, 2));
    const file = parseSafetensors(bytes);
    file.bytes("a")[0] = 9;
    file.tensor("a")[0] = 9;
    expect([...file.bytes("a")]).toEqual([1, 2]);
    expect([...file.int32("a")]).toEqual([1, 2]);
  });
});

describe("refusals of the writer", () => {
  const path = (): string => join(folder, "refused.safetensors");

  test("a weight that becomes infinite is a UserError, and the old file stays", async () => {
    await writeSafetensors(path(), small);
    const before = bytesAt(path());
    const data = Float32Array.of(1, 70000);
    await expect(writeSafetensors(path(), [{ name: "w", dtype: "F16", shape: [2], data }])).rejects.toThrow(
      new UserError(`cannot write ${path()}: tensor "w" holds 70000, which F16 cannot`),
    );
    expect(bytesAt(path())).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.includes("refused"))).toEqual(["refused.safetensors"]);
  });

  test("shapes that do not fit, names given twice", async () => {
    await expect(writeSafetensors(path(), [{ name: "w", dtype: "F32", shape: [3], data: [1] }])).rejects.toThrow(
      '"w" of shape [3] needs 3 values, got 1',
    );
    await expect(writeSafetensors(path(), [small[0]!, small[0]!])).rejects.toThrow('"a" is given twice');
    await expect(writeSafetensors(path(), [{ ...small[0]!, name: "__metadata__" }])).rejects.toThrow("reserved");
  });
});

describe("damaged files", () => {
  const entry = (dtype: unknown, shape: unknown, ...data_offsets: number[]) => ({ dtype, shape, data_offsets });

  test("every truncation is a UserError that names the file", async () => {
    const path = join(folder, "small.safetensors");
    await writeSafetensors(path, small, { note: "ü" });
    const whole = bytesAt(path);
    const cut = join(folder, "cut.safetensors");
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseSafetensors(whole.subarray(0, length), "cut")).toThrow(UserError);
      writeFileSync(cut, whole.subarray(0, length));
      for (const read of [readSafetensors, openSafetensors]) {
        const error = await read(cut).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(UserError);
        expect((error as UserError).message).toContain(cut);
      }
    }
    expect(() => parseSafetensors(whole.subarray(0, whole.length - 10), "half")).toThrow(
      `half is cut off: its tensors need ${whole.length} bytes, it has ${whole.length - 10} (10 are missing)`,
    );
  });

  test("any change of a byte is a UserError or still a file", async () => {
    const path = join(folder, "flip.safetensors");
    await writeSafetensors(path, small, { note: "x" });
    const whole = bytesAt(path);
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        const changed = whole.slice();
        changed[at] = value;
        try {
          const file = parseSafetensors(changed);
          for (const [name, { shape }] of file.entries) expect(file.bytes(name).length).toBeGreaterThanOrEqual(elementCount(shape));
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test.each<[string, Uint8Array, string]>([
    ["no header", assemble("", undefined, 2n ** 60n), "claims a header of"],
    ["a header beyond the end", assemble("{}", undefined, 100n), "cut off: its header ends at byte 108"],
    ["not an object", assemble("[]"), "does not begin with {"],
    ["not JSON", assemble("{]"), "not valid JSON"],
    ["not UTF-8", Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0xff), "not UTF-8 at byte 9"],
    ["bytes left over", assemble({}, new Uint8Array(1)), "its tensors end at byte 10, but it has 11"],
    ["an unknown type", assemble({ a: entry("F12", [1], 0, 1) }, new Uint8Array(1)), 'unknown type "F12"'],
    ["an inherited name as type", assemble({ a: entry("toString", [1], 0, 1) }, new Uint8Array(1)), "unknown type"],
    ["no type", assemble({ a: {} }), "unknown type undefined"],
    ["no description", assemble({ a: 1 }), "has no description"],
    ["a negative size", assemble({ a: entry("U8", [-1], 0, 1) }, new Uint8Array(1)), "has the shape [-1]"],
    ["offsets that fall", assemble({ a: entry("U8", [1], 1, 0) }, new Uint8Array(1)), "has the offsets [1,0]"],
    ["one offset", assemble({ a: entry("U8", [1], 1) }, new Uint8Array(1)), "has the offsets [1]"],
    ["too few bytes", assemble({ a: entry("F32", [2], 0, 4) }, new Uint8Array(4)), "needs 8 bytes, but has 4"],
    [
      "a shape beyond all bounds",
      assemble(
        {
          a: entry(
            "F32",
            Array.from({ length: 40 }, () => 2 ** 52),
            0,
            4,
          ),
        },
        new Uint8Array(4),
      ),
      "but has 4",
    ],
    ["a gap", assemble({ a: entry("U8", [1], 0, 1), b: entry("U8", [1], 2, 3) }, new Uint8Array(3)), 'tensor "b" begins at byte'],
    ["an overlap", assemble({ a: entry("U8", [2], 0, 2), b: entry("U8", [2], 1, 3) }, new Uint8Array(3)), 'tensor "b" begins at byte'],
    ["a gap at the beginning", assemble({ a: entry("U8", [1], 1, 2) }, new Uint8Array(2)), 'tensor "a" begins at byte'],
    [
      "a name twice",
      assemble(
        '{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}',
        new Uint8Array(1),
      ),
      'gives "a" twice',
    ],
    ["metadata that are no strings", assemble({ __metadata__: { a: 1 } }), "metadata are not strings"],
  ])("%s", (_, bytes, message) => {
    expect(() => parseSafetensors(bytes, "x.safetensors")).toThrow(UserError);
    expect(() => parseSafetensors(bytes, "x.safetensors")).toThrow(message);
    expect(() => parseSafetensors(bytes, "x.safetensors")).toThrow(/^.*x\.safetensors.*$/);
  });

  test("a tensor that is not there", async () => {
    const file = await readSafetensors(join(fixtures, "noise.safetensors"));
    expect(() => file.tensor("T")).toThrow(/noise\.safetensors has no tensor "T"/);
    await expect(openSafetensors(join(folder, "none"))).rejects.toThrow(/no such file/);
  });
});
