/**
 * A model that reads texts from left to right and tells how likely each is: our own `ar` model, or a folder of GPT-2. A text always comes as text and is encoded by the
 * judge's own tokenizer, so a judge of another tokenizer is as right as one of the same. A text longer than its window is read in windows that overlap by half: each token
 * is judged once, with half a window or more before it.
 */
import { exists, joinPath, macrotask } from "#platform";
import { readModelConfig, readModelFolder } from "../formats/hub.ts";
import { readYaml } from "../formats/yaml.ts";
import { findModel, readModel } from "../model.ts";
import { dditNetwork, type StatesNetwork } from "../network/states-network.ts";
import { fingerprint } from "../objectives/fingerprint.ts";
import { isPublished, publishedModel } from "../objectives/published-model.ts";
import { paddedLength } from "../objectives/sedd-score.ts";
import { UserError } from "../platform/errors.ts";
import {
  inputsOf,
  compile,
  Layout,
  logSumExp,
  pick,
  reshape,
  sub,
  trace,
  type CompileOptions,
  type Executable,
  type Spec,
  type Tensor,
} from "../tensor/index.ts";
import { UnknownCharacterError } from "../text/character.ts";
import { loadFolderTokenizer } from "../text/folder.ts";
import type { Tokenizer } from "../text/interface.ts";
import { readProgress } from "../training/checkpoint.ts";

export interface Judged {
  /** −log p of the whole text. */
  readonly nats: number;
  /** The judge's own. */
  readonly tokens: number;
  /** The rows that the judge's head reads, their mean over the text's tokens. */
  readonly features: Float32Array;
}

export interface Judge {
  readonly name: string;
  /** What it is, for a protocol card. */
  readonly description: string;
  /** Of its weights. */
  readonly weights: string | undefined;
  judge(texts: readonly string[], signal?: AbortSignal): Promise<Judged[]>;
  dispose(): Promise<void>;
}

interface Reader {
  readonly tokenizer: Tokenizer;
  /** A causal one. */
  readonly network: StatesNetwork;
  /** The most tokens that it reads at once. */
  readonly window: number;
  readonly parameters: Float32Array;
  readonly description: string;
}

/** Logits of one call at most, which bounds its memory: 256 MiB. */
const MOST_LOGITS = 2 ** 26;
const MOST_ROWS = 16;

/**
 * @param name a GPT-2 folder as published, or an `ar` model: a folder or a shipped name
 * @throws UserError for a model that is missing, half-trained, has no tokenizer or does not read from left to right
 */
