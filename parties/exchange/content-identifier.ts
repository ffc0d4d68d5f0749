/**
 * IPFS identifiers of blobs of one block: version 1, codec "raw", multihash sha2-256, in lower-case base32 without
 * padding (multibase "b", RFC 4648).
 */
import { requireAddress } from "./blob-store.ts";

/** Version 1; raw binary; sha2-256; a digest of 32 bytes. */
const prefix = [0x01, 0x55, 0x12, 0x20];
const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** The identifier of the blob with this address. @throws PARAMETER_INVALID */
export function contentIdentifier(address: string): string {
  requireAddress(address);
  let text = "b";
  let pending = 0;
  let bits = 0;
  for (const byte of [...prefix, ...Buffer.from(address.slice(2), "hex")]) {
    pending = (pending << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(pending >> bits) & 31];
    }
    pending &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + alphabet[(pending << (5 - bits)) & 31];
}
