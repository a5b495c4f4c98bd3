import { test, expect } from "vitest";
import { readPyTorch, PyTorchTensor } from "../../src/formats/pytorch.ts";
import { readModelFolder } from "../../src/formats/hub.ts";
import { readText } from "#platform";
test("x", async () => {
  const truth = JSON.parse(await readText("/tmp/tt/truth.json"));
  for (const p of [2,3,4,5]) {
    const v = await readPyTorch(`/tmp/tt/p${p}.pt`) as Map<string, any>;
    for (const [k, t] of v) if (t instanceof PyTorchTensor) { expect([t.shape, [...await t.load()]], k).toEqual([truth[k][0], truth[k][1].map(Math.fround)]); }
    console.log([...v].filter(([,t])=>!(t instanceof PyTorchTensor)));
  }
  for (const f of ["legacy","module"]) await readPyTorch(`/tmp/tt/${f}.pt`).then(console.log,(e)=>console.log(String(e)));
  for (const k of ["sedd-absorb","sedd-uniform"]) {
   for (const file of ["model.safetensors","pytorch_model.bin","checkpoint.pth"]) { const m = await readModelFolder("test/fixtures/"+k,{file}); console.log(m.tensors.size, m.ema?.tensors.size, m.ema?.decay, m.step); }
  }
});
