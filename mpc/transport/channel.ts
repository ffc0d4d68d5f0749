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
 * Costs: a short frame is gathered and is one write; a long one is encrypted piece by piece, and the peer
 * decrypts its beginning while the rest is still being encrypted. It is decrypted as it arrives, into buffers
 * that are used again. No plaintext is handed on before the whole frame is authentic. A header that lies about
 * its length reserves address space only: memory is touched as bytes arrive.
 */
import type { DecipherGCM } from "node:crypto";
import { type ErrorCode, SymbolonError } from "../errors.ts";
import { type Connection, release } from "./connection.ts";
import type { DelayLine } from "./delay-line.ts";
import { contextBytes, FrameCipher, headerBytes, tagBytes } from "./frame-cipher.ts";
import type { HandshakeSecrets } from "./handshake.ts";
import { defaultMaxFrameBytes, type Link, type LinkObserver } from "./linked-transport.ts";
import type { PartyIndex } from "./transport.ts";

const kindData = 0;
const kindEnd = 1;
const kindAbort = 2;
const kindConfirm = 3;
/** An abort carries an error code in ASCII. */
const maxAbortBytes = 64;

/** Frames up to this size are gathered before they are encrypted. */
const smallFrameBytes = 64 * 1024;
/** Longer parts are encrypted in pieces of this size, each a fresh buffer of node:crypto's. */
const cipherPieceBytes = 64 * 1024;
/** Received plaintext buffers that are kept for reuse. */
const keptBuffers = 2;
const keptBufferBytes = 64 * 2 ** 20;
/** How long an aborted, and an orderly ended, connection may take to flush and close. */
const abortLingerMs = 1_000;
const endLingerMs = 30_000;

export interface ChannelOptions {
  connection: Connection;
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
  readonly #connection: Connection;
  readonly #peer: PartyIndex;
  readonly #outgoing: FrameCipher;
  readonly #incoming: FrameCipher;
  readonly #maxFrameBytes: number;
  readonly #maxQueuedBytes: number;
  readonly #delayLine: DelayLine | undefined;
  readonly #free: Buffer[] = [];
  /** Short frames of several parts are put together here. */
  readonly #plain = Buffer.allocUnsafeSlow(smallFrameBytes);
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
    const { connection, secrets, contextId, partyIndex, peer } = options;
    if (contextId.byteLength !== contextBytes)
      throw new SymbolonError("INTERNAL", "a context id has 32 bytes");
    this.#connection = connection;
    this.#peer = peer;
    this.#outgoing = new FrameCipher(secrets.sendKey, contextId, partyIndex, peer);
    this.#incoming = new FrameCipher(secrets.receiveKey, contextId, peer, partyIndex);
    this.#maxFrameBytes = options.maxFrameBytes ?? defaultMaxFrameBytes;
    this.#maxQueuedBytes = options.maxQueuedBytes ?? 4 * this.#maxFrameBytes;
    this.#delayLine = options.delayLine;
    connection.onLost = () => this.#lost();
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
    if (this.#connection.lost) this.#lost();
    else if (this.#onConfirm === undefined) this.#listen();
  }

  send(operation: number, parts: readonly Uint8Array[]): void {
    if (this.#closed) return;
    this.#write(kindData, operation, parts);
    const { queuedBytes } = this.#connection;
    if (queuedBytes > this.#maxQueuedBytes) {
      const text = `party ${this.#peer} does not read: ${queuedBytes} bytes wait to be sent`;
      this.#fail(new SymbolonError("LIMIT_EXCEEDED", text));
    }
  }

  close(code?: ErrorCode): void {
    if (this.#closed) return;
    this.#closed = true;
    if (code === undefined) this.#write(kindEnd, 0, []);
    else this.#write(kindAbort, 0, [Buffer.from(code, "ascii")]);
    this.#connection.end(code === undefined ? endLingerMs : abortLingerMs);
  }

  /** Closes without a word, for a peer that is not known to be one. */
  destroy(): void {
    this.#closed = true;
    this.#connection.destroy();
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  recycle(payload: Uint8Array): void {
    const { buffer } = payload;
    if (payload.byteLength <= smallFrameBytes || buffer.byteLength > keptBufferBytes) return;
    if (payload.byteOffset === 0 && this.#free.length < keptBuffers)
      this.#free.push(Buffer.from(buffer as ArrayBuffer));
  }

  #write(kind: number, operation: number, parts: readonly Uint8Array[]): void {
    const connection = this.#connection;
    let length = 0;
    for (const part of parts) length += part.byteLength;
    const { header } = this.#outgoing;
    header.writeUInt32BE(length + tagBytes, 0);
    header[4] = kind;
    header[5] = 0;
    header.writeUIntBE(operation, 6, 6);
    const cipher = this.#outgoing.nextCipher();
    connection.write(header);
    if (length > smallFrameBytes) {
      for (const part of parts) {
        for (let at = 0; at < part.byteLength; at += cipherPieceBytes) {
          const piece = cipher.update(part.subarray(at, at + cipherPieceBytes));
          connection.write(piece);
          release(piece);
        }
      }
    } else if (length > 0) connection.write(cipher.update(this.#gather(parts, length)));
    cipher.final();
    connection.write(cipher.getAuthTag());
    connection.flush();
  }

  #gather(parts: readonly Uint8Array[], length: number): Uint8Array {
    if (parts.length === 1) return parts[0]!;
    let at = 0;
    for (const part of parts) {
      this.#plain.set(part, at);
      at += part.byteLength;
    }
    return this.#plain.subarray(0, length);
  }

  readonly #receive = (chunk: Buffer): void => {
    try {
      let at = 0;
      while (at < chunk.length && !this.#closed && !this.#broken) at = this.#advance(chunk, at);
    } catch (error) {
      this.#fail(error as SymbolonError);
    }
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
      release(plain);
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
    this.#connection.read(this.#receive);
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

function misbehaved(peer: PartyIndex, what: string): SymbolonError {
  return new SymbolonError("PEER_MISBEHAVED", `party ${peer} ${what}`);
}
