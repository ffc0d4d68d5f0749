/**
 * What one attempt of a job gets from the network: a transport, and a secret with each peer from which the
 * pseudo-random sharing derives its keys. Both are fresh in every attempt, so no mask and no nonce is ever
 * used twice, whatever was restarted.
 */
import { createHash } from "node:crypto";
import { SymbolonError } from "../errors.ts";
import type { PartyIndex, Transport } from "./transport.ts";

export interface AttemptChannels {
  transport: Transport;
  /** 32 bytes shared with each peer, by the peer's index. Never stored, never sent. */
  pairSecrets: ReadonlyMap<PartyIndex, Uint8Array>;
}

export interface AttemptName {
  chainId: bigint | number;
  /** Address of the escrow contract, 0x and 40 hexadecimal digits. */
  escrow: string;
  /** 32 bytes, 0x-hexadecimal. */
  jobId: string;
  /** Counts the attempts of the job from 0; all three parties must use the same number. */
  attempt: number;
}

/** The 32-byte name of an attempt: SHA-256 over a label and the fixed-width fields. Public, not a secret. */
export function attemptContext({ chainId, escrow, jobId, attempt }: AttemptName): Uint8Array {
  if (!/^0x[0-9a-fA-F]{40}$/.test(escrow))
    throw new SymbolonError("USAGE", "escrow is not a 20-byte address");
  if (!/^0x[0-9a-f]{64}$/.test(jobId)) throw new SymbolonError("USAGE", "jobId is not 32 bytes");
  const words = [BigInt(chainId), BigInt(escrow), BigInt(jobId), BigInt(attempt)];
  const hash = createHash("sha256").update("symbolon attempt v1\0");
  for (const word of words) {
    if (word < 0n || word >> 256n !== 0n) throw new SymbolonError("USAGE", "attempt field out of range");
    hash.update(Buffer.from(word.toString(16).padStart(64, "0"), "hex"));
  }
  return hash.digest();
}
