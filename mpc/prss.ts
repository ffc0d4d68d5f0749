/**
 * Pseudo-random secret sharing [CDI05]. Each pair of parties shares a key that is fresh in every attempt of
 * a job, so values that both of them know, and the third does not, cost no message.
 *
 * A stream is named by (excluded party, purpose, operation). Purposes have separate subkeys, operations are
 * AES-CTR counter prefixes: block j of a stream is AES(subkey, operation || j), both in 64 bits. Drawing one
 * stream twice would reuse a mask; it is refused.
 */
import { type Cipheriv, createCipheriv, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { SymbolonError } from "./errors.ts";
import { type PartyIndex, partyIndices, thirdParty } from "./transport/transport.ts";

export type PrssPurpose = "zero" | "mask" | "bit-zero" | "bit-random" | "deal" | "share" | "coin" | "blind";

/** Key stream made at a time; a block of the widest elements fits. */
const chunkBytes = 81920;
const zeros = Buffer.alloc(chunkBytes);
const blockBytes = 16;
/**
 * Pieces up to this size are made block by block with a cipher that is kept: a cipher of its own for each
 * stream takes 2 us to make and something to collect. Longer ones are faster in counter mode.
 */
const keptCipherBytes = 8192;
/** See `release`. */
const releaseFromBytes = 16384;

interface Subkey {
  key: KeyObject;
  /** AES on single blocks, without padding; it has no state between calls. */
  blockCipher: Cipheriv;
}

export class Prss {
  readonly #secrets: ReadonlyMap<PartyIndex, Uint8Array>;
  readonly #subkeys = new Map<string, Subkey>();
  /** No stream of an operation up to this one will be drawn. */
  #closed = -1;
  /** The streams that were drawn of each operation after it. */
  readonly #drawn = new Map<number, Set<string>>();
  /** Counter blocks of a short piece; one block more, for a piece that begins and ends within blocks. */
  readonly #counters = Buffer.alloc(keptCipherBytes + blockBytes);
  readonly #counterWords = new DataView(this.#counters.buffer, this.#counters.byteOffset);

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
   * @param operation not one that is closed
   */
  bytes(excluded: PartyIndex, purpose: PrssPurpose, operation: number, length: number): Uint8Array {
    const next = this.stream(excluded, purpose, operation);
    if (length <= chunkBytes) return next(length);
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += chunkBytes) out.set(next(Math.min(chunkBytes, length - at)), at);
    return out;
  }

  /**
   * The same bytes piece by piece, at most 80 KB each: a piece that is used at once stays in the cache. Each
   * piece is valid until the next one is asked for.
   */
  stream(excluded: PartyIndex, purpose: PrssPurpose, operation: number): (length: number) => Uint8Array {
    this.#claim(`${purpose}/${excluded}`, operation);
    const { key, blockCipher } = this.#subkey(excluded, purpose);
    let at = 0;
    let counterMode: Cipheriv | undefined;
    let last: Buffer | undefined;
    return (length) => {
      if (last !== undefined) release(last);
      if (counterMode === undefined && length <= keptCipherBytes) {
        last = this.#encryptCounters(blockCipher, operation, at, length);
      } else {
        counterMode ??= counterModeFrom(key, operation, at);
        last = counterMode.update(zeros.subarray(0, length));
      }
      at += length;
      return last;
    };
  }

  /** Bytes `at` to `at + length` of the stream, from whole counter blocks. */
  #encryptCounters(blockCipher: Cipheriv, operation: number, at: number, length: number): Buffer {
    const skipped = at % blockBytes;
    const first = (at - skipped) / blockBytes;
    const blocks = Math.ceil((skipped + length) / blockBytes);
    const words = this.#counterWords;
    const [high, low] = [Math.floor(operation / 2 ** 32), operation >>> 0];
    // A stream's pieces before the one that outgrows this way are short: the block number fits in 32 bits.
    for (let block = 0; block < blocks; block++) {
      words.setUint32(blockBytes * block, high);
      words.setUint32(blockBytes * block + 4, low);
      words.setUint32(blockBytes * block + 12, first + block);
    }
    const made = blockCipher.update(this.#counters.subarray(0, blocks * blockBytes));
    return made.subarray(skipped, skipped + length);
  }

  /** The operations up to this one have ended: what was drawn of them need not be remembered, only refused. */
  close(operation: number): void {
    if (operation <= this.#closed) return;
    for (const old of this.#drawn.keys()) if (old <= operation) this.#drawn.delete(old);
    this.#closed = operation;
  }

  #claim(stream: string, operation: number): void {
    if (operation <= this.#closed)
      throw new SymbolonError("INTERNAL", "pseudo-random streams went backwards");
    let drawn = this.#drawn.get(operation);
    if (drawn === undefined) {
      drawn = new Set();
      this.#drawn.set(operation, drawn);
    }
    if (drawn.has(stream)) {
      throw new SymbolonError(
        "INTERNAL",
        `pseudo-random stream ${stream} of operation ${operation} drawn twice`,
      );
    }
    drawn.add(stream);
  }

  #subkey(excluded: PartyIndex, purpose: PrssPurpose): Subkey {
    const name = `${purpose}/${excluded}`;
    let subkey = this.#subkeys.get(name);
    if (subkey === undefined) {
      const secret = this.#secrets.get(excluded);
      if (secret === undefined) {
        throw new SymbolonError("INTERNAL", "a party asked for a pair key that excludes it");
      }
      const bytes = hkdfSync("sha256", secret, new Uint8Array(0), `symbolon/prss/${purpose}`, 16);
      // A key object makes a cipher in a quarter of the time that raw bytes take.
      const key = createSecretKey(new Uint8Array(bytes));
      const blockCipher = createCipheriv("aes-128-ecb", key, null).setAutoPadding(false);
      subkey = { key, blockCipher };
      this.#subkeys.set(name, subkey);
    }
    return subkey;
  }
}

/** The rest of a stream from byte `at` on, in counter mode. */
function counterModeFrom(key: KeyObject, operation: number, at: number): Cipheriv {
  const skipped = at % blockBytes;
  const counter = Buffer.alloc(blockBytes);
  counter.writeBigUInt64BE(BigInt(operation), 0);
  counter.writeBigUInt64BE(BigInt((at - skipped) / blockBytes), 8);
  const cipher = createCipheriv("aes-128-ctr", key, counter);
  if (skipped > 0) cipher.update(zeros.subarray(0, skipped));
  return cipher;
}

/**
 * Gives the memory of a used piece back now, so that the allocator hands the same warm pages to the next one;
 * left to the collector, a long stream takes a sixth longer. Short ones may be slices of a shared pool.
 */
function release(piece: Buffer): void {
  const memory = piece.buffer;
  if (piece.length >= releaseFromBytes && memory.byteLength === piece.length)
    (memory as ArrayBuffer).transfer(0);
}
