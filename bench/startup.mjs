/** `sedd --help` against `node -e 0`, whole processes in turn. `node bench/startup.mjs [runs]` */
import { spawnSync } from "node:child_process";
import { machine, median } from "./harness.mjs";

const runs = Number(process.argv[2] ?? 15);
const time = (args) => {
  const begin = performance.now();
  const { status } = spawnSync(process.execPath, args);
  if (status !== 0) throw new Error(`node ${args.join(" ")} exited with ${status}`);
  return performance.now() - begin;
};
const [help, bare] = [[], []];
for (let i = 0; i <= runs; i++) {
  const [a, b] = [time(["bin/sedd.js", "--help"]), time(["-e", "0"])];
  if (i > 0) {
    help.push(a);
    bare.push(b);
  }
}
console.log(
  `${machine()}; sedd --help ${median(help).toFixed(0)} ms, node -e 0 ${median(bare).toFixed(0)} ms, above it ${median(help.map((a, i) => a - bare[i])).toFixed(0)} ms (median of ${runs})`,
);
