/**
 * The only source of randomness in the project: the operating system's generator. `Math.random` and other
 * uses of `randomBytes` are banned by a test.
 */
import { randomBytes as osRandomBytes } from "node:crypto";

/** `length` unpredictable bytes. */
export function randomBytes(length: number): Buffer {
  return osRandomBytes(length);
}

/** A fresh 128-bit identifier as 32 hexadecimal digits. */
export function randomId(): string {
  return randomBytes(16).toString("hex");
}
