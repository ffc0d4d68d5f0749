import { inBlocks } from "../blocks.ts";
import type { Cost } from "../cost.ts";
import type { Party } from "../party.ts";
import { degree2Coefficient } from "../shamir.ts";
import { type FieldArray, randomBlock } from "../vector/index.ts";

/**
 * Degree reduction: turns each party's local product (its value of a degree-2 polynomial) into a degree-1
 * sharing of the same secret. Products, inner products and matrix products all cost one element an output.
 *
 * Party i adds its summand of a zero sharing to l_i d_i (l = 3, -3, 1 interpolates at 0) and sends the sum
 * to the next party. Each summand is then known to exactly one pair and embeds in a line with no message.
 *
 * Input: d[n], local products. Output: shares[n].
 * Cost: 1 round, 3 n elements over all links. Opened: nothing; a summand is uniform to its receiver because
 * of the zero sharing.
 * Adversary: passive. Source: [CDI05], [GRR98]; one message a party as in [AFLNO16].
 */
export async function reduceDegree(party: Party, d: FieldArray): Promise<FieldArray> {
  const { kernel } = party;
  return party.round("multiply", async (operation) => {
    const n = d.length;
    const out = kernel.allocate(n);
    // The zero sharing: what the pair with the next party has, minus what the pair with the previous one has.
    const plus = party.pairElements(party.previous, "zero", operation);
    const minus = party.pairElements(party.next, "zero", operation);
    inBlocks(n, (start, length) => {
      const own = kernel.slice(out, start, length);
      kernel.multiplyScalar(own, kernel.slice(d, start, length), degree2Coefficient[party.index]);
      plus.addTo(own);
      minus.subtractFrom(own);
      kernel.canonicalise(own);
    });
    party.send(party.next, operation, kernel.planes(out));
    const bytes = await party.receive(party.previous, operation, n * kernel.spec.elementBytes);
    const block = kernel.allocate(Math.min(n, randomBlock));
    inBlocks(n, (start, length) => {
      const own = kernel.slice(out, start, length);
      const received = kernel.slice(block, 0, length);
      kernel.decodeSlice(received, bytes, start);
      kernel.multiplyScalar(own, own, party.embed(party.previous));
      kernel.multiplyAdd(own, received, party.embed(party.next), own);
    });
    kernel.free(block);
    party.recorder?.state(kernel, { relation: "degree reduction", operation, product: d, shares: out });
    return out;
  });
}

/** Declared cost of `reduceDegree`. */
export function reduceDegreeCost(n: number, elementBytes: number): Cost {
  return { rounds: 1, frames: 3, bytes: 3 * n * elementBytes, openings: {} };
}
