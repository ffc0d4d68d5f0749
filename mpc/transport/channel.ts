/**
 * The encrypted channel between two parties: frames over one TCP connection, after the handshake.
 *
 *     byte  0..3   length of what follows the header: ciphertext and 16-byte tag
 *     byte  4      kind: 0 data, 1 end, 2 abort, 3 confirm
 *     byte  5      0
 *     byte  6..11  operation
 *     then         AES-256-GCM ciphertext, tag
 *
 * The header is in clear and authenticated: the associated data are the attempt's context, from, to, the
 * header and the frame's sequence number. The sequence number is not sent. Both sides count, so a frame that
 * is repeated, left out or moved fails authentication, and no nonce is used twice under a key that lives for
 * one direction of one attempt.
 *
 * Costs: a frame is encrypted part by part without being gathered first, except that short ones go through
 * one kept buffer to be a single write; it is decrypted as it arrives, into buffers that are used again. No
 * plaintext is handed on before the whole frame is authentic. A header that lies about its length reserves
 * address space only: memory is touched as bytes arrive.
 */

import type { DecipherGCM } from "node:crypto";
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import type { Socket } from "node:net";
import { type ErrorCode, SymbolonError } from "../errors.ts";
import type { DelayLine } from "./delay-line.ts";
import type { HandshakeSecrets } from "./handshake.ts";
import { defaultMaxFrameBytes, type Link, type LinkObserver } from "./linked-transport.ts";
import type { PartyIndex } from "./transport.ts";

export const headerBytes = 12;
export const tagBytes = 16;
const contextBytes = 32;

const kindData = 0;
const kindEnd = 1;
const kindAbort = 2;
const kindConfirm = 3;
/** An abort carries an error code in ASCII. */
const maxAbortBytes = 64;

/** Frames up to this size are gathered, and sent by one write. */
const smallFrameBytes = 64 * 1024;
/** Larger parts are encrypted in pieces of this size: each piece is a fresh buffer of node:crypto's. */
const cipherChunkBytes = 256 * 1024;
/** See `free`. */
const freeFromBytes = 16 * 1024;
/** Received plaintext buffers that are kept for reuse. */
const keptBuffers = 2;
const keptBufferBytes = 64 * 2 ** 20;
/** How long an aborted, and an orderly ended, connection may take to flush and close. */
const abortLingerMs = 1_000;
const endLingerMs = 30_000;

export interface ChannelOptions {
  socket: Socket;
  secrets: Pick<HandshakeSecrets, "sendKey" | "receiveKey">;
  /** 32 bytes that name the attempt. */
  contextId: Uint8Array;
  partyIndex: PartyIndex;
  peer: PartyIndex;
  /** The initiator's first frame proves that its handshake was not a replay; the responder waits for it. */
  role: "initiator" | "responder";
  /** Largest payload, either way. */
  maxFrameBytes?: number;
  /** What may wait to be sent before the channel gives up on a peer that does not read. */
  maxQueuedBytes?: number;
  /** Emulated latency of what is received, for benchmarks. */
  delayLine?: DelayLine;
}

/** One direction: its key, its counter, and the associated data and nonce that the counter goes into. */
class Direction {
  readonly key: KeyObject;
  readonly header: Buffer;
  readonly #associated = Buffer.alloc(contextBytes + 2 + headerBytes + 8);
  readonly #nonce = Buffer.alloc(12);
  #sequence = 0;

  constructor(key: Uint8Array, contextId: Uint8Array, from: PartyIndex, to: PartyIndex) {
    // A KeyObject: with raw bytes each cipher costs 15 us instead of 4.
    this.key = createSecretKey(key);
    key.fill(0);
    this.#associated.set(contextId, 0);
    this.#associated[contextBytes] = from;
    this.#associated[contextBytes + 1] = to;
    this.header = this.#associated.subarray(contextBytes + 2, contextBytes + 2 + headerBytes);
  }

  /** The frame's number within this direction so far. */
  get sequence(): number {
    return this.#sequence;
  }

