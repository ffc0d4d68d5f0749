/**
 * The encryption of JIFF messages between two parties. JIFF's own (one static libsodium box for all time) has
 * no protection against replay and does not cover what a message is for; here each session has fresh keys, and
 * each message is bound to its sender, receiver, place in the sequence, kind and operation id.
 *
 * Keys: the four Diffie-Hellman results of the Noise KK pattern between the pinned static keys and one
 * ephemeral key of each side, and the secret of the attempt's mesh handshake if there is one, through
 * HKDF-SHA256 salted with a hash of everything public. The relay carries the ephemeral keys and may change
 * them: then the two sides have different keys and nothing decrypts.
 *
 * The sequence number is not sent: both sides count, so a message that was repeated, left out, moved or made
 * up fails, and no nonce is used twice.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync, type KeyObject } from "node:crypto";
import { SymbolonError } from "../errors.ts";
import { agree, importPrivateKey, importPublicKey, publicKeyOf, x25519KeyBytes } from "./keys.ts";
import type { PartyIndex } from "./transport.ts";

export type JiffLabel = "share" | "open" | "custom";

/** Before the base64url text of every sealed message: the relay tells ciphertext from anything else by it. */
export const sealPrefix = "sb1.";
const sealPattern = /^sb1\.[A-Za-z0-9_-]{22,}$/;
const tagBytes = 16;

/** Whether `value` has the form of a sealed message. It says nothing about who sealed it. */
export function looksSealed(value: unknown): value is string {
  return typeof value === "string" && sealPattern.test(value);
}

export interface SealedLinkOptions {
  computationId: string;
  modulus: bigint;
  partyIndex: PartyIndex;
  peer: PartyIndex;
  /** Static X25519 private key, 32 bytes, and this session's ephemeral one. */
  staticPrivateKey: Uint8Array;
  ephemeralPrivateKey: Uint8Array;
  /** The peer's pinned public key, and the ephemeral one that came through the relay. */
  peerPublicKey: Uint8Array;
  peerEphemeralKey: Uint8Array;
  /** Secret of the attempt, known to this pair alone (32 bytes). */
  pairSecret?: Uint8Array | undefined;
}

/** Seals what goes to one peer and opens what comes from it. */
export class SealedLink {
  readonly #partyIndex: PartyIndex;
  readonly #peer: PartyIndex;
  readonly #sendKey: Uint8Array;
  readonly #receiveKey: Uint8Array;
  #sent = 0;
  #received = 0;

  /** @throws CHANNEL_AUTH for an ephemeral key that gives no secret; KEY_INVALID for wrong lengths. */
  constructor(options: SealedLinkOptions) {
    const { partyIndex, peer, pairSecret } = options;
    this.#partyIndex = partyIndex;
    this.#peer = peer;
    if (pairSecret !== undefined && pairSecret.byteLength !== 32) {
      throw new SymbolonError("KEY_INVALID", "a pair secret has 32 bytes");
    }
    const material = deriveMaterial(options);
    const direction = (from: PartyIndex, to: PartyIndex) =>
      new Uint8Array(hkdfSync("sha256", material.secret, material.salt, `symbolon jiff ${from}>${to}`, 32));
    this.#sendKey = direction(partyIndex, peer);
    this.#receiveKey = direction(peer, partyIndex);
    material.secret.fill(0);
  }

  /** How many messages were opened. */
  get received(): number {
    return this.#received;
  }

