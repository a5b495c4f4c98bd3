import { test, expect } from "vitest";
import { golden, relativeError } from "../support/fixtures.ts";
import { compile } from "../../src/tensor/index.ts";
import { seddObjective, corruptionOf } from "../../src/objectives/sedd.ts";
import { lossProgram, PARAMETER, GRADIENT } from "../../src/objectives/objective.ts";
test("loss", async () => {
  const model = golden("sedd-absorb/model.safetensors"), io = golden("loss-absorb.safetensors");
  const config = { network: { states: 51, hidden: 64, layers: 2, heads: 4, conditioning: 32, dropout: 0 }, noise: { kind: "loglinear", eps: 1e-3 }, parameterization: "score", scaleBySigma: true } as const;
  const o = seddObjective(config);
  const ints = (n: string) => Int32Array.from(io.int32(n));
  const c = corruptionOf(config, ints("x0"), ints("x_t"), Float64Array.from(io.tensor("t")), { batch: 3, length: 24 });
  const exe = await compile(lossProgram(o, { batch: 3, length: 24 }, c.capacity, { training: false, gradients: true }), { threads: 2 });
  const flat = o.layout.allocate(); const g = o.layout.allocate();
  for (const v of o.layout.views) flat.set(model.tensor(v.name), v.offset);
  const out = await exe.run({ ...o.layout.slices(flat, PARAMETER), ...c.feeds }, o.layout.slices(g, GRADIENT));
  console.log(out.sum![0]! as number / 3, io.float64("loss_mean")[0]);
  for (const v of o.layout.views) console.log(v.name, relativeError(o.layout.slice(g, v.name).map(x => x/3), io.tensor("grad/"+v.name), "tensor"));
});
