/** A small matrix, shaded by the size of its entries. Columns are where a word comes from, rows where it goes. */
import type { ComponentChildren } from "preact";
import type { Matrix } from "sedd";
import { nameOf } from "./world.ts";

/** Two decimals, as S columns stand side by side on a small screen; what rounds to nothing shows as 0. */
const short = (value: number): string => (Math.abs(value) < 0.005 ? (value === 0 ? "0" : "≈0") : value.toFixed(2).replace("-", "−"));

export const MatrixTable = ({ caption, matrix }: { readonly caption: ComponentChildren; readonly matrix: Matrix }) => (
  <table class="matrix">
    <caption>{caption}</caption>
    <thead>
      <tr>
        <td />
        {matrix.map((_, x) => (
          <th key={x} scope="col">
            <span class="hidden">from </span>
            {nameOf(x)}
          </th>
        ))}
      </tr>
    </thead>
    <tbody>
      {matrix.map((row, y) => (
        <tr key={y}>
          <th scope="row">
            <span class="hidden">to </span>
            {nameOf(y)}
          </th>
          {[...row].map((value, x) => (
            <td key={x} class={value < 0 ? "negative" : ""} style={{ "--share": Math.min(1, Math.abs(value)) }} title={String(value)}>
              {short(value)}
            </td>
          ))}
        </tr>
      ))}
    </tbody>
  </table>
);