  seal(label: JiffLabel, operation: string, plaintext: Uint8Array): string {
    const cipher = createCipheriv("aes-256-gcm", this.#sendKey, nonceOf(this.#sent++));
    cipher.setAAD(associatedData(this.#partyIndex, this.#peer, label, operation));
    const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return sealPrefix + body.toString("base64url");
  }

  /** @throws CHANNEL_AUTH; the message names the place in the sequence and nothing of the content. */
  open(label: JiffLabel, operation: string, sealed: unknown): Buffer {
    const number = this.#received++;
    const refused = () =>
      new SymbolonError(
        "CHANNEL_AUTH",
        `JIFF message ${number} from party ${this.#peer} is not authentic: altered, repeated, moved, left out or not from it`,
      );
    if (!looksSealed(sealed)) throw refused();
    const body = Buffer.from(sealed.slice(sealPrefix.length), "base64url");
    if (body.length < tagBytes) throw refused();
    const options = { authTagLength: tagBytes };
    const decipher = createDecipheriv("aes-256-gcm", this.#receiveKey, nonceOf(number), options);
    decipher.setAAD(associatedData(this.#peer, this.#partyIndex, label, operation));
    decipher.setAuthTag(body.subarray(body.length - tagBytes));
    try {
      return Buffer.concat([decipher.update(body.subarray(0, body.length - tagBytes)), decipher.final()]);
    } catch {
      throw refused();
    }
  }

  /** Erases the keys; every later use fails. */
  erase(): void {
    this.#sendKey.fill(0);
    this.#receiveKey.fill(0);
    this.#sent = Number.NaN;
    this.#received = Number.NaN;
  }
}

interface Side {
  index: PartyIndex;
  static: Uint8Array;
  ephemeral: Uint8Array;
}

function deriveMaterial(options: SealedLinkOptions): { secret: Buffer; salt: Buffer } {
  const ownStatic = importPrivateKey(options.staticPrivateKey);
  const ownEphemeral = importPrivateKey(options.ephemeralPrivateKey);
  const peerStatic = importPublicKey(options.peerPublicKey);
  const peerEphemeral = importPublicKey(options.peerEphemeralKey);
  const own: Side = {
    index: options.partyIndex,
    static: publicKeyOf(options.staticPrivateKey),
    ephemeral: publicKeyOf(options.ephemeralPrivateKey),
  };
  const peer: Side = {
    index: options.peer,
    static: options.peerPublicKey,
    ephemeral: options.peerEphemeralKey,
  };
  const ownIsFirst = own.index < peer.index;
  const [first, second] = ownIsFirst ? [own, peer] : [peer, own];
  // Both sides in the same order: first's ephemeral with second's static, then the other way round.
  const mixed: [KeyObject, KeyObject][] = [
    [ownEphemeral, peerStatic],
    [ownStatic, peerEphemeral],
  ];
  if (!ownIsFirst) mixed.reverse();
  const parts = [
    agree(ownStatic, peerStatic),
    ...mixed.map(([secret, open]) => agree(secret, open)),
    agree(ownEphemeral, peerEphemeral),
    Buffer.from(options.pairSecret ?? new Uint8Array(x25519KeyBytes)),
  ];
  const salt = createHash("sha256").update("symbolon jiff v1\0");
  salt.update(lengthPrefixed(options.computationId)).update(lengthPrefixed(options.modulus.toString(16)));
  salt.update(Uint8Array.of(options.pairSecret === undefined ? 0 : 1));
  for (const side of [first, second]) {
    salt.update(Uint8Array.of(side.index)).update(side.static).update(side.ephemeral);
  }
  const secret = Buffer.concat(parts);
  for (const part of parts) part.fill(0);
  return { secret, salt: salt.digest() };
}

function associatedData(from: PartyIndex, to: PartyIndex, label: JiffLabel, operation: string): Buffer {
  return Buffer.concat([Uint8Array.of(from, to), lengthPrefixed(label), lengthPrefixed(operation)]);
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function nonceOf(sequence: number): Buffer {
  // Also where an erased link ends: NaN is not a safe integer.
  if (!Number.isSafeInteger(sequence)) throw new SymbolonError("RUN_ABORTED", "the JIFF session is closed");
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(Math.floor(sequence / 2 ** 32), 4);
  nonce.writeUInt32BE(sequence >>> 0, 8);
  return nonce;
}
