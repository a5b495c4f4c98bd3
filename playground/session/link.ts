/** What stands in the page's address: the open view and what it was asked, so that a link shows it again. */
import { effect, signal } from "@preact/signals";
import type { SamplerName } from "sedd";

export const views = ["write", "scrub", "process", "quality"] as const;
export type ViewName = (typeof views)[number];
export const view = signal<ViewName>("write");

/** What is asked of the model: kept in the address. */
export interface Asked {
  readonly template: string;
  readonly count: number;
  readonly steps: number;
  readonly seed: number;
  readonly sampler: SamplerName;
  readonly temperature: number;
}

/** What the numbers may be, in the address and in the fields of the views. */
export const ranges = {
  count: { min: 1, max: 4 },
  steps: { min: 1, max: 4096 },
  seed: { min: 0, max: Number.MAX_SAFE_INTEGER },
} as const;

export const samplers = ["analytic", "euler", "first-hitting"] as const satisfies readonly SamplerName[];

export const initial: Asked = {
  template: "Once upon a time[[24]] the dragon[[12]] and they lived happily ever after.",
  count: 1,
  steps: 64,
  seed: 1,
  sampler: "analytic",
  temperature: 1,
};

export const asked = signal<Asked>(initial);
export const ask = (part: Partial<Asked>): void => void (asked.value = { ...asked.value, ...part });

/** A link's text is not trusted: what is no valid value is left as it was. */
export function parseLink(hash: string): { view?: ViewName; asked: Partial<Asked> } {
  const parameters = new URLSearchParams(hash.replace(/^#/, ""));
  const name = parameters.get("view");
  const whole = (key: keyof typeof ranges): number | undefined => {
    const value = Number(parameters.get(key) ?? NaN);
    return Number.isSafeInteger(value) && value >= ranges[key].min && value <= ranges[key].max ? value : undefined;
  };
  const temperature = Number(parameters.get("temperature") ?? NaN);
  const given: { [K in keyof Asked]: Asked[K] | undefined } = {
    template: parameters.get("text") ?? undefined,
    count: whole("count"),
    steps: whole("steps"),
    seed: whole("seed"),
    sampler: samplers.find((sampler) => sampler === parameters.get("sampler")),
    // In steps of the field, which would refuse others.
    temperature: temperature >= 0.1 && temperature <= 2 ? Math.round(10 * temperature) / 10 : undefined,
  };
  const found = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<Asked>;
  const open = views.find((known) => known === name);
  return { ...(open ? { view: open } : {}), asked: found };
}

export function formatLink(view: ViewName, { template, count, steps, seed, sampler, temperature }: Asked): string {
  const pairs = { view, text: template, count, steps, seed, sampler, temperature };
  return `#${new URLSearchParams(Object.entries(pairs).map(([key, value]) => [key, String(value)])).toString()}`;
}

/** The address of what is shown now. */
export const currentLink = (): string => new URL(formatLink(view.value, asked.value), location.href).href;

/** Takes what the address says, and keeps the address in step from then on. */
export function readLink(): void {
  const link = parseLink(location.hash);
  if (link.view) view.value = link.view;
  ask(link.asked);
  following ??= effect(() => {
    const link = formatLink(view.value, asked.value);
    // At rest: browsers limit how often an address may change.
    clearTimeout(resting);
    resting = setTimeout(() => history.replaceState(null, "", link), 300);
  });
}
let following: (() => void) | undefined;
let resting: ReturnType<typeof setTimeout> | undefined;