  nextCipher() {
    const nonce = this.#advance();
    return createCipheriv("aes-256-gcm", this.key, nonce).setAAD(this.#associated);
  }

  nextDecipher(): DecipherGCM {
    const nonce = this.#advance();
    const options = { authTagLength: tagBytes };
    return createDecipheriv("aes-256-gcm", this.key, nonce, options).setAAD(this.#associated);
  }

  #advance(): Buffer {
    const sequence = this.#sequence++;
    if (!Number.isSafeInteger(sequence)) throw new SymbolonError("LIMIT_EXCEEDED", "too many frames");
    const high = Math.floor(sequence / 2 ** 32);
    const low = sequence >>> 0;
    this.#nonce.writeUInt32BE(high, 4);
    this.#nonce.writeUInt32BE(low, 8);
    const at = this.#associated.length - 8;
    this.#associated.writeUInt32BE(high, at);
    this.#associated.writeUInt32BE(low, at + 4);
    return this.#nonce;
  }
}

/** The frame that is being received. */
interface Arrival {
  kind: number;
  operation: number;
  decipher: DecipherGCM;
  payload: Buffer;
  payloadFill: number;
  tag: Buffer;
  tagFill: number;
}

export class Channel implements Link {
  readonly #socket: Socket;
  readonly #peer: PartyIndex;
  readonly #outgoing: Direction;
  readonly #incoming: Direction;
  readonly #maxFrameBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #delayLine: DelayLine | undefined;
  readonly #free: Buffer[] = [];
  /** Short frames are put together in these. */
  readonly #plain = Buffer.allocUnsafeSlow(smallFrameBytes);
  #wire = Buffer.allocUnsafeSlow(headerBytes + smallFrameBytes + tagBytes);
  #headerFill = 0;
  #arrival: Arrival | undefined;
  #observer: LinkObserver | undefined;
  /** What happened between the handshake and `observe`. */
  readonly #early: ((observer: LinkObserver) => void)[] = [];
  #onConfirm: (() => void) | undefined;
  #confirmed: boolean;
  /** The peer said that nothing follows. */
  #ended = false;
  /** Nothing that arrives counts any more. */
  #broken = false;
  #closed = false;

