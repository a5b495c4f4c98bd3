/** Numbers as readers want them: no more digits than the error leaves. */
import type { Estimate } from "./schema.ts";

/** `2.801 ± 0.042`: two digits of the error, the value to the same place; an exact value to five digits, alone. */
export function withError({ value, standardError }: Estimate): string {
  if (standardError === 0) return plain(value);
  const decimals = Math.min(20, Math.max(0, 1 - Math.floor(Math.log10(standardError))));
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return `${value.toLocaleString("en-US", digits)} ± ${standardError.toLocaleString("en-US", digits)}`;
}

export const plain = (value: number): string => value.toLocaleString("en-US", { maximumSignificantDigits: 5 });

/** `20.8M` */
export const compact = (value: number): string => value.toLocaleString("en-US", { notation: "compact", maximumSignificantDigits: 3 });

/** With a space that does not break. */
export const percent = (share: number): string => `${Number((share * 100).toFixed(1))}\u00a0%`;

/** In the largest unit that leaves at least one of it. */
export function duration(seconds: number): string {
  const [size, unit] = seconds >= 3600 ? [3600, "h"] : seconds >= 60 ? [60, "min"] : seconds >= 1 ? [1, "s"] : [1e-3, "ms"];
  return `${Number((seconds / size).toPrecision(3))}\u00a0${unit}`;
}

export const listed = (names: readonly string[]): string => new Intl.ListFormat("en").format(names);
