/** Stop texts: cuts a text that comes in pieces at the first of them, and holds back an end that may be the beginning of one. */

export interface StopFilter {
  /** What may be sent on of a piece. */
  push(piece: string): string;
  /** What was held back, once nothing more comes. */
  end(): string;
  /** A stop text was met; everything after it is dropped. */
  readonly stopped: boolean;
}

export function stopFilter(stops: readonly string[]): StopFilter {
  let [held, stopped] = ["", false];
  return {
    push(piece) {
      if (stopped) return "";
      held += piece;
      const at = Math.min(...stops.map((stop) => (held.includes(stop) ? held.indexOf(stop) : Infinity)));
      if (at < Infinity) {
        stopped = true;
        const text = held.slice(0, at);
        held = "";
        return text;
      }
      // The longest end that a stop text begins with.
      let keep = 0;
      for (const stop of stops)
        for (let size = Math.min(stop.length - 1, held.length); size > keep; size--) if (held.endsWith(stop.slice(0, size))) keep = size;
      const text = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return text;
    },
    end() {
      const text = held;
      held = "";
      return text;
    },
    get stopped() {
      return stopped;
    },
  };
}
