/**
 * Sealing shares, and what an exchange delivers, to one reader: HPKE [RFC 9180] in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
 * AES-256-GCM. A seal is bound to its context (chain, contract, data set or job, reader, point): in another
 * context it does not open, so nobody can list another's ciphertexts as their own.
 *
 * Base mode says nothing about the sender. Who made a seal follows from the chain, which holds the hash of
 * its bytes: in a seller's offer, or in an attestation.
 *
 * Format: version (1 byte, 1), encapsulated key (32), length of the plaintext (8, big-endian), then the
 * plaintext in chunks of 64 KiB, the last one shorter or, of an empty plaintext, empty; each chunk with its
 * 16-byte tag. The nonce counts the chunks; the associated data of each holds context, total length, number of
 * the chunk and whether it is the last, so that chunks cannot be dropped, added, exchanged or cut.
 */
import { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { AbiCoder, getBytes } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import type { PartyIndex } from "../mpc/transport/transport.ts";
import { ExactReader } from "./exact-reader.ts";
import { NodeAes256Gcm } from "./hpke-aead.ts";
import { Secret } from "./secret.ts";

/** Whose input share is sealed to whom. Addresses and hashes are 0x-hexadecimal. */
export interface InputSealContext {
  kind: "input-share";
  chainId: bigint | number;
  /** The offer registry, or for a buyer's validation data the escrow. */
  registry: string;
  /** The seller, or the buyer for validation data. */
  owner: string;
  /** 32 bytes drawn for this sharing. */
  nonce: string;
  schemaHash: string;
  rows: number;
  /** Shared columns, the label included. */
  columns: number;
  operator: string;
  point: PartyIndex;
}

/** Which party's share of which job's result is sealed to the buyer. */
export interface ResultSealContext {
  kind: "result-share";
  chainId: bigint | number;
  escrow: string;
  jobId: string;
  buyer: string;
  operator: string;
  point: PartyIndex;
  attempt: bigint | number;
}

/** Which provider's shard, or features of a shard, is sealed to the collector of an exchange. */
export interface ExchangeSealContext {
  kind: "exchange-shard" | "exchange-features";
  chainId: bigint | number;
  /** The exchange's contract. */
  exchange: string;
  session: string;
  seat: bigint;
  /** Index of the shard. */
  shard: number;
}

export type SealContext = InputSealContext | ResultSealContext | ExchangeSealContext;

/** Plaintext bytes of a chunk: large enough to amortise a call, small enough for the cache and for memory that is used again. */
export const chunkBytes = 64 * 1024;

const version = 1;
const encapsulatedBytes = 32;
const headerBytes = 1 + encapsulatedBytes + 8;
const tagBytes = 16;

type SenderContext = Awaited<ReturnType<CipherSuite["createSenderContext"]>>;
type RecipientContext = Awaited<ReturnType<CipherSuite["createRecipientContext"]>>;

/** The suite, one for all: it holds no keys. */
export const hpkeSuite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new NodeAes256Gcm(),
});

/** HPKE's `info`: keeps seals of different purposes apart even if their contexts encoded alike. */
const domains = {
  "input-share": new TextEncoder().encode("symbolon/v1/input-share"),
  "result-share": new TextEncoder().encode("symbolon/v1/result-share"),
  "exchange-shard": new TextEncoder().encode("symbolon/v1/exchange-shard"),
  "exchange-features": new TextEncoder().encode("symbolon/v1/exchange-features"),
} as const;

/** Bytes of the seal of a plaintext of `plaintextBytes` bytes. */
export function sealedBytes(plaintextBytes: number): number {
  return headerBytes + plaintextBytes + chunkCount(plaintextBytes) * tagBytes;
}

/**
 * Seals `plaintext` to the X25519 public key (32 bytes, raw or 0x-hexadecimal) of its reader.
 * @throws KEY_INVALID when the public key is none
 */
export async function seal(
  recipientPublicKey: Uint8Array | string,
  context: SealContext,
  plaintext: Uint8Array,
): Promise<Uint8Array> {
  const sealer = await Sealer.begin(recipientPublicKey, context, plaintext.length);
  const sealed = new Uint8Array(sealedBytes(plaintext.length));
  let at = 0;
  for (const part of [sealer.header, ...(await sealer.push(plaintext)), await sealer.finish()]) {
    sealed.set(part, at);
    at += part.length;
  }
  return sealed;
}

/** Seals a plaintext of known length that comes in parts; holds one chunk of it. */
export class Sealer {
  /** The first bytes of the seal. */
  readonly header: Uint8Array;
  readonly #binding: Uint8Array;
  readonly #length: number;
  readonly #context: SenderContext;
  readonly #chunk: Uint8Array<ArrayBuffer>;
  #inChunk = 0;
  #taken = 0;
  #chunks = 0;

