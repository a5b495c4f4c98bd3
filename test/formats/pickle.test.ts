import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type PickleContext, unpickle } from "../../src/formats/pickle.ts";
import { UserError } from "../../src/platform/errors.ts";
import { call, dictionary, global, int, pickle, text, tuple } from "./torch-file.ts";

const context: PickleContext = {
  name: "x.pkl",
  global: (name) => (name === "math.sum" ? { global: name, call: (args) => (args as number[]).reduce((a, b) => a + b, 0) } : undefined),
  persistent: (id) => ({ id }),
};
const read = (...opcodes: Parameters<typeof pickle>) => unpickle(pickle(...opcodes), context);

describe("values", () => {
  test.each<[string, Parameters<typeof pickle>, unknown]>([
    ["None", ["N"], null],
    ["True", [0x88], true],
    ["False", [0x89], false],
    ["one byte", ["K", 255], 255],
    ["two bytes", ["M", 1, 2], 513],
    ["four bytes", [int(-70000)], -70000],
    ["no byte", [0x8a, 0], 0],
    ["a long", [0x8a, 5, 0, 0, 0, 0, 1], 2 ** 32],
    ["a negative long", [0x8a, 2, 0, 0xff], -256],
    ["a long beyond 2^53", [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1], 2n ** 64n],
    ["a float", ["G", 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], 1.5],
    ["a text", [text("grün 🐉")], "grün 🐉"],
    ["a short text", [0x8c, 2, "ab"], "ab"],
    ["a long text", [0x8d, 2, 0, 0, 0, 0, 0, 0, 0, "ab"], "ab"],
    ["bytes", ["C", 2, 0xff, 0], Uint8Array.of(255, 0)],
    ["more bytes", ["B", 1, 0, 0, 0, 0xff], Uint8Array.of(255)],
    ["empty ones", ["(])}t"], [[], [], new Map()]],
    ["tuples", ["N", 0x85, "N", "N", 0x86, "N", "N", "N", 0x87, 0x87], [[null], [null, null], [null, null, null]]],
    ["a list", ["]", int(1), "a(", int(2), int(3), "e"], [1, 2, 3]],
    [
      "a dictionary",
      [dictionary({ a: int(1), b: text("c") })],
      new Map<string, unknown>([
        ["a", 1],
        ["b", "c"],
      ]),
    ],
    ["a dictionary of numbers", ["}", int(2), int(3), "s"], new Map([[2, 3]])],
    ["the memo", [text("a"), "q", 7, "0", "h", 7, "h", 7, 0x86], ["a", "a"]],
    ["the long memo", [text("a"), "r", 7, 1, 0, 0, "0", "j", 7, 1, 0, 0], "a"],
    ["the counted memo", [text("a"), 0x94, text("b"), 0x94, "h", 0, 0x87], ["a", "b", "a"]],
    ["a call", [call(global("math", "sum"), int(1), int(2))], 3],
    ["a global from the stack", [text("math"), text("sum"), 0x93, tuple(int(4)), "R"], 4],
    ["a persistent id", [text("k"), "Q"], { id: "k" }],
    ["attributes of a dictionary", ["}", dictionary({ _metadata: int(1) }), "b"], new Map()],
    ["a frame", [0x95, 1, 0, 0, 0, 0, 0, 0, 0, "N"], null],
  ])("%s", (_, opcodes, value) => expect(read(...opcodes)).toEqual(value));

  test("what is shared stays shared, and a cycle ends", () => {
    const [a, b] = read("]", "q", 0, "h", 0, 0x86) as [unknown, unknown];
    expect(a).toBe(b);
    const list = read("]", "q", 0, "h", 0, "a") as unknown[];
    expect(list[0]).toBe(list);
  });

  test("a key cannot reach a prototype", () => {
    const hostile = read("}", text("__proto__"), dictionary({ polluted: int(1) }), "s") as Map<string, unknown>;
    expect([...hostile.keys()]).toEqual(["__proto__"]);
    expect("polluted" in {}).toBe(false);
  });
});

describe("refusals", () => {
  test.each<[string, Parameters<typeof pickle>, string]>([
    ["os.system", [call(global("os", "system"), text("touch /tmp/x"))], "asks for the Python object os.system,"],
    ["posix.system", [call(global("posix", "system"), text("true"))], "posix.system"],
    ["builtins.eval", [text("builtins"), text("eval"), 0x93, tuple(text("1")), "R"], "builtins.eval"],
    ["a name with a line end", [text("a\nb"), text("c"), 0x93], "a\\nb.c"],
    ["an attribute of an allowed one", [global("math", "sum.__globals__")], "math.sum.__globals__"],
    ["INST", ["(ios\nsystem\n"], "opcode 0x69"],
    ["OBJ", ["(", "o"], "opcode 0x6f"],
    ["EXT1", [0x82, 1], "opcode 0x82"],
    ["a text persistent id", ["P0\n"], "opcode 0x50"],
    ["protocol 6", [0x80, 6], "newer than 5"],
    ["calling a text", [text("a"), tuple(), "R"], "calls something that is not a function"],
    ["calling with no tuple", [global("math", "sum"), int(1), "R"], "calls something that is not a function"],
    ["an empty stack", [], "its stack is empty"],
    ["nothing to call", ["R"], "its stack is empty"],
    ["no mark", ["t"], "it has no mark"],
    ["an unknown memo", ["h", 3], "has not stored"],
    ["an odd dictionary", ["}(", int(1), "u"], "not a dictionary"],
    ["items of a text", [text("a"), int(1), int(2), "s"], "not a dictionary"],
    ["appending to a text", [text("a"), int(1), "a"], "not a list"],
    ["attributes of a text", [text("a"), "}", "b"], "has none"],
    ["a global without a name", ["N", "N", 0x93], "a global has no name"],
    ["a text that is not UTF-8", [0x8c, 1, 0xff], "not UTF-8"],
    ["a text longer than the file", [0x8d, 0, 0, 0, 0, 0, 0, 0, 0x7f, "a"], "ends in the middle"],
  ])("%s", (_, opcodes, message) => {
    expect(() => read(...opcodes)).toThrow(UserError);
    expect(() => read(...opcodes)).toThrow(message);
    expect(() => read(...opcodes)).toThrow(/^x\.pkl.*$/);
  });

  test("every truncation", () => {
    const whole = pickle(dictionary({ a: tuple(int(1), call(global("math", "sum"), int(2))), b: text("c") }));
    for (let length = 0; length < whole.length; length++) expect(() => unpickle(whole.subarray(0, length), context)).toThrow(UserError);
  });

  test("any bytes are a value or a UserError", () => {
    const opcode = fc.constantFrom(
      ...[..."(0N.J]Gd)}tXasuebhjqrcRQKMCBU"].map((letter) => letter.charCodeAt(0)),
      0x80,
      0x81,
      0x85,
      0x86,
      0x87,
      0x88,
      0x89,
      0x8a,
      0x8c,
      0x8d,
      0x8e,
      0x93,
      0x94,
      0x95,
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(opcode, fc.nat(3), fc.nat(255)), { maxLength: 40 }), (bytes) => {
        try {
          unpickle(Uint8Array.from(bytes), context);
        } catch (error) {
          expect(error).toBeInstanceOf(UserError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