  constructor(options: ChannelOptions) {
    const { socket, secrets, contextId, partyIndex, peer } = options;
    if (contextId.byteLength !== contextBytes)
      throw new SymbolonError("INTERNAL", "a context id has 32 bytes");
    this.#socket = socket;
    this.#peer = peer;
    this.#outgoing = new Direction(secrets.sendKey, contextId, partyIndex, peer);
    this.#incoming = new Direction(secrets.receiveKey, contextId, peer, partyIndex);
    this.#maxFrameBytes = options.maxFrameBytes ?? defaultMaxFrameBytes;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? 4 * this.#maxFrameBytes;
    this.#delayLine = options.delayLine;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("error", () => this.#lost());
    socket.on("close", () => this.#lost());
    socket.on("end", () => this.#lost());
    this.#confirmed = options.role === "initiator";
    if (this.#confirmed) this.#write(kindConfirm, 0, []);
  }

  /** Responder: waits for the frame that proves the peer to be there. Before `observe`. */
  awaitConfirmation(confirmed: () => void): void {
    this.#onConfirm = confirmed;
    this.#listen();
  }

  observe(observer: LinkObserver): void {
    this.#observer = observer;
    for (const event of this.#early.splice(0)) event(observer);
    if (this.#socket.destroyed) this.#lost();
    else if (this.#onConfirm === undefined) this.#listen();
  }

  send(operation: number, parts: readonly Uint8Array[]): void {
    if (this.#closed) return;
    this.#write(kindData, operation, parts);
    if (this.#socket.writableLength > this.#maxQueuedBytes) {
      const text = `party ${this.#peer} does not read: ${this.#socket.writableLength} bytes wait to be sent`;
      this.#fail(new SymbolonError("LIMIT_EXCEEDED", text));
    }
  }

  close(code?: ErrorCode): void {
    if (this.#closed) return;
    this.#closed = true;
    const socket = this.#socket;
    socket.off("data", this.#receive);
    if (socket.destroyed) return;
    if (code === undefined) this.#write(kindEnd, 0, []);
    else this.#write(kindAbort, 0, [Buffer.from(code, "ascii")]);
    socket.end();
    // What still comes is thrown away, rather than left unread: closing on unread bytes resets the
    // connection, and the peer might then not read why.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), code === undefined ? endLingerMs : abortLingerMs);
    timer.unref();
    socket.once("close", () => clearTimeout(timer));
  }

  /** Closes without a word, for a peer that is not known to be one. */
  destroy(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  recycle(payload: Uint8Array): void {
    const { buffer } = payload;
    if (payload.byteLength <= smallFrameBytes || buffer.byteLength > keptBufferBytes) return;
    if (payload.byteOffset === 0 && this.#free.length < keptBuffers)
      this.#free.push(Buffer.from(buffer as ArrayBuffer));
  }

  #write(kind: number, operation: number, parts: readonly Uint8Array[]): void {
    const socket = this.#socket;
    let length = 0;
    for (const part of parts) length += part.byteLength;
    const { header } = this.#outgoing;
    header.writeUInt32BE(length + tagBytes, 0);
    header[4] = kind;
    header[5] = 0;
    header.writeUIntBE(operation, 6, 6);
    const cipher = this.#outgoing.nextCipher();

    if (length <= smallFrameBytes) {
      let at = 0;
      for (const part of parts) {
        this.#plain.set(part, at);
        at += part.byteLength;
      }
      const wire = this.#wire;
      wire.set(header, 0);
      wire.set(cipher.update(this.#plain.subarray(0, length)), headerBytes);
      cipher.final();
      wire.set(cipher.getAuthTag(), headerBytes + length);
      socket.write(wire.subarray(0, headerBytes + length + tagBytes));
      // Node hands a write to the kernel at once if it can. If not, the buffer is still being read.
      if (socket.writableLength > 0) this.#wire = Buffer.allocUnsafeSlow(wire.length);
      return;
    }
    socket.cork();
    socket.write(Buffer.from(header));
    for (const part of parts) {
      for (let at = 0; at < part.byteLength; at += cipherChunkBytes) {
        const piece = cipher.update(part.subarray(at, at + cipherChunkBytes));
        socket.write(piece, (error) => {
          if (!error) free(piece);
        });
      }
    }
    cipher.final();
    socket.write(cipher.getAuthTag());
    socket.uncork();
  }

  readonly #receive = (chunk: Buffer): void => {
    try {
      let at = 0;
      while (at < chunk.length && !this.#closed && !this.#broken) at = this.#advance(chunk, at);
    } catch (error) {
      this.#fail(error as SymbolonError);
    }
    free(chunk);
  };

  /** Takes some of `chunk` from `at` on; returns how far. */
  #advance(chunk: Buffer, at: number): number {
    const arrival = this.#arrival;
    if (arrival === undefined) {
      const taken = Math.min(headerBytes - this.#headerFill, chunk.length - at);
      this.#incoming.header.set(chunk.subarray(at, at + taken), this.#headerFill);
      this.#headerFill += taken;
      if (this.#headerFill < headerBytes) return at + taken;
      this.#headerFill = 0;
      return this.#begin(chunk, at + taken);
    }
    const { payload, tag } = arrival;
    const wanted = payload.length - arrival.payloadFill;
    if (wanted > 0) {
      const taken = Math.min(wanted, chunk.length - at);
      const plain = arrival.decipher.update(chunk.subarray(at, at + taken));
      payload.set(plain, arrival.payloadFill);
      free(plain);
      arrival.payloadFill += taken;
      return at + taken;
    }
    const taken = Math.min(tagBytes - arrival.tagFill, chunk.length - at);
    tag.set(chunk.subarray(at, at + taken), arrival.tagFill);
    arrival.tagFill += taken;
    if (arrival.tagFill === tagBytes) {
      this.#arrival = undefined;
      this.#authenticate(arrival.decipher, tag);
      this.#deliver(arrival.kind, arrival.operation, payload);
    }
    return at + taken;
  }

  /** A header is there: checks what it says, and takes the frame whole if the chunk holds all of it. */
  #begin(chunk: Buffer, at: number): number {
    const { header } = this.#incoming;
    const length = header.readUInt32BE(0) - tagBytes;
    const kind = header[4]!;
    const operation = header.readUIntBE(6, 6);
    if (!this.#confirmed && (kind !== kindConfirm || length !== 0)) {
      throw misbehaved(this.#peer, "did not confirm the handshake");
    }
    const limit = kind === kindData ? this.#maxFrameBytes : kind === kindAbort ? maxAbortBytes : 0;
    if (length < 0 || length > limit) {
      throw misbehaved(
        this.#peer,
        `announced a frame of ${length} bytes of kind ${kind}; at most ${limit} bytes`,
      );
    }
    if (kind > kindConfirm || header[5] !== 0) throw misbehaved(this.#peer, "sent a header of unknown form");
    const decipher = this.#incoming.nextDecipher();
    const end = at + length + tagBytes;
    if (end <= chunk.length && length <= smallFrameBytes) {
      const payload = decipher.update(chunk.subarray(at, at + length));
      this.#authenticate(decipher, chunk.subarray(at + length, end));
      this.#deliver(kind, operation, payload);
      return end;
    }
    const payload = this.#buffer(length);
    this.#arrival = {
      kind,
      operation,
      decipher,
      payload,
      payloadFill: 0,
      tag: Buffer.allocUnsafe(tagBytes),
      tagFill: 0,
    };
    return at;
  }

  #authenticate(decipher: DecipherGCM, tag: Buffer): void {
    try {
      decipher.setAuthTag(tag).final();
    } catch {
      const number = this.#incoming.sequence - 1;
      throw new SymbolonError("CHANNEL_AUTH", `frame ${number} from party ${this.#peer} is not authentic`);
    }
  }

  #deliver(kind: number, operation: number, payload: Buffer): void {
    if (kind === kindConfirm) {
      if (this.#confirmed) throw misbehaved(this.#peer, "confirmed the handshake twice");
      this.#confirmed = true;
      this.#onConfirm?.();
      return;
    }
    if (this.#ended) throw misbehaved(this.#peer, "sent a frame after its last");
    if (kind === kindData) this.#tell((observer) => observer.onFrame(operation, payload));
    else if (kind === kindEnd) {
      this.#ended = true;
      this.#tell((observer) => observer.onEnd());
    } else {
      const code = payload.toString("ascii");
      this.#ended = true;
      this.#tell((observer) => observer.onAbort(code));
    }
  }

  #listen(): void {
    this.#socket.on("data", this.#receive);
    // The handshake left it paused.
    this.#socket.resume();
  }

  #tell(event: (observer: LinkObserver) => void): void {
    const happen = () => {
      if (this.#closed) return;
      if (this.#observer === undefined) this.#early.push(event);
      else event(this.#observer);
    };
    if (this.#delayLine === undefined) happen();
    else this.#delayLine.push(happen);
  }

  #lost(): void {
    if (this.#ended) return;
    this.#fail(new SymbolonError("PEER_LOST", `party ${this.#peer} closed its connection`));
  }

  #fail(error: SymbolonError): void {
    if (this.#closed || this.#broken) return;
    this.#broken = true;
    // Who has not proved to be the peer is nobody's concern.
    if (this.#confirmed) this.#tell((observer) => observer.onFailure(error));
    else this.destroy();
  }

  #buffer(length: number): Buffer {
    const fit = this.#free.findIndex((free) => free.length >= length);
    if (fit >= 0) return this.#free.splice(fit, 1)[0]!.subarray(0, length);
    if (this.#free.length >= keptBuffers) this.#free.shift();
    return Buffer.allocUnsafeSlow(length);
  }
}

/**
 * Gives the memory of a large buffer back now. node:crypto and the socket make a fresh one for each call;
 * left to the collector, they brought a full collection every 64 MB, a third of the time of a 100 KB round.
 * Short buffers may be slices of Node's pool, which must not be touched.
 */
function free(buffer: Buffer): void {
  const memory = buffer.buffer;
  if (buffer.length >= freeFromBytes && memory.byteLength === buffer.length)
    (memory as ArrayBuffer).transfer(0);
}

function misbehaved(peer: PartyIndex, what: string): SymbolonError {
  return new SymbolonError("PEER_MISBEHAVED", `party ${peer} ${what}`);
}
