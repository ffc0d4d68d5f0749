/**
 * The only source of randomness in the project: the operating system's generator. `Math.random` and other
 * uses of `randomBytes` are banned by a test.
 */
import { createCipheriv, randomBytes as osRandomBytes } from "node:crypto";

/** `length` unpredictable bytes. */
export function randomBytes(length: number): Buffer {
  return osRandomBytes(length);
}

/**
 * Unpredictable bytes piece after piece, for masks of large vectors: the key stream of AES-256 in counter mode
 * under a fresh key, several times as fast as the operating system's generator. The key is kept nowhere else.
 */
export function randomStream(): (length: number) => Buffer {
  const cipher = createCipheriv("aes-256-ctr", randomBytes(32), Buffer.alloc(16));
  return (length) => cipher.update(Buffer.alloc(length));
}

/** A fresh 128-bit identifier as 32 hexadecimal digits. */
export function randomId(): string {
  return randomBytes(16).toString("hex");
}
