/**
 * Who waits, in fair order: each client has a lane, and lanes take turns, so that one that sends a hundred requests delays another by one of them. Bounded: what
 * does not fit is refused, and of a full queue the longest lane gives way to one that is shorter by two, so that no client can take all of it.
 */

export interface FairQueue<T> {
  readonly size: number;
  /**
   * Takes the item, unless there is no room.
   *
   * @param always beyond the limit too
   * @returns what is refused: nothing, the item itself, or the last one of the longest lane in its place
   */
  push(lane: string, item: T, always?: boolean): T | undefined;
  /** The next item in turn, if it `fits`; a large one is not passed by smaller ones for ever, so nothing is skipped. */
  take(fits: (item: T) => boolean): T | undefined;
  /** Takes out one that no longer waits; false if it was not there. */
  remove(item: T): boolean;
}

export function fairQueue<T>(limit: number): FairQueue<T> {
  /** In the order of their turns; a lane without items is gone. */
  const lanes = new Map<string, T[]>();
  let size = 0;
  return {
    get size() {
      return size;
    },
    push(lane, item, always = false) {
      const items = lanes.get(lane) ?? [];
      let refused: T | undefined;
      if (size >= limit && !always) {
        const longest = [...lanes.values()].reduce<T[]>((one, other) => (other.length > one.length ? other : one), []);
        if (longest.length < items.length + 2) return item;
        refused = longest.pop();
        size--;
      }
      size++;
      items.push(item);
      lanes.set(lane, items);
      return refused;
    },
    take(fits) {
      const [next] = lanes;
      if (!next || !fits(next[1][0]!)) return undefined;
      const [lane, items] = next;
      size--;
      const item = items.shift()!;
      lanes.delete(lane);
      if (items.length > 0) lanes.set(lane, items);
      return item;
    },
    remove(item) {
      for (const [lane, items] of lanes) {
        const at = items.indexOf(item);
        if (at === -1) continue;
        items.splice(at, 1);
        if (items.length === 0) lanes.delete(lane);
        size--;
        return true;
      }
      return false;
    },
  };
}
