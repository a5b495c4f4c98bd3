/** The public names of the package, and nothing else. */
export { load, type LoadOptions, type Model, type Progress } from "./model.ts";
export type { BatchingOptions } from "./objectives/batching-score.ts";
export type { ModelConfig } from "./objectives/sedd-config.ts";
export type { QueryProtocol, SpanBound } from "./objectives/sedd-query.ts";
export type {
  Estimator,
  Likelihood,
  LikelihoodOptions,
  LikelihoodProtocol,
  Sample,
  SampleFrame,
  SampleOptions,
  StreamOptions,
  TextLikelihood,
} from "./objectives/sedd-model.ts";
export { compareLikelihoods, type Comparison } from "./objectives/sedd-comparison.ts";
export type { Candidate, LawsOptions, PositionLaw, Ranking, Score, ScoreOptions } from "./objectives/sedd-model.ts";
export type { MaskedPrediction, MaskedPredictionOptions } from "./objectives/masked-prediction.ts";
export type { HoleConstraint } from "./objectives/sedd-sample.ts";
export type { Constraint } from "./diffusion/constraints.ts";
export type { CorrectorOptions } from "./diffusion/corrector.ts";
export type { Departures } from "./diffusion/departures.ts";
export type { GridName } from "./diffusion/grid.ts";
export { absorb } from "./diffusion/absorb.ts";
export { uniform } from "./diffusion/uniform.ts";
export {
  concreteScore,
  marginal,
  rateMatrix,
  reverseRateMatrix,
  scoreAtPosition,
  transitionMatrix,
  type Matrix,
} from "./diffusion/process.ts";
export type { Template } from "./diffusion/template.ts";
export { geometric, logLinear, type Noise, type NoiseConfig } from "./diffusion/noise.ts";
export { sampleFrom, type SampleFromOptions } from "./diffusion/sample-from.ts";
export type { DenseScore } from "./diffusion/score.ts";
export { record, verifyTrajectory, type Recorder, type VerifyOptions } from "./objectives/sedd-record.ts";
export { formatTrajectory, parseTrajectory } from "./diffusion/trajectory-file.ts";
export { replayTrajectory, type Change, type RunDescription, type Trajectory, type TrajectoryFrame } from "./diffusion/trajectory.ts";
export type { Graph } from "./diffusion/graph.ts";
export type { Frame, SamplerName } from "./diffusion/sampler.ts";
export { UserError } from "./platform/errors.ts";
export { random, type Random } from "./platform/random.ts";
export type { DecodeOptions, Tokenizer } from "./text/interface.ts";
export type { Device } from "./tensor/index.ts";
