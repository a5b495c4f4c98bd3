/** What the Process view stands at: the time, the schedule, and the law of the clean word. All panels show the same moment. */
import { computed, signal } from "@preact/signals";
import { geometric, logLinear, type Noise } from "sedd";

export const schedules: Readonly<Record<string, Noise>> = { "log-linear": logLinear(), geometric: geometric() };

export const time = signal(0.35);
export const schedule = signal("log-linear");
export const noise = computed(() => schedules[schedule.value]!);
export const sigma = computed(() => noise.value.sigma(time.value));

/** Weights of the five words; p_0 is their shares. Never all 0. */
export const weights = signal<readonly number[]>([10, 60, 30, 0, 0]);
export const p0 = computed(() => {
  const total = weights.value.reduce((sum, weight) => sum + weight, 0);
  return weights.value.map((weight) => weight / total);
});
