/** A table of numbers with a bar in each row. */
import type { ComponentChildren } from "preact";

export interface BarRow {
  readonly name: string;
  readonly figures: readonly string[];
  /** Of the whole width, 0 to 1. */
  readonly share: number;
  /** Where a thin line stands, to compare with. */
  readonly mark?: number;
  /** Said apart: what nothing can lead to. */
  readonly faint?: boolean;
}

export interface BarTableProps {
  readonly caption: ComponentChildren;
  readonly heads: readonly ComponentChildren[];
  readonly rows: readonly BarRow[];
}

export const BarTable = ({ caption, heads, rows }: BarTableProps) => (
  <table class="bars">
    <caption>{caption}</caption>
    <thead>
      <tr>
        {heads.map((head, i) => (
          <th key={i} scope="col">
            {head}
          </th>
        ))}
        <td class="bar" />
      </tr>
    </thead>
    <tbody>
      {rows.map(({ name, figures, share, mark, faint }) => (
        <tr key={name} class={faint ? "faint" : undefined}>
          <th scope="row">{name}</th>
          {figures.map((text, i) => (
            <td key={i}>{text}</td>
          ))}
          <td class="bar">
            <div style={{ "--share": share }}>{mark !== undefined && <i style={{ "--mark": mark }} />}</div>
          </td>
        </tr>
      ))}
    </tbody>
  </table>
);
