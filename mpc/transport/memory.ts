/**
 * Three parties in one process, for tests and the in-memory session: the same rules, errors and deadlines as
 * over the network, frames copied and delivered in order in a later turn of the event loop. Nothing is
 * encrypted, so a tap sees, and may change, what a corrupt party could send.
 */
import type { ErrorCode } from "../errors.ts";
import { randomBytes } from "../random.ts";
import type { AttemptChannels } from "./attempt.ts";
import {
  type Link,
  LinkedTransport,
  type LinkedTransportOptions,
  type LinkObserver,
} from "./linked-transport.ts";
import { type PartyIndex, partyIndices, type Transport } from "./transport.ts";

export interface MemoryFrame {
  operation: number;
  bytes: Uint8Array;
}

/**
 * Sees each frame before it is delivered. Returning nothing delivers it (with any changes made in place);
 * returning frames delivers those in its stead: none to drop it, two to repeat it, others to replace it.
 */
export type MemoryTap = (
  from: PartyIndex,
  to: PartyIndex,
  operation: number,
  bytes: Uint8Array,
) => readonly MemoryFrame[] | undefined;

export interface MemoryOptions extends LinkedTransportOptions {
  tap?: MemoryTap;
  /** One-way latency. */
  delayMs?: number;
}

type Delivery = (observer: LinkObserver) => void;

class MemoryLink implements Link {
  /** The same link as the peer sees it. */
  opposite: MemoryLink | undefined;
  readonly #tap: (operation: number, bytes: Uint8Array) => readonly MemoryFrame[] | undefined;
  readonly #delayMs: number;
  #observer: LinkObserver | undefined;
  #closed = false;

  constructor(from: PartyIndex, to: PartyIndex, options: MemoryOptions) {
    this.#tap = (operation, bytes) => options.tap?.(from, to, operation, bytes);
    this.#delayMs = options.delayMs ?? 0;
  }

  observe(observer: LinkObserver): void {
    this.#observer = observer;
  }

  send(operation: number, parts: readonly Uint8Array[]): void {
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.byteLength;
    }
    for (const frame of this.#tap(operation, bytes) ?? [{ operation, bytes }]) {
      // As over a network: the payload lies at an odd place in a larger buffer.
      const carrier = Buffer.alloc(frame.bytes.length + 3, 0xff);
      carrier.set(frame.bytes, 3);
      this.#deliver((observer) => observer.onFrame(frame.operation, carrier.subarray(3)));
    }
  }

  close(code?: ErrorCode): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deliver((observer) => (code === undefined ? observer.onEnd() : observer.onAbort(code)));
  }

  // Everything is in memory already: holding it back would not free any.
  pause(): void {}
  resume(): void {}
  recycle(): void {}

  #deliver(delivery: Delivery): void {
    const arrive = () => {
      const peer = this.opposite!;
      if (!peer.#closed) delivery(peer.#observer!);
    };
    // Timers of one duration, and immediates, fire in the order in which they were set.
    if (this.#delayMs > 0) setTimeout(arrive, this.#delayMs);
    else setImmediate(arrive);
  }
}

/**
 * Three connected transports with fresh pair secrets, for parties 1, 2 and 3 in this order.
 * @throws nothing; each transport's own errors are those of `Transport`.
 */
export function createMemoryChannels(
  options: MemoryOptions = {},
): [AttemptChannels, AttemptChannels, AttemptChannels] {
  const parties = partyIndices.map((partyIndex) => ({
    transport: new LinkedTransport(
      partyIndex,
      partyIndices.filter((peer) => peer !== partyIndex),
      options,
    ),
    pairSecrets: new Map<PartyIndex, Uint8Array>(),
  }));
  for (const [i, a] of parties.entries()) {
    for (const [j, b] of parties.entries()) {
      if (j <= i) continue;
      const [indexOfA, indexOfB] = [partyIndices[i]!, partyIndices[j]!];
      const secret = randomBytes(32);
      a.pairSecrets.set(indexOfB, secret);
      b.pairSecrets.set(indexOfA, Buffer.from(secret));
      const linkOfA = new MemoryLink(indexOfA, indexOfB, options);
      const linkOfB = new MemoryLink(indexOfB, indexOfA, options);
      linkOfA.opposite = linkOfB;
      linkOfB.opposite = linkOfA;
      a.transport.attach(indexOfB, linkOfA);
      b.transport.attach(indexOfA, linkOfB);
    }
  }
  return parties as unknown as [AttemptChannels, AttemptChannels, AttemptChannels];
}

/** `createMemoryChannels` without the pair secrets. */
export function createMemoryTransports(options: MemoryOptions = {}): [Transport, Transport, Transport] {
  const [one, two, three] = createMemoryChannels(options);
  return [one.transport, two.transport, three.transport];
}
