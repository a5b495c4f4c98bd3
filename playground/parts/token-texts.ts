/** The text of each token, asked of the model once. */
import { signal } from "@preact/signals";
import type { Backend } from "../backend/backend.ts";
import { status } from "../session/model.ts";

const texts = signal<ReadonlyMap<number, string>>(new Map());
let owner: Backend | undefined;
const asked = new Set<number>();
let waiting: number[] = [];

/** A token's text; undefined until the model has told it: then whoever read it is drawn again. */
export function textOf(token: number): string | undefined {
  const model = status.value.kind === "ready" ? status.value.backend : undefined;
  if (model !== owner) {
    owner = model;
    asked.clear();
    waiting = [];
    queueMicrotask(() => void (texts.value = new Map()));
  }
  if (model && !asked.has(token)) {
    asked.add(token);
    if (waiting.push(token) === 1) queueMicrotask(() => void ask(model));
  }
  return texts.value.get(token);
}

/** A token's text in a line. */
export const visible = (text: string | undefined): string => (text ?? "…").replaceAll("\n", "↵");

/** All tokens that were asked for together are one call. */
async function ask(model: Backend): Promise<void> {
  const tokens = waiting;
  waiting = [];
  try {
    const told = await model.textsOf(tokens);
    if (model === owner) texts.value = new Map([...texts.value, ...tokens.map((token, i) => [token, told[i]!] as const)]);
  } catch {
    // A later reader asks again.
    for (const token of tokens) asked.delete(token);
  }
}
