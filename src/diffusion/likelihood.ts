/**
 * The likelihood bound, every term of it: −log p(x0) ≤ integral + end terms, p being the law of the continuous-time reverse process.
 *   integral        ∫_0^1 σ'(t) E[SE(x_t)] dt, SE summed over positions                                         (always)
 *   tail            σ > σ(1), started all-MASK, the network held at σ(1):  ε E[Σh − log h_{x0} − 1] a position, ε = e^{−σ(1)}   (absorb)
 *   prior           KL(p_{1|0}(·|x0) ‖ 1/V) a position, exact                                                   (uniform)
 *   reconstruction  −log of the final denoise at σ(0), E over x at σ(0)                                         (noise with σ(0) > 0)
 * In the tail, h = s·(e^σ−1) is fixed, so SE at a MASK is (Σh − log h_{x0} − 1)/(e^σ−1); P(MASK) = 1 − e^{−σ} turns that into e^{−σ}(…), and the
 * integral over σ into one over the surviving share a = e^{−σ}, even on (0, ε). A sum over masked positions at drawn a is weighted by ε/(1−a).
 * The numbers are per window and replicate, with all the noise of the estimate in the replicates: their spread is its standard error.
 */
import type { Random } from "../platform/random.ts";
import { denoiseLaw } from "./denoise.ts";
import type { Graph } from "./graph.ts";
import { normalised, probabilities } from "./law.ts";
import type { Noise } from "./noise.ts";
import { maskedExcess, maskedScoreEntropy, scoreEntropy } from "./score-entropy.ts";
import type { ScoreAt, ScoreModel } from "./score.ts";
