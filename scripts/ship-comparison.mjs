/**
 * A finished comparison becomes a part of the repository: `node scripts/ship-comparison.mjs runs/compare comparison`.
 * Copies the report and its plots as they are, and writes the averaged weights of every contestant and of the judge in half precision.
 */
import { cpSync, existsSync } from "node:fs";
import { join } from "node:path";
import { contestantNames } from "../dist/evaluation/report/schema.js";
import { readModel, saveModel } from "../dist/model.js";

const [run, out] = process.argv.slice(2);
if (!out) throw new Error("usage: node scripts/ship-comparison.mjs RUN OUT");

for (const name of ["report.html", "report.json", "plots"]) cpSync(join(run, name), join(out, name), { recursive: true });
for (const name of [...contestantNames, "judge"])
  if (existsSync(join(run, name))) await saveModel(join(out, "models", name), { ...(await readModel(join(run, name))), dtype: "F16" });
