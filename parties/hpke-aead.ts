/**
 * AES-256-GCM for HPKE through node:crypto. The library's own goes through WebCrypto, which copies each chunk
 * twice into fresh memory, and to another thread and back: more work than the cipher itself.
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { type AeadEncryptionContext, AeadId, type AeadInterface } from "@hpke/core";
import { ownsMemory, release } from "./release.ts";

const algorithm = "aes-256-gcm";
const tagSize = 16;

type Bytes = ArrayBufferLike | ArrayBufferView;

export class NodeAes256Gcm implements AeadInterface {
  readonly id = AeadId.Aes256Gcm;
  readonly keySize = 32;
  readonly nonceSize = 12;
  readonly tagSize = tagSize;

  createEncryptionContext(key: Bytes): AeadEncryptionContext {
    // A key as bytes would be made into an object again for every chunk.
    return new Context(createSecretKey(view(key)));
  }
}

class Context implements AeadEncryptionContext {
  readonly #key: KeyObject;

  constructor(key: KeyObject) {
    this.#key = key;
  }

  async seal(nonce: Bytes, data: Bytes, associated: Bytes): Promise<ArrayBuffer> {
    const plaintext = view(data);
    const cipher = createCipheriv(algorithm, this.#key, view(nonce)).setAAD(view(associated));
    // A buffer of its own, not cleared: all of it is written.
    const sealed = Buffer.allocUnsafeSlow(plaintext.length + tagSize);
    const ciphertext = cipher.update(plaintext);
    sealed.set(ciphertext);
    release(ciphertext);
    cipher.final();
    sealed.set(cipher.getAuthTag(), plaintext.length);
    return sealed.buffer;
  }

  /** @throws Error unless all of it is authentic */
  async open(nonce: Bytes, data: Bytes, associated: Bytes): Promise<ArrayBuffer> {
    const sealed = view(data);
    if (sealed.length < tagSize) throw new Error("too short");
    const length = sealed.length - tagSize;
    const decipher = createDecipheriv(algorithm, this.#key, view(nonce), { authTagLength: tagSize });
    decipher.setAAD(view(associated)).setAuthTag(sealed.subarray(length));
    const deciphered = decipher.update(sealed.subarray(0, length));
    try {
      decipher.final();
    } catch (error) {
      deciphered.fill(0);
      throw error;
    }
    if (ownsMemory(deciphered)) return deciphered.buffer as ArrayBuffer;
    const plaintext = new Uint8Array(deciphered);
    deciphered.fill(0);
    return plaintext.buffer;
  }
}

function view(bytes: Bytes): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}
