/**
 * The rules of `Transport`, whatever carries the frames: order, expected operation and length, deadlines,
 * and that one broken link ends the attempt toward every peer. The carriers (`memory.ts`, `channel.ts`) are
 * `Link`s; they know nothing of operations that are expected.
 */
import { type ErrorCode, errorCodes, SymbolonError, toSymbolonError } from "../errors.ts";
import type { PartyIndex, Transport, TransportStats } from "./transport.ts";

/** Operation numbers are whole and below this: they travel in six bytes. */
export const operationLimit = 2 ** 48;

export const defaultIdleTimeoutMs = 30_000;
export const defaultMaxFrameBytes = 256 * 2 ** 20;
/** Frames that arrived before anyone asked for them may hold this much before the peer is made to wait. */
const inboxPauseBytes = 64 * 2 ** 20;

/** A one-to-one carrier of frames to one peer. It delivers in order, or reports a failure. */
export interface Link {
  /** Takes the frame; the parts may be overwritten when this returns. */
  send(operation: number, parts: readonly Uint8Array[]): void;
  /** Tells the peer that the attempt is over (with an error's code, or in good order), flushes and closes. */
  close(code?: ErrorCode): void;
  /** Names who is told of what arrives. Called once, before anything can arrive. */
  observe(observer: LinkObserver): void;
  /** Stops and restarts the reading of further frames. */
  pause(): void;
  resume(): void;
  /** The payload of a frame is no longer looked at; its buffer may be used again. */
  recycle(payload: Uint8Array): void;
}

export interface LinkObserver {
  onFrame(operation: number, payload: Uint8Array): void;
  /** The peer closed in good order: nothing follows. */
  onEnd(): void;
  /** The peer ended the attempt with this code. */
  onAbort(code: string): void;
  /** The link broke. */
  onFailure(error: SymbolonError): void;
}

interface Waiter {
  operation: number;
  byteLength: number;
  timeoutMs: number;
  /** On the clock of `performance.now()`. */
  deadline: number;
  resolve(payload: Uint8Array): void;
  reject(error: Error): void;
}

interface Inbox {
  link: Link | undefined;
  frames: { operation: number; payload: Uint8Array }[];
  queuedBytes: number;
  paused: boolean;
  ended: boolean;
  lent: Uint8Array | undefined;
  waiter: Waiter | undefined;
}

export interface LinkedTransportOptions {
  /** Deadline of each `receive`. */
  idleTimeoutMs?: number;
  /** Largest payload that is sent. */
  maxFrameBytes?: number;
}

export class LinkedTransport implements Transport {
  readonly partyIndex: PartyIndex;
  /** Bytes are those of payloads: the same number for every carrier, comparable with declared costs. */
  readonly stats: TransportStats = { framesSent: 0, bytesSent: 0, bytesReceived: 0, waitingMs: 0 };
  /** Called once, with the error that ended the attempt. Not called by an orderly `close()`. */
  onFailure: ((error: SymbolonError) => void) | undefined;

  readonly #inboxes = new Map<PartyIndex, Inbox>();
  readonly #idleTimeoutMs: number;
  readonly #maxFrameBytes: number;
  #error: Error | undefined;
  #waiting = 0;
  #waitingSince = 0;
  /** One for all waits: it is set when it is not, and set again for the earliest deadline when it fires. */
  #timer: NodeJS.Timeout | undefined;
  #timerDue = 0;

  constructor(partyIndex: PartyIndex, peers: readonly PartyIndex[], options: LinkedTransportOptions = {}) {
    this.partyIndex = partyIndex;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? defaultIdleTimeoutMs;
    this.#maxFrameBytes = options.maxFrameBytes ?? defaultMaxFrameBytes;
    for (const peer of peers) {
      const inbox: Inbox = {
        link: undefined,
        frames: [],
        queuedBytes: 0,
        paused: false,
        ended: false,
        lent: undefined,
        waiter: undefined,
      };
      this.#inboxes.set(peer, inbox);
    }
  }

