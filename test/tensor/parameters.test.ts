/** Parameters as one flat buffer. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Layout } from "../../src/tensor/index.ts";
import { shapes } from "./check.ts";
import { sizeOf } from "./reference.ts";

test("the views tile the buffer in the given order", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 6 }),
      fc.array(shapes(0, 3), { minLength: 6, maxLength: 6 }),
      (names, extents) => {
        const layout = new Layout(names.map((name, i) => ({ name, shape: extents[i]! })));
        let offset = 0;
        names.forEach((name, i) => {
          expect(layout.get(name)).toEqual({ name, shape: extents[i], offset, size: sizeOf(extents[i]!) });
          offset += sizeOf(extents[i]!);
        });
        expect(layout.size).toBe(offset);
        expect(layout.views.map((view) => view.name)).toEqual(names);
        expect(layout.allocate()).toEqual(new Float32Array(offset));
      },
    ),
  );
});

test("slices are views, not copies, and take a prefix", () => {
  const layout = new Layout([
    { name: "a", shape: [2] },
    { name: "b", shape: [2, 2] },
  ]);
  const buffer = layout.allocate();
  layout.slice(buffer, "b").fill(3);
  expect([...buffer]).toEqual([0, 0, 3, 3, 3, 3]);
  const named = layout.slices(buffer, "p:");
  expect(Object.keys(named)).toEqual(["p:a", "p:b"]);
  named["p:a"]![1] = 7;
  expect(buffer[1]).toBe(7);
  expect([layout.has("a"), layout.has("c")]).toEqual([true, false]);
});

test("a name given twice, an unknown name and a buffer of another size are errors", () => {
  const twice = { name: "a", shape: [1] };
  expect(() => new Layout([twice, twice])).toThrow("Layout: two parameters share a name");
  const layout = new Layout([twice]);
  expect(() => layout.get("b")).toThrow("Layout: no parameter b");
  expect(() => layout.slices(new Float32Array(2))).toThrow("Layout: a buffer of 2 is not one of 1");
});
