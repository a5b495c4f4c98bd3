/** The model, off the page's own thread, so that the page stays alive while it computes. */
import { load } from "sedd";

const models = {};

self.addEventListener("message", async ({ data: { model: address, device, template, steps, seed } }) => {
  try {
    models[device] ??= load(address, { device, onProgress: (progress) => self.postMessage({ progress }) });
    models[device].catch(() => delete models[device]);
    const model = await models[device];
    const [{ text, milliseconds }] = await model.infill(template, {
      steps,
      seed,
      onStep: (frame) => self.postMessage({ text: frame.text }),
    });
    self.postMessage({ text, done: `${steps} steps in ${(milliseconds / 1000).toFixed(1)} s` });
  } catch (error) {
    self.postMessage({ error: error.message });
  }
});
