import { inBlocks } from "../blocks.ts";
import type { Cost } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import { type FieldArray, randomBlock } from "../vector/index.ts";

/**
 * Opens degree-1 shares to all three parties: every party sends its share to both others, checks that the
 * three lie on a line and interpolates.
 *
 * Input: a[n], any field elements. Output: the values, the same at every party.
 * Cost: 1 round, 6 n elements over all links. Opened: the n values, counted under `label`.
 * Adversary: passive; one altered share is detected and ends the attempt.
 * @throws SHARES_INCONSISTENT when the three shares of an element do not lie on a line.
 */
export async function open(party: Party, a: FieldArray, label: string): Promise<FieldArray> {
  const { kernel } = party;
  return party.openingRound("open", async (operation) => {
    party.countOpening(label, a.length);
    party.sendVector(party.next, operation, a);
    party.sendVector(party.previous, operation, a);
    const bytes = a.length * kernel.spec.elementBytes;
    const fromNext = await party.receive(party.next, operation, bytes);
    const fromPrevious = await party.receive(party.previous, operation, bytes);
    const value = kernel.allocate(a.length);
    const [next, previous] = [0, 1].map(() => kernel.allocate(Math.min(a.length, randomBlock)));
    inBlocks(a.length, (start, length) => {
      const shares = {
        [party.index]: kernel.slice(a, start, length),
        [party.next]: kernel.slice(next, 0, length),
        [party.previous]: kernel.slice(previous, 0, length),
      };
      kernel.decodeSlice(shares[party.next], fromNext, start);
      kernel.decodeSlice(shares[party.previous], fromPrevious, start);
      if (!kernel.interpolate(kernel.slice(value, start, length), shares[1], shares[2], shares[3])) {
        throw new SymbolonError(
          "SHARES_INCONSISTENT",
          `the three shares of an opened value (${label}, among ${start + 1} to ${start + length} of ${a.length}) do not lie on a line`,
        );
      }
    });
    kernel.free(next);
    kernel.free(previous);
    party.recorder?.state(kernel, { relation: "opening", operation, shares: a, value });
    return value;
  });
}

/** Declared cost of `open`. */
export function openCost(n: number, elementBytes: number, label: string): Cost {
  return { rounds: 1, frames: 6, bytes: 6 * n * elementBytes, openings: { [label]: n } };
}
