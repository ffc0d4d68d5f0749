/**
 * The only source of randomness in the project: the operating system's generator. `Math.random` and other
 * uses of `randomBytes` are banned by a test.
 */
import { createCipheriv, randomBytes as osRandomBytes } from "node:crypto";

/** `length` unpredictable bytes. */
export function randomBytes(length: number): Buffer {
  return osRandomBytes(length);
}

export const seedBytes = 32;

/** What is usually drawn at once is not more. */
const zeros = Buffer.alloc(1 << 17);

/**
 * Bytes piece after piece that whoever does not know the seed, `seedBytes` from `randomBytes`, cannot predict: the
 * key stream of AES-256 in counter mode, the counter from 0. Several times as fast as the operating system's
 * generator. A seed has one use, for its stream is always the same.
 */
export function seededStream(seed: Uint8Array): (length: number) => Buffer {
  const cipher = createCipheriv("aes-256-ctr", seed, Buffer.alloc(16));
  return (length) => cipher.update(length > zeros.length ? Buffer.alloc(length) : zeros.subarray(0, length));
}

/** A fresh 128-bit identifier as 32 hexadecimal digits. */
export function randomId(): string {
  return randomBytes(16).toString("hex");
}
