/**
 * Pseudo-random secret sharing [CDI05]. Each pair of parties shares a key that is fresh in every attempt of
 * a job, so values that both of them know, and the third does not, cost no message.
 *
 * A stream is named by (excluded party, purpose, operation). Purposes have separate subkeys, operations are
 * AES-CTR counter prefixes. Drawing one stream twice would reuse a mask; it is refused.
 */
import { createCipheriv, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { SymbolonError } from "./errors.ts";
import { type PartyIndex, partyIndices, thirdParty } from "./transport/transport.ts";

export type PrssPurpose = "zero" | "mask" | "bit-zero" | "bit-random" | "deal" | "share";

/** Key stream made at a time; a block of the widest elements fits. */
const chunkBytes = 81920;
const zeros = Buffer.alloc(chunkBytes);

export class Prss {
  readonly #secrets: ReadonlyMap<PartyIndex, Uint8Array>;
  readonly #subkeys = new Map<string, KeyObject>();
  #operation = -1;
  readonly #drawn = new Set<string>();

  /** @param pairSecrets the 32-byte secret shared with each peer, by the peer's index. */
  constructor(partyIndex: PartyIndex, pairSecrets: ReadonlyMap<PartyIndex, Uint8Array>) {
    const byExcluded = new Map<PartyIndex, Uint8Array>();
    for (const peer of partyIndices) {
      if (peer === partyIndex) continue;
      const secret = pairSecrets.get(peer);
      if (secret?.length !== 32) throw new SymbolonError("INTERNAL", `no pair secret for party ${peer}`);
      byExcluded.set(thirdParty(partyIndex, peer), secret);
    }
    this.#secrets = byExcluded;
  }

  /**
   * `length` bytes known to the two parties other than `excluded`.
   * @param operation never smaller than in the call before.
   */
  bytes(excluded: PartyIndex, purpose: PrssPurpose, operation: number, length: number): Uint8Array {
    const next = this.stream(excluded, purpose, operation);
    if (length <= chunkBytes) return next(length);
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += chunkBytes) out.set(next(Math.min(chunkBytes, length - at)), at);
    return out;
  }

  /** The same bytes piece by piece, at most 80 KB each: a piece that is used at once stays in the cache. */
  stream(excluded: PartyIndex, purpose: PrssPurpose, operation: number): (length: number) => Uint8Array {
    this.#claim(`${purpose}/${excluded}`, operation);
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64BE(BigInt(operation), 0);
    const cipher = createCipheriv("aes-128-ctr", this.#subkey(excluded, purpose), iv);
    return (length) => cipher.update(zeros.subarray(0, length));
  }

  #claim(stream: string, operation: number): void {
    if (operation < this.#operation)
      throw new SymbolonError("INTERNAL", "pseudo-random streams went backwards");
    if (operation > this.#operation) {
      this.#operation = operation;
      this.#drawn.clear();
    }
    if (this.#drawn.has(stream)) {
      throw new SymbolonError(
        "INTERNAL",
        `pseudo-random stream ${stream} of operation ${operation} drawn twice`,
      );
    }
    this.#drawn.add(stream);
  }

  #subkey(excluded: PartyIndex, purpose: PrssPurpose): KeyObject {
    const name = `${purpose}/${excluded}`;
    let key = this.#subkeys.get(name);
    if (key === undefined) {
      const secret = this.#secrets.get(excluded);
      if (secret === undefined) {
        throw new SymbolonError("INTERNAL", "a party asked for a pair key that excludes it");
      }
      const bytes = hkdfSync("sha256", secret, new Uint8Array(0), `symbolon/prss/${purpose}`, 16);
      // A key object makes a cipher in a quarter of the time that raw bytes take.
      key = createSecretKey(new Uint8Array(bytes));
      this.#subkeys.set(name, key);
    }
    return key;
  }
}
