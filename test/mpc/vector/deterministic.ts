import { createCipheriv } from "node:crypto";

/** Reproducible pseudo-random bytes for tests. */
export function deterministicBytes(length: number, seed: number): Uint8Array {
  const key = Buffer.alloc(16);
  key.writeUInt32LE(seed);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(length));
}
