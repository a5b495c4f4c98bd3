/** Turns by lane, bounds, and no passing of what does not fit. */
import { expect, test } from "vitest";
import { fairQueue } from "../../src/server/queue.ts";

const any = () => true;

test("lanes take turns, whoever came first with how many", () => {
  const queue = fairQueue<string>(10);
  for (const item of ["a1", "a2", "a3"]) queue.push("a", item);
  queue.push("b", "b1");
  queue.push("c", "c1");
  queue.push("b", "b2");
  expect(Array.from({ length: 7 }, () => queue.take(any))).toEqual(["a1", "b1", "c1", "a2", "b2", "a3", undefined]);
});

test("what does not fit is refused; what leaves makes room", () => {
  const queue = fairQueue<number>(2);
  expect([queue.push("a", 1), queue.push("b", 2), queue.push("b", 3), queue.push("c", 4)]).toEqual([undefined, undefined, 3, 4]);
  expect([queue.remove(1), queue.remove(1), queue.size]).toEqual([true, false, 1]);
  expect(queue.push("b", 3)).toBeUndefined();
  expect([queue.take(any), queue.take(any), queue.size]).toEqual([2, 3, 0]);
});

test("no lane takes the whole queue: of a full one the longest gives way to a shorter one; what was admitted is taken beyond the limit", () => {
  const queue = fairQueue<string>(3);
  for (const item of ["a1", "a2", "a3"]) expect(queue.push("a", item)).toBeUndefined();
  expect([queue.push("a", "a4"), queue.push("b", "b1"), queue.size]).toEqual(["a4", "a3", 3]);
  expect(queue.push("b", "b2")).toBe("b2"); // by two shorter only: places do not go to and fro
  expect([queue.push("b", "b2", true), queue.size]).toEqual([undefined, 4]);
  expect(Array.from({ length: 5 }, () => queue.take(any))).toEqual(["a1", "b1", "a2", "b2", undefined]);
});

test("a large one is not passed by smaller ones", () => {
  const queue = fairQueue<number>(5);
  queue.push("a", 8);
  queue.push("b", 1);
  expect(queue.take((rows) => rows <= 4)).toBeUndefined();
  expect([queue.take((rows) => rows <= 8), queue.take((rows) => rows <= 4)]).toEqual([8, 1]);
});
