/**
 * Noise_KK_25519_AESGCM_SHA256 [Noise, revision 34]: both static keys are known beforehand (from the registry
 * on chain), both sides add an ephemeral one, so the keys that come out are authentic and fresh, and a static
 * key that is stolen later opens nothing that was recorded.
 *
 *     -> s
 *     <- s
 *     ...
 *     -> e, es, ss
 *     <- e, ee, se
 *
 * The prologue names the attempt and the two parties: a handshake for another job, attempt or pair fails.
 * The initiator is authenticated to the responder only by the first frame on the channel: until then message
 * one may be a replay, and the responder must not act on it (`mesh.ts` waits for that frame).
 *
 * Checked against the published vectors in `test/vectors/noise-kk.json`.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, type KeyObject } from "node:crypto";
import { SymbolonError } from "../errors.ts";
import type { X25519KeyPair } from "./keys.ts";
import {
  agree,
  generateX25519,
  importPrivateKey,
  importPublicKey,
  publicKeyOf,
  x25519KeyBytes,
} from "./keys.ts";

export const protocolName = "Noise_KK_25519_AESGCM_SHA256";
export const tagBytes = 16;
/** Either message with an empty payload: an ephemeral key and a tag. */
export const handshakeMessageBytes = x25519KeyBytes + tagBytes;

const pairSecretLabel = Buffer.from("symbolon pair secret v1\0");

export interface HandshakeOptions {
  role: "initiator" | "responder";
  /** What both sides must agree on beforehand; see `handshakePrologue`. */
  prologue: Uint8Array;
  /** This party's static private key, 32 bytes. */
  staticPrivateKey: Uint8Array;
  /** The peer's pinned static public key, 32 bytes. */
  peerPublicKey: Uint8Array;
  /** For test vectors only: an ephemeral key must never be used twice. */
  ephemeral?: X25519KeyPair;
}

export interface HandshakeSecrets {
  /** AES-256-GCM keys, one for each direction. */
  sendKey: Uint8Array;
  receiveKey: Uint8Array;
  /** 32 bytes for pseudo-random sharing, equal on both sides, independent of the two keys. */
  pairSecret: Uint8Array;
  /** SHA-256 over everything that both sides saw; public. */
  handshakeHash: Uint8Array;
}

/** The prologue of the handshake between two parties of an attempt (`from` is the initiator). */
export function handshakePrologue(contextId: Uint8Array, from: number, to: number): Uint8Array {
  return Buffer.concat([Buffer.from("symbolon mesh v1\0"), contextId, Uint8Array.of(from, to)]);
}

/**
 * One handshake of one side. The initiator calls `writeMessage`, `readMessage`, the responder `readMessage`,
 * `writeMessage`; then both call `secrets()`.
 */
export class Handshake {
  readonly #role: "initiator" | "responder";
  readonly #static: KeyObject;
  readonly #peerStatic: KeyObject;
  readonly #ephemeral: KeyObject;
  readonly #ephemeralPublic: Uint8Array;
  #peerEphemeral: KeyObject | undefined;
  #chainingKey: Buffer;
  #hash: Buffer;
  #key: Buffer | undefined;
  #counter = 0;
  /** Messages done; a wrong order or a failure makes it NaN and the handshake unusable. */
  #step = 0;

  constructor(options: HandshakeOptions) {
    this.#role = options.role;
    this.#static = importPrivateKey(options.staticPrivateKey);
    this.#peerStatic = importPublicKey(options.peerPublicKey);
    const ephemeral = options.ephemeral ?? generateX25519();
    this.#ephemeral = importPrivateKey(ephemeral.privateKey);
    this.#ephemeralPublic = ephemeral.publicKey;
    if (options.ephemeral === undefined) ephemeral.privateKey.fill(0);

    const name = Buffer.alloc(32);
    name.write(protocolName, "ascii");
    this.#hash = name;
    this.#chainingKey = Buffer.from(name);
    this.#mixHash(options.prologue);
    const own = publicKeyOf(options.staticPrivateKey);
    const initiator = this.#role === "initiator";
    this.#mixHash(initiator ? own : options.peerPublicKey);
    this.#mixHash(initiator ? options.peerPublicKey : own);
  }

