import { createHash } from "node:crypto";

/**
 * A permutation of 0 .. n - 1 that everyone derives alike from a public seed: Fisher-Yates with numbers from
 * SHA-256 in counter mode. It hides nothing; it mixes the sellers' rows into every batch.
 */
export function publicPermutation(n: number, seed: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  let block: Buffer = Buffer.alloc(0);
  let at = 0;
  let counter = 0;
  const next = (): number => {
    if (at === block.length) {
      block = createHash("sha256").update(`symbolon permutation ${seed} ${counter}`).digest();
      counter += 1;
      at = 0;
    }
    at += 4;
    return block.readUInt32LE(at - 4);
  };
  for (let i = n - 1; i > 0; i--) {
    // Numbers beyond the last whole multiple of i + 1 would favour small results.
    const limit = 2 ** 32 - (2 ** 32 % (i + 1));
    let r = next();
    while (r >= limit) r = next();
    const j = r % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Row numbers of `batches` consecutive batches of a permutation, wrapping round at its end. */
export function batchOrder(n: number, batchSize: number, batches: number, seed: number): Uint32Array {
  const permutation = publicPermutation(n, seed);
  return Uint32Array.from({ length: batchSize * batches }, (_, i) => permutation[i % n]);
}
