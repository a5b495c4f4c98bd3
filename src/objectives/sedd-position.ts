/**
 * The law of one token given everything else, under absorb: with the position masked a score is h_y/(e^σ−1), h_y = p(token y | what is not masked), and
 *   q_y = s_y / Σ_{y≠MASK} s_y,   entropy −Σ q_y log q_y.
 * A judged position is masked alone; holes are masked together, as none of them is known. An exact score does not depend on σ; a network is asked at the noise under
 * which as many masks as there are would be expected, k of N: 1 − e^{−σ} = k/(N+1).
 */
import { macrotask } from "#platform";
import { askedAtLevel } from "../diffusion/firsthitting.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { piecesOfRows } from "../diffusion/score.ts";
import { rowsPerCall, type ScoredModel } from "./sedd-likelihood.ts";

export interface PositionLaw {
  readonly position: number;
  /** A judged position: its token, the text of that, its −log q given all other tokens in nats, and how many tokens are likelier. */
  readonly token?: number;
  readonly text?: string;
  readonly nats?: number;
  readonly likelier?: number;
  /** Nats. */
  readonly entropy: number;
  /** The likeliest tokens. */
  readonly top: readonly { readonly token: number; readonly text: string; readonly probability: number }[];
}

interface Asked {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
}

/** The laws at judged positions and holes, in order of position. */
export async function positionLaws(
  { score, config, tokenizer }: ScoredModel,
  { tokens, judged, open }: { readonly tokens: Int32Array; readonly judged: Int32Array; readonly open: Int32Array },
  { top, signal }: { readonly top: number; readonly signal?: AbortSignal | undefined },
): Promise<PositionLaw[]> {
  const mask = score.graph.mask!;
  const length = tokens.length;
  const { states } = score.graph;
  const noise = noiseFrom(config.sedd.noise);
  const asked: Asked[] = Array.from(judged, (i) => ({ tokens: tokens.with(i, mask), positions: Int32Array.of(i) }));
  if (open.length > 0) asked.push({ tokens, positions: open });
  const laws: PositionLaw[] = [];
  const maxRows = rowsPerCall(length);
  for (let first = 0; first < asked.length; first += maxRows) {
    signal?.throwIfAborted();
    const chunk = asked.slice(first, first + maxRows);
    const flat = new Int32Array(chunk.length * length);
    chunk.forEach((row, r) => flat.set(row.tokens, r * length));
    const positions = Int32Array.from(chunk.flatMap((row, r) => [...row.positions].map((i) => r * length + i)));
    const sigma = Float64Array.from(chunk, (row) =>
      askedAtLevel(noise, row.tokens.reduce((k, token) => k + (token === mask ? 1 : 0), 0) / (length + 1)),
    );
    const answer = await score.evaluate(flat, sigma, positions);
    for (const piece of piecesOfRows(positions.length, states)) {
      const rows = await answer.rows(piece);
      piece.forEach((j, k) => {
        const i = positions[j]! % length;
        const row = rows.subarray(k * states, (k + 1) * states);
        laws.push({ position: i, ...lawOf(row, mask, tokens[i] === mask ? undefined : tokens[i]!, top, (id) => tokenizer.decode([id])) });
      });
    }
    await macrotask();
  }
  return laws.sort((a, b) => a.position - b.position);
}

/** A row of log-scores as a law over the tokens. */
export function lawOf(
  row: ArrayLike<number>,
  states: number,
  clean: number | undefined,
  top: number,
  textOf: (token: number) => string,
): Omit<PositionLaw, "position"> {
  let most = -Infinity;
  for (let y = 0; y < states; y++) most = Math.max(most, row[y]!);
  let total = 0;
  for (let y = 0; y < states; y++) total += Math.exp(row[y]! - most);
  const log = (y: number): number => row[y]! - most - Math.log(total);
  let [entropy, likelier] = [0, 0];
  for (let y = 0; y < states; y++) {
    const p = Math.exp(log(y));
    if (p > 0) entropy -= p * log(y);
    if (clean !== undefined && row[y]! > row[clean]!) likelier++;
  }
  const order = Int32Array.from({ length: states }, (_, y) => y).sort((a, b) => row[b]! - row[a]! || a - b);
  return {
    ...(clean === undefined ? {} : { token: clean, text: textOf(clean), nats: -log(clean), likelier }),
    entropy,
    top: Array.from(order.subarray(0, top), (token) => ({ token, text: textOf(token), probability: Math.exp(log(token)) })),
  };
}
