/** Both graphs side by side. */
import type { ComponentChildren } from "preact";
import type { Graph } from "sedd";
import { graphs } from "./world.ts";

export const Sides = ({ children }: { readonly children: (graph: Graph) => ComponentChildren }) => (
  <div class="sides">
    {graphs.map((graph) => (
      <div key={graph.kind}>
        <h3>
          {graph.kind === "uniform" ? "Uniform" : "Absorbing"}: <var>Q</var>
          <sub>{graph.kind}</sub>
        </h3>
        {children(graph)}
      </div>
    ))}
  </div>
);
