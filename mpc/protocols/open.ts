import type { Cost } from "../cost.ts";
import { SymbolonError } from "../errors.ts";
import type { Party } from "../party.ts";
import { degree1Coefficient, lineCoefficient } from "../shamir.ts";
import { partyIndices } from "../transport/transport.ts";
import type { FieldArray } from "../vector/index.ts";

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
  return party.round(async (operation) => {
    party.meter.countOpening(label, a.length);
    party.sendVector(party.next, operation, a);
    party.sendVector(party.previous, operation, a);
    const fromNext = await party.receiveVector(party.next, operation, a.length);
    const fromPrevious = await party.receiveVector(party.previous, operation, a.length);
    const shares = { [party.index]: a, [party.next]: fromNext, [party.previous]: fromPrevious };

    const line = kernel.allocateZeros(a.length);
    for (const i of partyIndices) kernel.multiplyAdd(line, shares[i], lineCoefficient[i], line);
    if (!kernel.isZero(line)) {
      const element = kernel.toBigints(line).findIndex((x) => x !== 0n);
      throw new SymbolonError(
        "SHARES_INCONSISTENT",
        `the three shares of an opened value (${label}, ${element + 1} of ${a.length}) do not lie on a line`,
      );
    }
    const value = kernel.allocate(a.length);
    const { modulus } = kernel.spec;
    kernel.multiplyScalar(value, shares[1], degree1Coefficient(1, 2, modulus));
    kernel.multiplyAdd(value, shares[2], degree1Coefficient(2, 1, modulus), value);
    kernel.free(line);
    kernel.free(fromNext);
    kernel.free(fromPrevious);
    return value;
  });
}

/** Declared cost of `open`. */
export function openCost(n: number, elementBytes: number): Cost {
  return { rounds: 1, frames: 6, bytes: 6 * n * elementBytes };
}