  /** The error that ended the attempt, if it has ended. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** Gives the link to `peer`. One that comes after the end is closed at once. */
  attach(peer: PartyIndex, link: Link): void {
    const inbox = this.#inbox(peer);
    if (inbox.link !== undefined) throw new SymbolonError("INTERNAL", `party ${peer} is linked already`);
    inbox.link = link;
    link.observe({
      onFrame: (operation, payload) => this.#onFrame(peer, inbox, operation, payload),
      onEnd: () => this.#onEnd(peer, inbox),
      onAbort: (code) => this.#fail(abortError(peer, code)),
      onFailure: (error) => this.#fail(error),
    });
    if (this.#error !== undefined) link.close(toSymbolonError(this.#error).code);
  }

  send(to: PartyIndex, operation: number, parts: readonly Uint8Array[]): void {
    if (this.#error !== undefined) throw this.#error;
    const inbox = this.#inbox(to);
    if (inbox.link === undefined) throw new SymbolonError("INTERNAL", `party ${to} is not linked yet`);
    if (!Number.isInteger(operation) || operation < 0 || operation >= operationLimit) {
      throw new SymbolonError("INTERNAL", `operation number out of range`);
    }
    let byteLength = 0;
    for (const part of parts) byteLength += part.byteLength;
    if (byteLength > this.#maxFrameBytes) {
      const text = `a frame of ${byteLength} bytes for party ${to}: at most ${this.#maxFrameBytes} bytes`;
      const error = new SymbolonError("LIMIT_EXCEEDED", text, {
        hint: "send the vector in several operations",
      });
      this.#fail(error);
      throw error;
    }
    if (inbox.ended) {
      // The peer left in good order without taking this frame: it ran something else than we do.
      this.#fail(new SymbolonError("PEER_LOST", `party ${to} had left before operation ${operation}`));
      throw this.#error!;
    }
    this.stats.framesSent += 1;
    this.stats.bytesSent += byteLength;
    inbox.link.send(operation, parts);
    // The link may have found that the peer no longer takes anything.
    if (this.#error !== undefined) throw this.#error;
  }

  receive(from: PartyIndex, operation: number, byteLength: number): Promise<Uint8Array> {
    return this.receiveWithin(from, operation, byteLength, this.#idleTimeoutMs);
  }

  /** `receive` with a deadline of its own. */
  receiveWithin(
    from: PartyIndex,
    operation: number,
    byteLength: number,
    timeoutMs: number,
  ): Promise<Uint8Array> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const inbox = this.#inbox(from);
    if (inbox.waiter !== undefined) {
      this.#fail(new SymbolonError("INTERNAL", `two receives from party ${from} at once`));
      return Promise.reject(this.#error);
    }
    if (inbox.lent !== undefined) {
      inbox.link?.recycle(inbox.lent);
      inbox.lent = undefined;
    }
    const frame = inbox.frames.shift();
    if (frame !== undefined) {
      inbox.queuedBytes -= frame.payload.byteLength;
      if (inbox.paused && inbox.queuedBytes <= inboxPauseBytes) {
        inbox.paused = false;
        inbox.link!.resume();
      }
      const error = expectFrame(from, frame.operation, frame.payload, operation, byteLength);
      if (error !== undefined) {
        this.#fail(error);
        return Promise.reject(error);
      }
      inbox.lent = frame.payload;
      return Promise.resolve(frame.payload);
    }
    if (inbox.ended) {
      this.#fail(new SymbolonError("PEER_LOST", `party ${from} left before operation ${operation}`));
      return Promise.reject(this.#error);
    }
    const now = performance.now();
    // Sleeping, not polling: three parties that poll on two cores keep each other from running (a round of
    // 1.5 KB took two to four times as long).
    if (this.#waiting++ === 0) this.#waitingSince = now;
    const deadline = now + timeoutMs;
    this.#watch(deadline, now);
    return new Promise((resolve, reject) => {
      inbox.waiter = { operation, byteLength, timeoutMs, deadline, resolve, reject };
    });
  }

  close(reason?: Error): void {
    if (this.#error !== undefined) return;
    if (reason === undefined) {
      this.#shut(new SymbolonError("PEER_LOST", "this party closed its channels"), undefined);
    } else {
      const code = toSymbolonError(reason).code;
      this.#shut(reason, code);
    }
  }

  #inbox(peer: PartyIndex): Inbox {
    const inbox = this.#inboxes.get(peer);
    if (inbox === undefined) throw new SymbolonError("INTERNAL", `party ${peer} is not a peer`);
    return inbox;
  }

  #onFrame(peer: PartyIndex, inbox: Inbox, operation: number, payload: Uint8Array): void {
    if (this.#error !== undefined) return;
    this.stats.bytesReceived += payload.byteLength;
    const waiter = inbox.waiter;
    if (waiter === undefined) {
      inbox.frames.push({ operation, payload });
      inbox.queuedBytes += payload.byteLength;
      if (inbox.queuedBytes > inboxPauseBytes && !inbox.paused) {
        inbox.paused = true;
        inbox.link!.pause();
      }
      return;
    }
    const error = expectFrame(peer, operation, payload, waiter.operation, waiter.byteLength);
    if (error !== undefined) {
      this.#fail(error);
      return;
    }
    this.#settle(inbox);
    inbox.lent = payload;
    waiter.resolve(payload);
  }

  #onEnd(peer: PartyIndex, inbox: Inbox): void {
    inbox.ended = true;
    if (inbox.waiter === undefined) return;
    const text = `party ${peer} left before operation ${inbox.waiter.operation}`;
    this.#fail(new SymbolonError("PEER_LOST", text));
  }

  #settle(inbox: Inbox): void {
    inbox.waiter = undefined;
    if (--this.#waiting > 0) return;
    this.stats.waitingMs += performance.now() - this.#waitingSince;
    // What nobody waits for keeps no process alive.
    this.#timer?.unref();
  }

  /** Makes sure that somebody looks at `deadline`. A timer for each wait costs more than the wait's promise. */
  #watch(deadline: number, now: number): void {
    if (this.#timer !== undefined && this.#timerDue <= deadline) {
      this.#timer.ref();
      return;
    }
    clearTimeout(this.#timer);
    this.#timerDue = deadline;
    // When this process was busy for the whole time, the frame may have come and nobody has looked yet: the
    // event loop runs timers first, then the network, then immediates.
    this.#timer = setTimeout(() => setImmediate(this.#expire), Math.ceil(deadline - now));
  }

  readonly #expire = (): void => {
    if (this.#error !== undefined) return;
    this.#timer = undefined;
    const now = performance.now();
    let earliest = Number.POSITIVE_INFINITY;
    for (const [peer, { waiter }] of this.#inboxes) {
      if (waiter === undefined) continue;
      if (waiter.deadline <= now) {
        const { operation, timeoutMs } = waiter;
        const text = `party ${peer} sent nothing for operation ${operation} within ${timeoutMs} ms`;
        this.#fail(new SymbolonError("PEER_TIMEOUT", text));
        return;
      }
      earliest = Math.min(earliest, waiter.deadline);
    }
    if (earliest < Number.POSITIVE_INFINITY) this.#watch(earliest, now);
  };

  #fail(error: SymbolonError): void {
    if (this.#error !== undefined) return;
    this.#shut(error, error.code);
    this.onFailure?.(error);
  }

  #shut(error: Error, code: ErrorCode | undefined): void {
    this.#error = error;
    clearTimeout(this.#timer);
    for (const inbox of this.#inboxes.values()) {
      inbox.link?.close(code);
      inbox.frames.length = 0;
      const waiter = inbox.waiter;
      if (waiter === undefined) continue;
      this.#settle(inbox);
      waiter.reject(error);
    }
  }
}

function expectFrame(
  from: PartyIndex,
  operation: number,
  payload: Uint8Array,
  wantedOperation: number,
  wantedBytes: number,
): SymbolonError | undefined {
  if (operation === wantedOperation && payload.byteLength === wantedBytes) return undefined;
  return new SymbolonError(
    "PEER_MISBEHAVED",
    `party ${from} sent ${payload.byteLength} bytes for operation ${operation}, expected ${wantedBytes} bytes for operation ${wantedOperation}`,
  );
}

/**
 * A peer says why it ended the attempt. Only the codes of ended runs are taken over: it must not be able to
 * make this party report a fault of its own user.
 */
function abortError(peer: PartyIndex, said: string): SymbolonError {
  const known = Object.hasOwn(errorCodes, said);
  const code = known && errorCodes[said as ErrorCode][0] === "aborted" ? (said as ErrorCode) : "RUN_ABORTED";
  return new SymbolonError(code, `party ${peer} ended the attempt: ${known ? said : "unknown reason"}`);
}
