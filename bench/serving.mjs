/**
 * The server under load: texts a second with and without shared network calls, and how long `/health` takes meanwhile. `node bench/serving.mjs [seconds]`
 */
import { spawn } from "node:child_process";
import { machine } from "./harness.mjs";

const seconds = Number(process.argv[2] ?? 10);

/** The server on a free port; its address. */
async function start(flags) {
  const child = spawn(process.execPath, ["bin/sedd.js", "serve", "--port", "0", "--log-level", "silent", ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  for await (const piece of child.stderr) {
    said += piece;
    const [address] = /http:\/\/[\d.]+:\d+/.exec(said) ?? [];
    if (address) return { child, address };
  }
  throw new Error(said);
}

async function measure(what, flags, clients) {
  const { child, address } = await start(flags);
  const ask = async (seed) => {
    const body = JSON.stringify({ prompt: "Once upon a time", max_tokens: 24, steps: 32, seed });
    const response = await fetch(`${address}/v1/completions`, { method: "POST", headers: { "content-type": "application/json" }, body });
    await response.text();
    if (!response.ok) throw new Error(`status ${response.status}`);
  };
  // Shapes are compiled at their first call.
  for (const together of [16, 8, 5, 2, 1]) await Promise.all(Array.from({ length: together }, (_, i) => ask(i)));
  const end = performance.now() + seconds * 1000;
  let done = 0;
  const delays = [];
  const loops = Array.from({ length: clients }, async (_, c) => {
    for (let k = 0; performance.now() < end; k++) {
      await ask(1000 * (c + 1) + k);
      if (performance.now() < end) done++;
    }
  });
  while (performance.now() < end) {
    const begin = performance.now();
    await (await fetch(`${address}/health`)).text();
    delays.push(performance.now() - begin);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  await Promise.all(loops);
  child.kill();
  delays.sort((a, b) => a - b);
  const at = (share) => delays[Math.floor(share * (delays.length - 1))].toFixed(1);
  console.log(
    `${what}, ${clients} clients: ${(done / seconds).toFixed(1)} texts a second; /health median ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(1)} ms (${delays.length} asked)`,
  );
  return done / seconds;
}

console.log(machine());
const together = await measure("shared calls", [], 16);
const apart = await measure("a call each", ["--no-batching"], 16);
console.log(`shared calls: ${(together / apart).toFixed(2)} ×`);
await measure("shared calls", [], 64);
process.exit(0);
