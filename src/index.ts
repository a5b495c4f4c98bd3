/** The public names of the package, and nothing else. */
export { load, type LoadOptions, type Model } from "./model.ts";
export type { Likelihood, LikelihoodOptions, Sample, SampleFrame, SampleOptions } from "./objectives/sedd-model.ts";
export { absorb } from "./diffusion/absorb.ts";
export { uniform } from "./diffusion/uniform.ts";
export { geometric, logLinear, type Noise } from "./diffusion/noise.ts";
export { sampleFrom, type SampleFromOptions } from "./diffusion/sample-from.ts";
export type { DenseScore } from "./diffusion/score.ts";
export type { Graph } from "./diffusion/graph.ts";
export type { Frame, SamplerName } from "./diffusion/sampler.ts";
export { UserError } from "./platform/errors.ts";
export type { Tokenizer } from "./text/tokenizer.ts";
export type { Device } from "./tensor/index.ts";
