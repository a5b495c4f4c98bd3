/** `engine(method, ...arguments)` calls worker.js. */
const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map();
worker.addEventListener("message", ({ data: { id, value, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) resolve(value);
  else reject(new Error(error));
});
worker.addEventListener("error", ({ message }) => {
  for (const { reject } of waiting.values()) reject(new Error(message));
});

let calls = 0;
globalThis.engine = (method, ...args) =>
  new Promise((resolve, reject) => {
    waiting.set(++calls, { resolve, reject });
    worker.postMessage({ id: calls, method, args });
  });