  /** This side's handshake message: 48 bytes and the payload. */
  writeMessage(payload: Uint8Array = new Uint8Array(0)): Uint8Array {
    this.#begin(this.#role === "initiator" ? 0 : 1);
    this.#mixHash(this.#ephemeralPublic);
    if (this.#role === "initiator") {
      this.#mixKey(agree(this.#ephemeral, this.#peerStatic)); // es
      this.#mixKey(agree(this.#static, this.#peerStatic)); // ss
    } else {
      this.#mixKey(agree(this.#ephemeral, this.#peerEphemeral!)); // ee
      this.#mixKey(agree(this.#ephemeral, this.#peerStatic)); // se
    }
    const message = Buffer.concat([this.#ephemeralPublic, this.#encryptAndHash(payload)]);
    this.#step = this.#role === "initiator" ? 1 : 2;
    return message;
  }

  /**
   * Takes the peer's message and returns its payload.
   * @throws CHANNEL_AUTH when the peer does not hold the pinned key, or the two sides differ in the prologue.
   */
  readMessage(message: Uint8Array): Uint8Array {
    this.#begin(this.#role === "initiator" ? 1 : 0);
    if (message.byteLength < handshakeMessageBytes) throw handshakeFailed();
    const peerEphemeral = message.subarray(0, x25519KeyBytes);
    this.#peerEphemeral = importPublicKey(peerEphemeral);
    this.#mixHash(peerEphemeral);
    if (this.#role === "initiator") {
      this.#mixKey(agree(this.#ephemeral, this.#peerEphemeral)); // ee
      this.#mixKey(agree(this.#static, this.#peerEphemeral)); // se
    } else {
      this.#mixKey(agree(this.#static, this.#peerEphemeral)); // es
      this.#mixKey(agree(this.#static, this.#peerStatic)); // ss
    }
    const payload = this.#decryptAndHash(message.subarray(x25519KeyBytes));
    this.#step = this.#role === "initiator" ? 2 : 1;
    return payload;
  }

  /** What the handshake is for. Once only: the chaining key is erased. */
  secrets(): HandshakeSecrets {
    this.#begin(2);
    const [first, second] = hkdf(this.#chainingKey, Buffer.alloc(0));
    const [pairSecret] = hkdf(this.#chainingKey, Buffer.concat([pairSecretLabel, this.#hash]));
    this.#chainingKey.fill(0);
    this.#key?.fill(0);
    const initiator = this.#role === "initiator";
    return {
      sendKey: initiator ? first : second,
      receiveKey: initiator ? second : first,
      pairSecret,
      handshakeHash: this.#hash,
    };
  }

  #begin(step: number): void {
    const ready = this.#step === step;
    this.#step = Number.NaN;
    if (!ready) throw new SymbolonError("INTERNAL", "handshake steps out of order");
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = createHash("sha256").update(this.#hash).update(data).digest();
  }

  #mixKey(secret: Buffer): void {
    const [chainingKey, key] = hkdf(this.#chainingKey, secret);
    secret.fill(0);
    this.#chainingKey.fill(0);
    this.#chainingKey = chainingKey;
    this.#key?.fill(0);
    this.#key = key;
    this.#counter = 0;
  }

  #encryptAndHash(plaintext: Uint8Array): Buffer {
    const cipher = createCipheriv("aes-256-gcm", this.#key!, noiseNonce(this.#counter++)).setAAD(this.#hash);
    const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    this.#mixHash(ciphertext);
    return ciphertext;
  }

  #decryptAndHash(ciphertext: Uint8Array): Buffer {
    const split = ciphertext.byteLength - tagBytes;
    const decipher = createDecipheriv("aes-256-gcm", this.#key!, noiseNonce(this.#counter++));
    decipher.setAAD(this.#hash).setAuthTag(ciphertext.subarray(split));
    try {
      const plaintext = Buffer.concat([decipher.update(ciphertext.subarray(0, split)), decipher.final()]);
      this.#mixHash(ciphertext);
      return plaintext;
    } catch {
      throw handshakeFailed();
    }
  }
}

/** Noise's nonce for AES-GCM: 32 zero bits and the counter, big-endian. */
function noiseNonce(counter: number): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(counter, 6, 6);
  return nonce;
}

/** Noise's HKDF with two outputs. */
function hkdf(chainingKey: Uint8Array, input: Uint8Array): [Buffer, Buffer] {
  const mac = (key: Uint8Array, ...data: Uint8Array[]) => {
    const hmac = createHmac("sha256", key);
    for (const part of data) hmac.update(part);
    return hmac.digest();
  };
  const temporary = mac(chainingKey, input);
  const first = mac(temporary, Uint8Array.of(1));
  const second = mac(temporary, first, Uint8Array.of(2));
  temporary.fill(0);
  return [first, second];
}

function handshakeFailed(): SymbolonError {
  return new SymbolonError(
    "CHANNEL_AUTH",
    "the peer does not hold its registered channel key, or is in another attempt",
  );
}
