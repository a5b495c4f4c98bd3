/** Fields of the forms that ask the model to write. */
import type { ComponentChildren, Ref } from "preact";
import { useRef } from "preact/hooks";
import { ask, asked, samplers } from "../session/link.ts";
import { Choice, plainly } from "./choice.tsx";

export interface TemplateFieldProps {
  readonly rows: number;
  readonly area?: Ref<HTMLTextAreaElement>;
  /** How holes are written. */
  readonly children: ComponentChildren;
}

export const TemplateField = ({ rows, area = null, children }: TemplateFieldProps) => (
  <>
    <label for="template">A text with holes</label>
    <textarea
      id="template"
      ref={area}
      rows={rows}
      required
      aria-describedby="template-help"
      value={asked.value.template}
      onInput={(event) => ask({ template: event.currentTarget.value })}
    />
    <p id="template-help" class="quiet">
      {children}
    </p>
  </>
);

export const SamplerField = () => (
  <Choice label="Sampler" value={asked.value.sampler} options={plainly(samplers)} onValue={(sampler) => ask({ sampler })} />
);

export interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  /** Left out: whole numbers. */
  readonly step?: number;
  /** What the field itself refuses is not told. */
  readonly onValue: (value: number) => void;
}

export function NumberField({ label, value, onValue, ...input }: NumberFieldProps) {
  // What is typed stays until the value is changed elsewhere: a field that was emptied is on its way to another number, whatever is drawn anew meanwhile.
  const own = useRef({ value, typed: String(value) });
  if (own.current.value !== value) own.current = { value, typed: String(value) };
  return (
    <label>
      {label}
      <input
        type="number"
        required
        {...input}
        value={own.current.typed}
        onInput={({ currentTarget: { validity, value: typed, valueAsNumber } }) => {
          own.current = { value: validity.valid ? valueAsNumber : value, typed };
          if (validity.valid) onValue(valueAsNumber);
        }}
      />
    </label>
  );
}
