/** The page: hands the form to a worker, shows how the model comes, and the text while it is written. */
const [form, status, output] = ["form", "[role=status]", "blockquote"].map((which) => document.querySelector(which));
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const { template, steps, seed, device } = Object.fromEntries(new FormData(form));
  // A worker's own address is somewhere in assets/, so it is told where the models lie.
  const model = new URL("models/fairytales/", document.baseURI).href;
  worker.postMessage({ model, device, template, steps: Number(steps), seed: Number(seed) });
});

worker.addEventListener("message", ({ data: { progress, text, done, error } }) => {
  if (progress) status.textContent = `${progress.file}: ${(progress.loaded / 1e6).toFixed(1)} MB`;
  if (text !== undefined) output.textContent = text;
  if (done) status.textContent = done;
  if (error) status.textContent = error;
});
