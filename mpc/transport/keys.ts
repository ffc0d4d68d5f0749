/**
 * X25519 keys as raw 32-byte strings, which is how the chain and the key files hold them. node:crypto wants
 * them in DER; the fixed prefixes are those of RFC 8410.
 */
import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { SymbolonError } from "../errors.ts";
import { randomBytes } from "../random.ts";

export const x25519KeyBytes = 32;

const privatePrefix = Buffer.from("302e020100300506032b656e04220420", "hex");
const publicPrefix = Buffer.from("302a300506032b656e032100", "hex");

export interface X25519KeyPair {
  publicKey: Uint8Array;
  privateKey: Uint8Array;
}

/** A fresh key pair, 32 raw bytes each. */
export function generateX25519(): X25519KeyPair {
  const privateKey = randomBytes(x25519KeyBytes);
  return { privateKey, publicKey: publicKeyOf(privateKey) };
}

/**
 * The public key that belongs to a raw private key.
 * @throws KEY_INVALID when it is not 32 bytes.
 */
export function publicKeyOf(privateKey: Uint8Array): Uint8Array {
  const spki = createPublicKey(importPrivateKey(privateKey)).export({ format: "der", type: "spki" });
  return new Uint8Array(spki.subarray(publicPrefix.length));
}

/** @throws KEY_INVALID when it is not 32 bytes. */
export function importPrivateKey(privateKey: Uint8Array): KeyObject {
  checkLength(privateKey, "private");
  const der = Buffer.concat([privatePrefix, privateKey]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return key;
}

/** @throws KEY_INVALID when it is not 32 bytes. */
export function importPublicKey(publicKey: Uint8Array): KeyObject {
  checkLength(publicKey, "public");
  return createPublicKey({ key: Buffer.concat([publicPrefix, publicKey]), format: "der", type: "spki" });
}

/**
 * The X25519 function. An all-zero result (a peer's point of small order, so that the "secret" would be known
 * to everyone) is refused, as RFC 7748 section 6.1 allows and this design requires.
 * @throws CHANNEL_AUTH
 */
export function agree(privateKey: KeyObject, publicKey: KeyObject): Buffer {
  let secret: Buffer;
  try {
    secret = diffieHellman({ privateKey, publicKey });
  } catch {
    // OpenSSL refuses the all-zero result itself; its error adds nothing.
    throw new SymbolonError("CHANNEL_AUTH", "a peer's key does not give a shared secret");
  }
  if (secret.every((byte) => byte === 0)) {
    throw new SymbolonError("CHANNEL_AUTH", "a peer's key does not give a shared secret");
  }
  return secret;
}

function checkLength(key: Uint8Array, kind: string): void {
  if (key.byteLength === x25519KeyBytes) return;
  throw new SymbolonError("KEY_INVALID", `an X25519 ${kind} key has 32 bytes, not ${key.byteLength}`);
}