  private constructor(context: SenderContext, binding: Uint8Array, length: number) {
    this.#context = context;
    this.#binding = binding;
    this.#length = length;
    this.#chunk = new Uint8Array(Math.min(length, chunkBytes));
    this.header = new Uint8Array(headerBytes);
    this.header[0] = version;
    this.header.set(new Uint8Array(context.enc), 1);
    new DataView(this.header.buffer).setBigUint64(1 + encapsulatedBytes, BigInt(length));
  }

  /** @throws KEY_INVALID when the public key is none */
  static async begin(
    recipientPublicKey: Uint8Array | string,
    context: SealContext,
    plaintextBytes: number,
  ): Promise<Sealer> {
    const binding = encodeContext(context);
    const sender = await senderFor(rawPublicKey(recipientPublicKey), domains[context.kind]);
    return new Sealer(sender, binding, plaintextBytes);
  }

  /** The next bytes of the plaintext; returns the chunks of the seal that are ready. @throws USAGE beyond the length */
  async push(part: Uint8Array): Promise<Uint8Array[]> {
    this.#taken += part.length;
    if (this.#taken > this.#length) throw lengthWrong();
    const ready: Uint8Array[] = [];
    for (let at = 0; at < part.length; ) {
      const count = Math.min(part.length - at, this.#chunk.length - this.#inChunk);
      this.#chunk.set(part.subarray(at, at + count), this.#inChunk);
      this.#inChunk += count;
      at += count;
      if (this.#inChunk === chunkBytes) ready.push(await this.#sealChunk());
    }
    return ready;
  }

  /** The last bytes of the seal. @throws USAGE when less was pushed than announced */
  async finish(): Promise<Uint8Array> {
    if (this.#taken !== this.#length) throw lengthWrong();
    return this.#chunks === chunkCount(this.#length) ? new Uint8Array(0) : this.#sealChunk();
  }

  async #sealChunk(): Promise<Uint8Array> {
    const chunk = this.#chunk.subarray(0, this.#inChunk);
    const data = associatedData(this.#binding, this.#length, this.#chunks);
    // The library copies a view, and a whole buffer not.
    const whole = this.#inChunk === this.#chunk.length;
    const sealed = new Uint8Array(await this.#context.seal(whole ? this.#chunk.buffer : chunk, data));
    chunk.fill(0);
    this.#chunks += 1;
    this.#inChunk = 0;
    return sealed;
  }
}

/**
 * Opens what `seal` made for this key and this very context. Nothing is returned unless all of it is authentic.
 * @throws SEAL_INVALID for anything else: another key, context, length, version, or altered bytes
 */
export async function unseal(
  privateKey: Secret | Uint8Array,
  context: SealContext,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  const length = plaintextBytes(sealed);
  if (length === undefined) throw sealInvalid();
  const plaintext = new Uint8Array(length);
  let at = 0;
  try {
    for await (const chunk of unsealChunks(privateKey, context, [sealed])) {
      plaintext.set(chunk, at);
      at += chunk.length;
    }
  } catch (error) {
    plaintext.fill(0);
    throw error;
  }
  return plaintext;
}

/**
 * Opens a seal that comes in parts, chunk by chunk. Each chunk is authentic, in its place and of this context
 * when it is handed out, and cleared when the next one is asked for; that none is missing is known only when the
 * last was read without an error.
 * @throws SEAL_INVALID as `unseal`
 */
export async function* unsealChunks(
  privateKey: Secret | Uint8Array,
  context: SealContext,
  sealed: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const binding = encodeContext(context);
  const reader = new ExactReader(sealed);
  const header = await reader.read(headerBytes);
  if (header === undefined || header[0] !== version) throw sealInvalid();
  const view = new DataView(header.buffer, header.byteOffset);
  const declared = view.getBigUint64(1 + encapsulatedBytes);
  if (declared > BigInt(Number.MAX_SAFE_INTEGER)) throw sealInvalid();
  // Not authentic yet: nothing of this length is allocated, and every chunk is bound to it.
  const length = Number(declared);
  let recipient: RecipientContext;
  try {
    recipient = await hpkeSuite.createRecipientContext({
      recipientKey: await hpkeSuite.kem.deserializePrivateKey(
        privateKey instanceof Secret ? privateKey.reveal() : privateKey,
      ),
      enc: header.slice(1, 1 + encapsulatedBytes),
      info: domains[context.kind],
    });
  } catch {
    // No cause: what a library says about a key that failed is not ours to print.
    throw sealInvalid();
  }
  // One for all chunks but the last.
  const whole = new Uint8Array(Math.min(chunkBytes, length) + tagBytes);
  for (let chunk = 0; chunk < chunkCount(length); chunk++) {
    const size = Math.min(chunkBytes, length - chunk * chunkBytes);
    const part = size + tagBytes === whole.length ? whole : new Uint8Array(size + tagBytes);
    if (!(await reader.readInto(part))) throw sealInvalid();
    let opened: ArrayBuffer;
    try {
      // The library copies a view, and a whole buffer not.
      opened = await recipient.open(part.buffer, associatedData(binding, length, chunk));
    } catch {
      throw sealInvalid();
    }
    const plaintext = new Uint8Array(opened);
    try {
      yield plaintext;
    } finally {
      plaintext.fill(0);
    }
  }
  if (!(await reader.atEnd())) throw sealInvalid();
}

/** The length of the plaintext that a seal declares, or nothing when the seal is not of that length. */
function plaintextBytes(sealed: Uint8Array): number | undefined {
  if (sealed.length < headerBytes) return undefined;
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const declared = view.getBigUint64(1 + encapsulatedBytes);
  // Compared before anything is allocated: the length is not authentic yet.
  if (declared > BigInt(sealed.length)) return undefined;
  return sealed.length === sealedBytes(Number(declared)) ? Number(declared) : undefined;
}

const chunkCount = (plaintextBytes: number): number => Math.max(1, Math.ceil(plaintextBytes / chunkBytes));

function sealInvalid(): SymbolonError {
  return new SymbolonError("SEAL_INVALID", "A sealed share does not open with this key in this context.", {
    hint: "It was altered, sealed to another key, or belongs to another data set, job, party or chain.",
  });
}

function lengthWrong(): SymbolonError {
  return new SymbolonError("USAGE", "A seal was given another number of bytes than was announced.");
}

function rawPublicKey(key: Uint8Array | string): Uint8Array {
  const raw = typeof key !== "string" ? key : /^0x[0-9a-fA-F]{64}$/.test(key) ? getBytes(key) : undefined;
  if (raw?.length !== 32) throw publicKeyInvalid();
  return raw;
}

function publicKeyInvalid(): SymbolonError {
  return new SymbolonError(
    "KEY_INVALID",
    "The public key to seal to is not an X25519 public key of 32 bytes.",
  );
}

async function senderFor(recipient: Uint8Array, info: Uint8Array) {
  try {
    return await hpkeSuite.createSenderContext({
      recipientPublicKey: await hpkeSuite.kem.deserializePublicKey(recipient),
      info,
    });
  } catch {
    // A point of small order: the shared secret would be known to all.
    throw publicKeyInvalid();
  }
}

/** Canonical bytes of a context: ABI encoding, fixed widths. @throws USAGE when a value does not fit its type */
export function encodeContext(context: SealContext): Uint8Array {
  const [types, values] = fieldsOf(context);
  try {
    return getBytes(AbiCoder.defaultAbiCoder().encode(types, values));
  } catch (error) {
    throw new SymbolonError("USAGE", "The context of a seal has a field that does not fit its type.", {
      cause: error,
    });
  }
}

function fieldsOf(context: SealContext): [types: string[], values: unknown[]] {
  switch (context.kind) {
    case "input-share":
      return [
        ["uint256", "address", "address", "bytes32", "bytes32", "uint32", "uint16", "address", "uint8"],
        [
          context.chainId,
          context.registry,
          context.owner,
          context.nonce,
          context.schemaHash,
          context.rows,
          context.columns,
          context.operator,
          context.point,
        ],
      ];
    case "result-share":
      return [
        ["uint256", "address", "bytes32", "address", "address", "uint8", "uint64"],
        [
          context.chainId,
          context.escrow,
          context.jobId,
          context.buyer,
          context.operator,
          context.point,
          context.attempt,
        ],
      ];
    case "exchange-shard":
    case "exchange-features":
      return [
        ["uint256", "address", "bytes32", "uint256", "uint32"],
        [context.chainId, context.exchange, context.session, context.seat, context.shard],
      ];
  }
}

/** context, u64 total length, u32 number of the chunk, u8 last or not; all but the context of fixed size. */
function associatedData(binding: Uint8Array, plaintextBytes: number, chunk: number): Uint8Array {
  const data = new Uint8Array(binding.length + 13);
  data.set(binding);
  const view = new DataView(data.buffer, binding.length);
  view.setBigUint64(0, BigInt(plaintextBytes));
  view.setUint32(8, chunk);
  view.setUint8(12, chunk === chunkCount(plaintextBytes) - 1 ? 1 : 0);
  return data;
}
