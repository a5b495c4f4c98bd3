/** The text of tokens, asked of the model once and kept with the run that they are of: it stays when another model is loaded. */
import { signal } from "@preact/signals";
import { sameModel, type Backend } from "../backend/backend.ts";
import { status } from "../session/model.ts";

/** What is not known is undefined until the model has told it: then whoever read it is drawn again. */
export interface TokenTexts {
  /** A token's text by itself; of a part of a character "�". */
  of(token: number): string | undefined;
  /** The text of tokens together, in which characters are whole. */
  together(tokens: readonly number[]): string | undefined;
}

/** @param own the model of the tokens; loaded again, wherever it runs then, it goes on to tell */
export function tokenTexts(own: Pick<Backend, "card" | "textsOf" | "decode">): TokenTexts {
  /** By their tokens, one or several. */
  const known = signal<ReadonlyMap<string, string>>(new Map());
  const asked = new Set<string>();
  let waiting: number[] = [];
  const teller = (): typeof own => {
    const now = status.value;
    return now.kind === "ready" && sameModel(now.backend.card, own.card) ? now.backend : own;
  };
  const ask = async (keys: readonly string[], answer: () => Promise<readonly string[]>): Promise<void> => {
    try {
      const told = await answer();
      known.value = new Map([...known.value, ...keys.map((key, i) => [key, told[i]!] as const)]);
    } catch {
      // A later reader asks again.
      for (const key of keys) asked.delete(key);
    }
  };
  /** All tokens that were asked for together are one call. */
  const askEach = (): void => {
    const tokens = waiting;
    waiting = [];
    void ask(tokens.map(String), () => teller().textsOf(tokens));
  };
  const find = (key: string, begin: () => void): string | undefined => {
    const text = known.value.get(key);
    // The teller is read here, so that whoever waits is drawn again when it is another.
    if (text === undefined && teller() && !asked.has(key)) {
      asked.add(key);
      begin();
    }
    return text;
  };
  return {
    of: (token) =>
      find(String(token), () => {
        if (waiting.push(token) === 1) queueMicrotask(askEach);
      }),
    together(tokens) {
      if (tokens.length === 0) return "";
      const key = tokens.join(" ");
      return find(key, () => queueMicrotask(() => void ask([key], async () => [await teller().decode(tokens)])));
    },
  };
}

/** A token's text in a line. */
export const visible = (text: string | undefined): string => (text ?? "…").replaceAll("\n", "↵");
