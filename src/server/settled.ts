/**
 * Text that may be appended while a diffusion goes on. Tokens appear in any order, so only what stands before the first open position is final; under the
 * uniform graph every token may still change until the end. Bytes of a character that is not whole yet are held back.
 */
import type { SampleFrame } from "../objectives/sedd-model.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

export interface Follower {
  /** What has become final since the last call. */
  push(frame: Pick<SampleFrame, "tokens" | "spans" | "done">): string;
  /** All text so far. */
  readonly text: string;
  /** An end-of-text token was met: nothing comes any more. */
  readonly ended: boolean;
}

export interface FollowOptions {
  /** The state that means open; left out where every token may change (the uniform graph). */
  readonly mask?: number | undefined;
  /** All text, or what stands in holes, up to an end-of-text token. */
  readonly region: "all" | "holes";
}

/** Follows one sequence. Joined, the texts are what the model's own decoding gives. */
export function follower(tokenizer: Pick<Tokenizer, "pieceBytes" | "endOfText">, { mask, region }: FollowOptions): Follower {
  let [span, position, text, ended] = [0, 0, "", false];
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  return {
    push({ tokens, spans, done }) {
      let fresh = "";
      while (span < spans.length && !ended) {
        const { begin, end, text: given, exact } = spans[span]!;
        if (given !== undefined && !(exact && region === "all")) {
          fresh += decoder.decode() + (region === "all" ? given : "");
        } else {
          position = Math.max(position, begin);
          for (; position < end && (done || exact || (mask !== undefined && tokens[position] !== mask)); position++) {
            if (region === "holes" && tokens[position] === tokenizer.endOfText) {
              ended = true;
              break;
            }
            fresh += decoder.decode(tokenizer.pieceBytes(tokens[position]!), { stream: true });
          }
          if (position < end && !ended) break;
        }
        span++;
      }
      // A character may be spread over neighbouring spans of tokens; here none follows.
      if (span === spans.length || ended) fresh += decoder.decode();
      text += fresh;
      return fresh;
    },
    get text() {
      return text;
    },
    get ended() {
      return ended;
    },
  };
}
