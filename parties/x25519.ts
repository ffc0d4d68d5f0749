/** X25519 keys as 32 raw bytes, through node:crypto. */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { SymbolonError } from "../mpc/errors.ts";

/** What stands before the 32 bytes of a private key in PKCS #8 DER (RFC 8410). */
const pkcs8Prefix = Buffer.from("302e020100300506032b656e04220420", "hex");

/** The 32-byte public key of a 32-byte private key. @throws KEY_INVALID on another length */
export function x25519PublicKey(privateKey: Uint8Array): Uint8Array {
  if (privateKey.length !== 32) {
    throw new SymbolonError("KEY_INVALID", "An X25519 private key has 32 bytes.");
  }
  const key = createPrivateKey({
    key: Buffer.concat([pkcs8Prefix, privateKey]),
    format: "der",
    type: "pkcs8",
  });
  const { x } = createPublicKey(key).export({ format: "jwk" });
  if (x === undefined) throw new SymbolonError("INTERNAL", "An X25519 public key has no coordinate.");
  return Uint8Array.from(Buffer.from(x, "base64url"));
}
