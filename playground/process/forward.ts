/**
 * Noise on a sentence as one trajectory. Both graphs redraw a token from their limit law π at rate 1 in σ, so the events of a position are a Poisson process, and
 * what an event leaves there is a draw from π. The times do not depend on the graph: both graphs are struck at the same moments.
 */
import { random, type Graph } from "sedd";

export interface Event {
  /** The total noise at which it happens. */
  readonly sigma: number;
  /** The state that it leaves, whatever was there. */
  readonly state: number;
}

/** The events of each position up to total noise `most`, in order; the same for a seed. */
export const drawEvents = (graph: Graph, length: number, most: number, seed: number): readonly (readonly Event[])[] =>
  Array.from({ length }, (_, position) => {
    const [times, states] = [random(seed, position, 0), random(seed, position, 1)];
    const wait = (): number => -Math.log1p(-times.uniform());
    const events: Event[] = [];
    for (let sigma = wait(); sigma <= most; sigma += wait()) events.push({ sigma, state: graph.prior(1, states)[0]! });
    return events;
  });

/** What a token has become by noise `sigma`. */
export const stateAt = (token: number, events: readonly Event[], sigma: number): number =>
  events.findLast((event) => event.sigma <= sigma)?.state ?? token;
