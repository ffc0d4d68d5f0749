/**
 * A party's answer to the relay's challenge: that it holds the registered JIFF key. Format in
 * `bridge/relay/key-proof.ts`. A hostile relay learns a MAC under a key that serves nothing else.
 */
import { createHmac, hkdfSync } from "node:crypto";
import { agree, importPrivateKey, importPublicKey, publicKeyOf } from "./keys.ts";

export interface RelayClaim {
  computationId: string;
  partyIndex: number;
  /** Ephemeral public key of the session, in hexadecimal. */
  sessionKey: string;
}

/**
 * @param challenge the relay's fresh public key, 64 hexadecimal digits
 * @returns 64 hexadecimal digits
 * @throws CHANNEL_AUTH for a challenge of small order
 */
export function proveKey(secretKey: Uint8Array, challenge: string, claim: RelayClaim): string {
  const relayKey = Buffer.from(challenge, "hex");
  const shared = agree(importPrivateKey(secretKey), importPublicKey(relayKey));
  const info = Buffer.concat([relayKey, publicKeyOf(secretKey)]);
  const key = new Uint8Array(hkdfSync("sha256", shared, "symbolon relay proof v1", info, 32));
  shared.fill(0);
  const claimed = JSON.stringify([claim.computationId, claim.partyIndex, claim.sessionKey]);
  return createHmac("sha256", key).update(claimed).digest("hex");
}
