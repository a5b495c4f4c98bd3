/** Whose seconds a report tells of: those of one machine compare with each other, those of several do not. */
import { type Contestant, type Report, contestantNames, given } from "./schema.ts";

const distinct = (machines: readonly (readonly string[] | undefined)[]): string[] => [...new Set(machines.flatMap((own) => own ?? []))];

/** The machines that models were trained on. */
export const trainingMachines = ({ models }: Report): string[] => distinct(contestantNames.map((name) => models[name]?.trainedOn));

/** The machines that these models, or all of them, wrote their texts on. */
export const writingMachines = ({ models }: Report, names: readonly Contestant[] = contestantNames): string[] =>
  distinct(names.map((name) => given(models[name]?.quality)?.machines));
