/**
 * How well masked tokens are predicted where a given share of a text is masked: accuracy and cross-entropy, the same positions for every model. This is BERT's
 * task at 15 %, and a diffusion model's at every rate.
 */
import { macrotask } from "#platform";
import { checkWindows, estimate, everyPosition } from "../diffusion/bound.ts";
import { askedAtLevel } from "../diffusion/firsthitting.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { piecesOfRows, type ScoreModel } from "../diffusion/score.ts";
import { shuffled } from "../diffusion/shuffle.ts";
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import { longestOf, type ModelConfig } from "./sedd-config.ts";
import { requireSeed, rowsPerCall } from "./sedd-likelihood.ts";

const MASKING_STREAM = 0x6d61736b;

/** At one masking rate. Errors are those of a mean over windows, which are drawn from the text, not over positions, which depend on each other. */
export interface MaskedPrediction {
  /** Masked, of all positions; what was asked for, and what it came to in whole tokens. */
  readonly rate: number;
  readonly masked: number;
  readonly positions: number;
  /** Share of masked positions whose likeliest token is the right one. */
  readonly accuracy: number;
  readonly accuracyError: number;
  /** Nats a masked position. */
  readonly crossEntropy: number;
  readonly standardError: number;
}

export interface MaskedPredictionOptions {
  /** Shares of each window to mask, above 0 and up to 1; at least one token is. */
  readonly rates: readonly number[];
  /** Default 0. A position that is masked at one rate is masked at every higher one. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * @param config its noise says at which σ the score is asked: at rate m at σ = −log(1−m)
 * @param windows clean tokens of one length, at least two
 * @throws UserError for a model that has no MASK, or reads from left to right, and for windows, rates and a seed that cannot be
 */
export async function maskedPrediction(
  { score, config }: { readonly score: ScoreModel; readonly config: ModelConfig },
  windows: readonly Int32Array[],
  { rates, seed = 0, signal }: MaskedPredictionOptions,
): Promise<MaskedPrediction[]> {
  const { states, mask } = score.graph;
  if (mask === undefined || config.sedd.objective === "ar")
    throw new UserError(
      `masked prediction needs a model that reads masked text, got ${mask === undefined ? `graph ${score.graph.kind}` : 'objective "ar"'}`,
    );
  const length = windows[0]?.length ?? 0;
  if (windows.length < 2 || length === 0 || windows.some((window) => window.length !== length))
    throw new UserError("masked prediction needs at least two windows, of one length");
  checkWindows(windows, score.graph.vocabularySize);
  requireSeed(seed);
  if (length > longestOf(config))
    throw new UserError(`windows of ${length} tokens: this model reads at most ${longestOf(config)} at once; give shorter ones`);
  const orders = windows.map((_, w) => shuffled(everyPosition(length), random(seed, MASKING_STREAM, w)));
  const noise = noiseFrom(config.sedd.noise);
  const results: MaskedPrediction[] = [];
  for (const rate of rates) {
    if (!(rate > 0 && rate <= 1)) throw new UserError(`masking rate ${rate}: must be above 0 and at most 1`);
    const count = Math.max(1, Math.round(rate * length));
    const sigma = askedAtLevel(noise, count / length);
    const [right, nats] = [new Float64Array(windows.length), new Float64Array(windows.length)];
    const maxRows = rowsPerCall(length);
    for (let first = 0; first < windows.length; first += maxRows) {
      signal?.throwIfAborted();
      const chunk = windows.slice(first, first + maxRows);
      const tokens = new Int32Array(chunk.length * length);
      const positions = new Int32Array(chunk.length * count);
      chunk.forEach((window, r) => {
        tokens.set(window, r * length);
        const masked = orders[first + r]!.slice(0, count).sort();
        masked.forEach((i, k) => (positions[r * count + k] = r * length + i));
      });
      for (const at of positions) tokens[at] = mask;
      const answer = await score.evaluate(tokens, new Float64Array(chunk.length).fill(sigma), positions);
      for (const which of piecesOfRows(positions.length, states)) {
        const rows = await answer.rows(which);
        which.forEach((j, k) => {
          const r = Math.floor(positions[j]! / length);
          const clean = chunk[r]![positions[j]! % length]!;
          const { best, logTotal } = summary(rows.subarray(k * states, k * states + mask));
          right[first + r]! += Number(best === clean) / count;
          nats[first + r]! += (logTotal - rows[k * states + clean]!) / count;
        });
      }
      await macrotask();
    }
    const [accuracy, crossEntropy] = [estimate(right), estimate(nats)];
    results.push({
      rate,
      masked: count / length,
      positions: windows.length * count,
      accuracy: accuracy.total,
      accuracyError: accuracy.standardError,
      crossEntropy: crossEntropy.total,
      standardError: crossEntropy.standardError,
    });
  }
  return results;
}

/** The first of the largest entries, and log Σ exp. */
function summary(row: ArrayLike<number>): { best: number; logTotal: number } {
  let best = 0;
  for (let y = 1; y < row.length; y++) if (row[y]! > row[best]!) best = y;
  let total = 0;
  for (let y = 0; y < row.length; y++) total += Math.exp(row[y]! - row[best]!);
  return { best, logTotal: row[best]! + Math.log(total) };
}
