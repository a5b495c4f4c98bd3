/** Where one is in a run; kept while another view is open. */
import { signal } from "@preact/signals";
import type { Run } from "../session/run.ts";

export interface Place {
  readonly source: Run["source"] | undefined;
  readonly sequence: number;
  /** Undefined: the last one. */
  readonly frame: number | undefined;
  readonly position: number | undefined;
}

const place = signal<Place>({ source: undefined, sequence: 0, frame: undefined, position: undefined });

/** The place in the run of a source; of another run than the last one that was looked at, its end. */
export const placeIn = (source: Run["source"]): Place =>
  place.value.source === source ? place.value : { source, sequence: 0, frame: undefined, position: undefined };

/** Goes on from where one is when this is called: of what was chosen meanwhile only what `to` names changes. */
export function goIn(source: Run["source"], to: Partial<Place> | ((from: Place) => Partial<Place>)): void {
  const from = placeIn(source);
  place.value = { ...from, ...(typeof to === "function" ? to(from) : to) };
}
