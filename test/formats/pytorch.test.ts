import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHalf } from "../../src/formats/half.ts";
import type { PickleValue } from "../../src/formats/pickle.ts";
import { PyTorchTensor, parsePyTorch, readPyTorch } from "../../src/formats/pytorch.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { bytesSource } from "../../src/formats/source.ts";
import { UserError } from "../../src/platform/errors.ts";
import { bytesOf, call, dictionary, global, int, pickle, storage, tensor, text, torchFile, tuple, zip } from "./torch-file.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
const parse = (bytes: Uint8Array): Promise<PickleValue> => parsePyTorch(bytesSource(bytes, "x.pt"));
/** The one tensor of a file: shape and values. */
async function only(bytes: Uint8Array): Promise<[readonly number[], number[]]> {
  const value = (await parse(bytes)) as PyTorchTensor;
  expect(value).toBeInstanceOf(PyTorchTensor);
  return [value.shape, [...(await value.load())]];
}
const floats = (n: number): Uint8Array => bytesOf(Float32Array.from({ length: n }, (_, i) => i));

describe("fixtures", () => {
  test.each(["sedd-absorb", "sedd-uniform"])("%s: the state dict equals the safetensors file", async (name) => {
    const state = (await readPyTorch(join(fixtures, name, "pytorch_model.bin"))) as Map<string, PyTorchTensor>;
    const truth = await readSafetensors(join(fixtures, name, "model.safetensors"));
    expect(new Set(state.keys())).toEqual(new Set(truth.entries.keys()));
    for (const [key, value] of state) {
      expect(value.shape).toEqual(truth.shape(key));
      expect(Buffer.compare(bytesOf(await value.load()), bytesOf(truth.tensor(key))), key).toBe(0);
    }
  });

  test("the training checkpoint with its NumPy scalars", async () => {
    const saved = (await readPyTorch(join(fixtures, "sedd-absorb/checkpoint.pth"))) as Map<string, PickleValue>;
    expect([...saved.keys()].sort()).toEqual(["ema", "model", "optimizer", "step"]);
    const optimizer = saved.get("optimizer") as Map<string, PickleValue>;
    const group = (optimizer.get("param_groups") as Map<string, PickleValue>[])[0]!;
    expect(group.get("lr")).toBeTypeOf("number");
    expect(group.get("betas")).toEqual([0.9, 0.999]);
    const first = (optimizer.get("state") as Map<number, Map<string, PyTorchTensor>>).get(0)!;
    expect([...(await first.get("step")!.load())]).toEqual([3]);
  });
});

describe("tensors", () => {
  test("every type of storage", async () => {
    const types: [string, ArrayBufferView, number[]][] = [
      ["DoubleStorage", Float64Array.of(0.5, -2), [0.5, -2]],
      ["FloatStorage", Float32Array.of(0.5, -2), [0.5, -2]],
      ["HalfStorage", Uint16Array.of(toHalf(0.5), toHalf(-2)), [0.5, -2]],
      ["BFloat16Storage", Uint16Array.of(0x3f00, 0xc000), [0.5, -2]],
      ["LongStorage", BigInt64Array.of(5n, -7n), [5, -7]],
      ["IntStorage", Int32Array.of(5, -7), [5, -7]],
      ["ShortStorage", Int16Array.of(5, -7), [5, -7]],
      ["CharStorage", Int8Array.of(5, -7), [5, -7]],
      ["ByteStorage", Uint8Array.of(5, 250), [5, 250]],
      ["BoolStorage", Uint8Array.of(1, 0), [1, 0]],
    ];
    for (const [type, array, values] of types) {
      const file = torchFile(tensor(storage(type, "0", 2, "cuda:0"), 0, [2], [1]), { "0": bytesOf(array) });
      expect(await only(file)).toEqual([[2], values]);
    }
  });

  test("any view of a storage: offset, transposed, every other, expanded", async () => {
    const axis = fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 6 }));
    await fc.assert(
      fc.asyncProperty(fc.array(axis, { maxLength: 3 }), fc.nat(5), async (axes, offset) => {
        const shape = axes.map(([size]) => size);
        const strides = axes.map(([, stride]) => stride);
        // The definition: element (i, j, …) lies at offset + Σ index · stride; the last index runs fastest.
        let expected = [offset];
        for (const [size, stride] of axes) expected = expected.flatMap((at) => Array.from({ length: size }, (_, i) => at + i * stride));
        const file = torchFile(tensor(storage("FloatStorage", "7", 80), offset, shape, strides), { "7": floats(80) });
        expect(await only(file)).toEqual([shape, expected]);
      }),
      { numRuns: 300 },
    );
  });

  test("several tensors share a storage; a parameter is its tensor; zip64 is read", async () => {
    const file = torchFile(
      dictionary({
        a: tensor(storage("FloatStorage", "0", 6), 0, [2], [1]),
        b: call(
          global("torch._utils", "_rebuild_parameter"),
          tensor(storage("FloatStorage", "0", 6), 4, [2], [1]),
          int(1),
          call(global("collections", "OrderedDict")),
        ),
      }),
      { "0": floats(6) },
      { wide: true },
    );
    const saved = (await parse(file)) as Map<string, PyTorchTensor>;
    expect([...(await saved.get("a")!.load())]).toEqual([0, 1]);
    expect([...(await saved.get("b")!.load())]).toEqual([4, 5]);
  });

  test("NumPy scalars by both names, torch.Size, an OrderedDict of pairs", async () => {
    const dtype = (name: string, order: string): Uint8Array => {
      const made = call(global("numpy", "dtype"), text(name), int(0), int(1));
      return Uint8Array.from([...made, ...tuple(int(3), text(order)), 0x62]);
    };
    const bytes = (array: ArrayBufferView): Uint8Array =>
      call(global("_codecs", "encode"), text(String.fromCharCode(...bytesOf(array))), text("latin1"));
    const file = torchFile(
      tuple(
        call(global("numpy.core.multiarray", "scalar"), dtype("f8", "<"), bytes(Float64Array.of(3e-4))),
        call(global("numpy._core.multiarray", "scalar"), dtype("i8", "<"), bytes(BigInt64Array.of(-7n))),
        call(global("numpy._core.multiarray", "scalar"), dtype("b1", "|"), bytes(Uint8Array.of(1))),
        call(global("torch", "Size"), tuple(int(2), int(3))),
        call(global("collections", "OrderedDict"), tuple(tuple(text("a"), int(1)))),
      ),
    );
    expect(await parse(file)).toEqual([3e-4, -7, 1, [2, 3], new Map([["a", 1]])]);
    await expect(parse(torchFile(dtype("f8", ">")))).rejects.toThrow("not little-endian");
    await expect(parse(torchFile(dtype("O8", "|")))).rejects.toThrow("the NumPy type O8 is not supported");
  });
});

