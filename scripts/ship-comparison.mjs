/**
 * A comparison's trainings become a part of the repository: `node scripts/ship-comparison.mjs runs/compare comparison`. Of every run that is at its end it writes the averaged
 * weights in half precision, the recipe and the metrics; `sedd compare recipes/compare.yaml --out comparison` then measures what is shipped.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { writeFinishedRun } from "../dist/evaluation/finished-run.js";
import { contestantNames } from "../dist/evaluation/report/schema.js";

const [run, out] = process.argv.slice(2);
if (!out) throw new Error("usage: node scripts/ship-comparison.mjs RUN OUT");

for (const name of [...contestantNames, "judge"]) {
  if (!existsSync(join(run, name))) continue;
  try {
    await writeFinishedRun(join(run, name), join(out, name));
    console.log(join(out, name));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
