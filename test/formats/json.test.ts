import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseJsonObject, repeatedKey } from "../../src/formats/json.ts";
import { UserError } from "../../src/platform/errors.ts";

describe("parseJsonObject", () => {
  test("an object, also after a byte order mark", () => expect(parseJsonObject('\uFEFF{"a":1}', "x.json")).toEqual({ a: 1 }));
  test.each(["", "{", '{"a":}', "{\n\n}}"])("%j is refused in one line that names the file", (text) => {
    expect(() => parseJsonObject(text, "x.json")).toThrow(/^x\.json is not valid JSON: .*$/);
    expect(() => parseJsonObject(text, "x.json")).toThrow(UserError);
  });
  test.each(["[]", "null", "3"])("%s is no object", (text) =>
    expect(() => parseJsonObject(text, "x.json")).toThrow(new UserError("x.json is not a JSON object")),
  );
});

describe("repeatedKey", () => {
  test.each([
    ['{"a":1,"a":2}', "a"],
    ['{"a":{"b":1,"c":[{}],"b":2}}', "b"],
    ['{"a":1,"\\u0061" :2}', "a"],
    ['{"x":["a","a"],"y":"x:","z":{"x":1}}', undefined],
    ['[{"a":1},{"a":1}]', undefined],
    ['{"a\\"":1,"a\\\\":2,"{":3,"]":"\\":"}', undefined],
    ['{"__proto__":1,"__proto__":1}', "__proto__"],
  ])("%s", (text, key) => expect(repeatedKey(text)).toBe(key));

  test.each([
    ["value", (long: string) => `{"a":"${long}","a":1}`],
    ["key", (long: string) => `{"a":1,"${long}":2,"a":3}`],
    ["space", (long: string) => `{"a"${" ".repeat(long.length)}:1,"a":2}`],
  ])("a %s of twenty million characters: no stack for each", (_, write) =>
    expect(repeatedKey(write(`${"x".repeat(20_000_000)}\\"`))).toBe("a"),
  );

  test("nothing that was written from a value has one", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(repeatedKey(JSON.stringify(value))).toBeUndefined();
        expect(repeatedKey(JSON.stringify(value, null, 1))).toBeUndefined();
      }),
    );
  });
});