export async function loadJudge(name: string, options: CompileOptions): Promise<Judge> {
  const folder = await findModel(name);
  const reader = isPublished(await readModelConfig(folder)) ? await readGpt2(folder) : await readOwn(folder, name);
  const { parameters, window, network, tokenizer } = reader;
  const layout = new Layout(network.parameters);
  const named = layout.slices(parameters);
  const rows = Math.max(1, Math.min(MOST_ROWS, Math.floor(MOST_LOGITS / (paddedLength(window) * network.logits))));
  const programs = new Map<number, Promise<Executable>>();

  const encoded = (text: string): Int32Array => {
    try {
      return tokenizer.encode(text);
    } catch (error) {
      throw error instanceof UnknownCharacterError
        ? error.within(`judge ${name} cannot read ${JSON.stringify(text.slice(0, 40))}`, 0)
        : error;
    }
  };
  const programOf = (length: number): Promise<Executable> => {
    const signature: Record<string, Spec> = {
      ...inputsOf(layout.views),
      tokens: { dtype: "int32", shape: [rows, length] },
      targets: { dtype: "int32", shape: [rows * length] },
    };
    return compile(
      trace(signature, (inputs: Record<string, Tensor>) => {
        const hidden = network.trunk(inputs, { tokens: inputs["tokens"]! });
        const logits = network.head(inputs, hidden, network.states - 1);
        return { hidden, nats: reshape(sub(logSumExp(logits), pick(logits, inputs["targets"]!)), [rows * length]) };
      }),
      options,
    );
  };

  return {
    name,
    description: reader.description,
    weights: await fingerprint(parameters),
    async judge(texts, signal) {
      const pieces = texts.flatMap((text, t) => {
        const tokens = encoded(text);
        const stride = Math.ceil(window / 2);
        return Array.from({ length: Math.max(1, Math.ceil((tokens.length - window) / stride) + 1) }, (_, i) => ({
          t,
          tokens: tokens.slice(i * stride, i * stride + window),
          /** Tokens before it were judged in the window before. */
          from: i === 0 ? 0 : window - stride,
        }));
      });
      const results = texts.map(() => ({ nats: 0, tokens: 0, features: new Float32Array(0) }));
      for (let first = 0; first < pieces.length; first += rows) {
        signal?.throwIfAborted();
        const chunk = pieces.slice(first, first + rows);
        const length = Math.min(window, paddedLength(Math.max(...chunk.map(({ tokens }) => tokens.length))));
        const [tokens, targets] = [new Int32Array(rows * length), new Int32Array(rows * length)];
        chunk.forEach((piece, r) => {
          tokens.set(network.read(piece.tokens), r * length);
          targets.set(piece.tokens, r * length);
        });
        if (!programs.has(length)) programs.set(length, programOf(length));
        const answer = await (await programs.get(length)!).run({ ...named, tokens, targets });
        const [hidden, nats] = [answer["hidden"] as Float32Array, answer["nats"] as Float32Array];
        const size = hidden.length / (rows * length);
        chunk.forEach((piece, r) => {
          const result = results[piece.t]!;
          if (result.features.length === 0) result.features = new Float32Array(size);
          for (let at = r * length + piece.from; at < r * length + piece.tokens.length; at++) {
            result.nats += nats[at]!;
            for (let h = 0; h < size; h++) result.features[h]! += hidden[at * size + h]!;
          }
          result.tokens += piece.tokens.length - piece.from;
        });
        await macrotask();
      }
      return results.map(({ features, ...rest }) => ({ ...rest, features: features.map((sum) => sum / rest.tokens) }));
    },
    async dispose() {
      for (const program of programs.values()) await (await program).dispose();
      programs.clear();
    },
  };
}

async function readOwn(folder: string, name: string): Promise<Reader> {
  await checkFinished(folder, name);
  const { config, parameters, tokenizer } = await readModel(folder);
  const { objective } = config.sedd;
  if (objective !== "ar")
    throw new UserError(
      `judge ${name}: was trained for ${objective ?? "sedd"}; a judge reads from left to right: an ar model or a GPT-2 folder`,
    );
  if (!tokenizer) throw new UserError(`judge ${name}: has no tokenizer.json, which it reads texts by`);
  return {
    tokenizer,
    network: dditNetwork(config.sedd.network),
    window: config.length,
    parameters,
    description: `ar model of ${parameters.length.toLocaleString("en-US")} parameters, windows of ${config.length} tokens`,
  };
}

async function readGpt2(folder: string): Promise<Reader> {
  const { network, config, parameters, tokenizer } = publishedModel(
    await readModelFolder(folder),
    await loadFolderTokenizer(folder),
    `judge ${folder}`,
  );
  if (!network.causal) throw new UserError(`judge ${folder}: does not read from left to right; give an ar model or a GPT-2 folder`);
  if (tokenizer.size > network.logits)
    throw new UserError(`judge ${folder}: its tokenizer has ${tokenizer.size} tokens, its network ${network.logits}`);
  return {
    tokenizer,
    network,
    window: config.length,
    parameters,
    description: `GPT-2 of ${parameters.length.toLocaleString("en-US")} parameters, windows of ${config.length} tokens, each after <|endoftext|>`,
  };
}

/** Of a training run's folder: it must have come to its last step. */
async function checkFinished(folder: string, name: string): Promise<void> {
  const path = joinPath(folder, "recipe.yaml");
  if (!(await exists(path)) || !(await exists(joinPath(folder, "checkpoint.safetensors")))) return;
  const { schedule } = (await readYaml(path)) as { schedule?: { steps?: number } };
  const { step } = await readProgress(folder);
  if (schedule?.steps !== undefined && step < schedule.steps)
    throw new UserError(`judge ${name}: is at step ${step} of ${schedule.steps}; finish it with sedd train --resume`);
}
