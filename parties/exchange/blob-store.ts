/**
 * Where the two sides of an exchange leave bytes for each other: a content-addressed store. A name is the sha256 of
 * the bytes, so that nothing has to be believed of a store but that it keeps and hands out; what others can read in
 * it is public, or sealed.
 */
import { createHash } from "node:crypto";
import { SymbolonError } from "../../mpc/errors.ts";

/**
 * Largest blob in bytes, 1 MiB: what IPFS takes as one block, whose identifier then follows from the sha256 alone.
 */
export const maxBlobBytes = 2 ** 20;

export interface BlobStore {
  /** Says where it is, without what may be secret in an address. */
  readonly place: string;
  /**
   * Keeps 1 to `maxBlobBytes` bytes; the same bytes again change nothing. @returns their address: 0x and their sha256
   * @throws LIMIT_EXCEEDED, STORE_UNREACHABLE, COMMITMENT_MISMATCH when it kept other bytes
   */
  put(bytes: Uint8Array): Promise<string>;
  /**
   * The bytes of an address, checked against it.
   * @param maxBytes more is refused without being read
   * @throws NOT_FOUND, COMMITMENT_MISMATCH, LIMIT_EXCEEDED, STORE_UNREACHABLE
   */
  get(address: string, maxBytes?: number): Promise<Uint8Array>;
}

/** The address of bytes. */
export function addressOf(bytes: Uint8Array): string {
  return `0x${createHash("sha256").update(bytes).digest("hex")}`;
}

/** @throws PARAMETER_INVALID for what is no address: it may have come from a hostile document */
export function requireAddress(address: string): void {
  if (!/^0x[0-9a-f]{64}$/.test(address)) {
    throw new SymbolonError("PARAMETER_INVALID", "an address of a blob is 0x and 64 hexadecimal digits");
  }
}

/** @throws LIMIT_EXCEEDED */
export function requireBlobSize(length: number, maxBytes: number, place: string): void {
  if (length === 0 || length > maxBytes) {
    throw new SymbolonError("LIMIT_EXCEEDED", `a blob of ${place} does not have 1 to ${maxBytes} bytes`);
  }
}

/** @throws COMMITMENT_MISMATCH unless `bytes` have this address */
export function requireContent(address: string, bytes: Uint8Array, place: string): void {
  if (addressOf(bytes) === address) return;
  throw new SymbolonError("COMMITMENT_MISMATCH", `${place} holds other bytes under ${address}`, {
    hint: "the store is broken or hostile: take another copy of it",
  });
}

export function blobMissing(address: string, place: string, cause?: unknown): SymbolonError {
  return new SymbolonError("NOT_FOUND", `${place} has no blob ${address}`, {
    hint: "it was not delivered yet, or to another store",
    cause,
  });
}
