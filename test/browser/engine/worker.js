import { load } from "sedd";

let model;

const methods = {
  /** Returns every progress report. */
  async load(name, options) {
    const reports = [];
    model = await load(name, { ...options, onProgress: (progress) => reports.push(progress) });
    return reports;
  },
  sample: (options) => model.sample(options),
  /** Several calls at the same time. */
  samples: (all) => Promise.all(all.map((options) => model.sample(options))),
  logScore: async (tokens, sigma) => Array.from(await model.logScore(Int32Array.from(tokens), Float64Array.from(sigma))),
  dispose: () => model.dispose(),
};

self.addEventListener("message", async ({ data: { id, method, args } }) => {
  try {
    self.postMessage({ id, value: await methods[method](...args) });
  } catch (error) {
    self.postMessage({ id, error: `${error.name}: ${error.message}` });
  }
});
