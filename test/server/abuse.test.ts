/** Random and mutated bodies: whatever is sent, the answer is a result or an error of the sender's, in the envelope, and the server goes on. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { serveTiny } from "./support.ts";

/** Sound values of every field; a body takes some of them, and some of these are replaced by anything. */
const sound: Record<string, Record<string, unknown>> = {
  "/v1/completions": {
    model: "tiny",
    prompt: "the ",
    suffix: " fox",
    max_tokens: 3,
    n: 2,
    seed: 1,
    temperature: 0.5,
    top_p: 0.9,
    top_k: 2,
    stop: ["g"],
    echo: true,
    stream: false,
  },
  "/v1/infill": {
    model: "tiny",
    template: "a [[2]] fox",
    spans: ["a", { tokens: 2 }],
    n: 1,
    seed: 0,
    length: 8,
    stream: true,
    diffusing: true,
    sampler: "euler",
  },
  "/infill": { input_prefix: "a", input_suffix: "b", n_predict: 2, seed: -1, stop: [], stream: false, cache_prompt: true },
  "/v1/score": { template: "a[[ fox]]", candidates: [" king"], samples: 2, seed: 0, top: 1 },
};
const anything = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(-1, 1e308, 2 ** 53, "", "\ud800", "[[", "[[0]]", "[[99999999999]]", "\\[[", [], {}, { tokens: -1 }, null),
);
const request = fc.constantFrom(...Object.keys(sound)).chain((path) =>
  fc.record({
    path: fc.constant(path),
    fields: fc.subarray(Object.entries(sound[path]!)),
    wrong: fc.dictionary(fc.constantFrom(...Object.keys(sound[path]!), "__proto__", "steps", "anything"), anything, { maxKeys: 2 }),
  }),
);

test("no request brings it down, and no answer is a failure of ours", async () => {
  // A request may ask for what is large; it is not to take long here.
  const served = await serveTiny({ steps: 8, texts: 4, timeLimit: 20 });
  await fc.assert(
    fc.asyncProperty(request, async ({ path, fields, wrong }) => {
      const steps = path === "/v1/score" ? {} : { steps: 2 };
      const response = await served.post(path, { ...steps, ...Object.fromEntries(fields), ...wrong });
      const text = await response.text();
      expect([200, 400, 404], text).toContain(response.status);
      if (response.status !== 200) expect(JSON.parse(text)).toHaveProperty("error.message");
      expect(text).not.toContain("internal_error");
    }),
    { numRuns: 150, seed: 5 },
  );
  expect((await fetch(`${served.address}/ready`)).status).toBe(200);
});