describe("refusals", () => {
  const good = storage("FloatStorage", "0", 4);
  const data = { "0": floats(4) };

  test.each<[string, Uint8Array, string]>([
    [
      "a program",
      torchFile(call(global("posix", "system"), text("true"))),
      "asks for the Python object posix.system, which is not one that weights need: refused",
    ],
    ["a module", torchFile(global("torch.nn.modules.linear", "Linear")), "torch.nn.modules.linear.Linear"],
    ["a loader that is called through torch", torchFile(global("torch", "load")), "torch.load"],
    ["calling a storage type", torchFile(call(global("torch", "FloatStorage"), int(8))), "torch.FloatStorage is called"],
    ["a view beyond its storage", torchFile(tensor(good, 2, [3], [1]), data), "needs 5 elements of a storage of 4"],
    ["a stride beyond its storage", torchFile(tensor(good, 0, [2, 2], [4, 1]), data), "needs 6 elements of a storage of 4"],
    ["a negative offset", torchFile(tensor(good, -1, [1], [1]), data), "no storage, shape or strides"],
    ["a negative size", torchFile(tensor(good, 0, [-1], [1]), data), "no storage, shape or strides"],
    ["fewer strides than sizes", torchFile(tensor(good, 0, [1, 1], [1]), data), "no storage, shape or strides"],
    ["a huge expansion", torchFile(tensor(good, 0, [2 ** 30, 2 ** 20], [0, 0]), data), "repeats a storage of 4"],
    ["a size beyond all bounds", torchFile(tensor(good, 0, [2 ** 30, 2 ** 30], [0, 0]), data), "has the shape"],
    ["no storage", torchFile(tensor(int(3), 0, [1], [1]), data), "no storage, shape or strides"],
    ["a missing storage", torchFile(tensor(good, 0, [1], [1])), "the storage 0 is missing"],
    ["a short storage", torchFile(tensor(good, 0, [1], [1]), { "0": floats(3) }), "needs 16 bytes (4 of F32), it has 12"],
    ["another persistent id", torchFile(Uint8Array.from([...text("x"), 0x51])), "not that of a storage"],
    ["a storage of an unknown type", torchFile(storage("ComplexFloatStorage", "0", 1)), "torch.ComplexFloatStorage"],
    ["big-endian", torchFile(int(1), {}, { byteOrder: "big" }), "big-endian"],
    ["compressed", torchFile(int(1), {}, { method: 8 }), "is compressed"],
    ["another zip", zip({ "a.txt": Uint8Array.of(1) }), "not written by torch.save"],
    ["two pickles", zip({ "a/data.pkl": pickle("N"), "b/data.pkl": pickle("N") }), "not written by torch.save"],
    ["the old format", pickle("N"), "from before version 1.6"],
    ["another file", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n"), "no zip directory"],
    ["an empty file", new Uint8Array(0), "no zip directory"],
  ])("%s", async (_, bytes, message) => {
    const error: unknown = await parse(bytes).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/^x\.pt.*$/);
    expect((error as UserError).message).toContain(message);
  });

  const whole = torchFile(dictionary({ a: tensor(good, 0, [2, 2], [1, 2]), b: int(1) }), data);
  const loadAll = async (bytes: Uint8Array): Promise<void> => {
    const value = await parse(bytes);
    const items: unknown[] = value instanceof Map ? [...value.values()] : [value];
    for (const item of items) if (item instanceof PyTorchTensor) await item.load();
  };

  test("every truncation", async () => {
    await loadAll(whole);
    for (let length = 0; length < whole.length; length++) await expect(loadAll(whole.subarray(0, length))).rejects.toThrow(UserError);
    const real = new Uint8Array(readFileSync(join(fixtures, "sedd-uniform/checkpoint.pth")));
    for (const part of [0.001, 0.25, 0.5, 0.999]) await expect(loadAll(real.subarray(0, real.length * part))).rejects.toThrow(UserError);
  });

  test("any change of a byte is a UserError or still a file", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), async (at, value) => {
        const changed = whole.slice();
        changed[at] = value;
        const error: unknown = await loadAll(changed).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(error).toBeInstanceOf(UserError);
      }),
      { numRuns: 3000 },
    );
  });
});
