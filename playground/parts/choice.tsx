/** One of several, with a word before it. */
import type { ComponentChildren } from "preact";

export interface ChoiceProps<T extends string | number> {
  readonly label: ComponentChildren;
  readonly value: T | undefined;
  /** What can be chosen, and how each is called. */
  readonly options: readonly (readonly [T, ComponentChildren])[];
  readonly onValue: (value: T) => void;
}

export const Choice = <T extends string | number>({ label, value, options, onValue }: ChoiceProps<T>) => (
  <label>
    {label}{" "}
    <select value={value} onChange={({ currentTarget }) => onValue(options[currentTarget.selectedIndex]![0])}>
      {options.map(([each, words]) => (
        <option key={each} value={each}>
          {words}
        </option>
      ))}
    </select>
  </label>
);

/** Options that are called what they are. */
export const plainly = <T extends string | number>(values: readonly T[]) => values.map((value) => [value, value] as const);

/** Options from a table of what each is called. */
export const named = <T extends string>(words: Readonly<Record<T, string>>) => Object.entries(words) as [T, string][];
