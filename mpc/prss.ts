/**
 * Pseudo-random secret sharing [CDI05]. Each pair of parties shares a key that is fresh in every attempt of
 * a job, so values that both of them know, and the third does not, cost no message.
 *
 * A stream is named by (excluded party, purpose, operation). Purposes have separate subkeys, operations are
 * AES-CTR counter prefixes. Drawing one stream twice would reuse a mask; it is refused.
 */
import { createCipheriv, hkdfSync } from "node:crypto";
import { SymbolonError } from "./errors.ts";
import { type PartyIndex, partyIndices, thirdParty } from "./transport/transport.ts";

export type PrssPurpose = "zero" | "mask" | "bit-zero" | "bit-random" | "deal" | "share";

const chunkBytes = 65536;
const zeros = Buffer.alloc(chunkBytes);

export class Prss {
  readonly #secrets: ReadonlyMap<PartyIndex, Uint8Array>;
  readonly #subkeys = new Map<string, Buffer>();
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
    this.#claim(`${purpose}/${excluded}`, operation);
    const iv = Buffer.alloc(16);
    iv.writeBigUInt64BE(BigInt(operation), 0);
    const cipher = createCipheriv("aes-128-ctr", this.#subkey(excluded, purpose), iv);
    if (length <= chunkBytes) return cipher.update(zeros.subarray(0, length));
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += chunkBytes) {
      out.set(cipher.update(zeros.subarray(0, Math.min(chunkBytes, length - at))), at);
    }
    return out;
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

  #subkey(excluded: PartyIndex, purpose: PrssPurpose): Buffer {
    const name = `${purpose}/${excluded}`;
    let key = this.#subkeys.get(name);
    if (key === undefined) {
      const secret = this.#secrets.get(excluded);
      if (secret === undefined) {
        throw new SymbolonError("INTERNAL", "a party asked for a pair key that excludes it");
      }
      key = Buffer.from(hkdfSync("sha256", secret, new Uint8Array(0), `symbolon/prss/${purpose}`, 16));
      this.#subkeys.set(name, key);
    }
    return key;
  }
}
