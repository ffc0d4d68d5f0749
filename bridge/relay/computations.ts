/**
 * The computations that the relay carries: who is in each, what waits for acknowledgement, and their end.
 */
import type { Socket } from "socket.io";
import { SymbolonError } from "../../mpc/errors.ts";
import type { JiffServer, RelayLimits, RelayLogger } from "./jiff-relay.ts";

type Party = 1 | 2 | 3;

interface Queue {
  messages: number;
  bytes: number;
}

export class Computations {
  readonly #open = new Map<string, RelayedComputation>();
  readonly #limits: RelayLimits;
  readonly #server: JiffServer;
  readonly #logger: RelayLogger;
  readonly #stillAdmitted: (id: string) => boolean;
  readonly #sweep: NodeJS.Timeout;

  constructor(
    limits: RelayLimits,
    server: JiffServer,
    logger: RelayLogger,
    stillAdmitted: (id: string) => boolean,
  ) {
    this.#stillAdmitted = stillAdmitted;
    this.#limits = limits;
    this.#server = server;
    this.#logger = logger;
    this.#countMailboxes();
    this.#sweep = setInterval(
      () => this.#endIdle(),
      Math.max(50, Math.min(limits.idleTimeoutMs / 4, 30_000)),
    );
    this.#sweep.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  get queued(): Queue {
    const sum = { messages: 0, bytes: 0 };
    for (const { queue } of this.#open.values()) {
      sum.messages += queue.messages;
      sum.bytes += queue.bytes;
    }
    return sum;
  }

  /** @throws NOT_AUTHORISED when the place is taken; LIMIT_EXCEEDED when there are too many computations. */
  join(id: string, party: Party, socket: Socket): RelayedComputation {
    let computation = this.#open.get(id);
    if (computation === undefined) {
      if (this.#open.size >= this.#limits.maxComputations) {
        throw new SymbolonError("LIMIT_EXCEEDED", "too many computations");
      }
      computation = new RelayedComputation(id, this.#limits, (reason) => this.#end(id, reason));
      this.#open.set(id, computation);
    }
    computation.join(party, socket);
    return computation;
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const id of [...this.#open.keys()]) this.#end(id, "relay closed");
  }

  #end(id: string, reason: string): void {
    const computation = this.#open.get(id);
    if (computation === undefined) return;
    this.#open.delete(id);
    const { messages, bytes } = computation.queue;
    this.#server.freeComputation(id);
    computation.closeSockets();
    this.#logger.info(
      { computation: id, reason, queuedMessages: messages, queuedBytes: bytes },
      "computation ended",
    );
  }

  #endIdle(): void {
    const before = performance.now() - this.#limits.idleTimeoutMs;
    for (const computation of [...this.#open.values()]) {
      if (computation.lastMessage >= before) continue;
      if (computation.complete && this.#stillAdmitted(computation.id)) computation.touch();
      else this.#end(computation.id, "idle");
    }
  }

  /** JIFFServer's mailboxes have no bounds: counts what goes in and out. */
  #countMailboxes(): void {
    const { hooks } = this.#server;
    const { putInMailbox, removeFromMailbox } = hooks;
    const sizes = new WeakMap<object, number>();
    hooks.putInMailbox = (jiff, label, message, id, to) => {
      const pointer = putInMailbox(jiff, label, message, id, to) as object;
      sizes.set(pointer, message.length);
      this.#open.get(id)?.count(1, message.length);
      return pointer;
    };
    hooks.removeFromMailbox = (jiff, id, party, pointer) => {
      removeFromMailbox(jiff, id, party, pointer);
      const size = sizes.get(pointer as object);
      if (size === undefined || !sizes.delete(pointer as object)) return;
      this.#open.get(id)?.count(-1, -size);
    };
  }
}

export class RelayedComputation {
  readonly id: string;
  readonly queue: Queue = { messages: 0, bytes: 0 };
  lastMessage = performance.now();
  readonly #limits: RelayLimits;
  readonly #end: (reason: string) => void;
  readonly #sockets = new Map<Party, Socket>();
  readonly #left = new Set<Party>();
  #over = false;

  constructor(id: string, limits: RelayLimits, end: (reason: string) => void) {
    this.id = id;
    this.#limits = limits;
    this.#end = end;
  }

  has(party: Party): boolean {
    return this.#sockets.has(party);
  }

  /** All three have come. */
  get complete(): boolean {
    return new Set([...this.#sockets.keys(), ...this.#left]).size === 3;
  }

  /** It was here and left in order. */
  hasLeft(party: Party): boolean {
    return this.#left.has(party);
  }

  join(party: Party, socket: Socket): void {
    if (this.#sockets.has(party) || this.#left.has(party)) {
      throw new SymbolonError("NOT_AUTHORISED", "this party has joined already");
    }
    this.#sockets.set(party, socket);
    this.touch();
  }

  touch(): void {
    this.lastMessage = performance.now();
  }

  count(messages: number, bytes: number): void {
    this.queue.messages += messages;
    this.queue.bytes += bytes;
  }

  /** Ends the computation when one of its parties reads too slowly. */
  checkQueue(): void {
    const { messages, bytes } = this.queue;
    if (messages > this.#limits.maxQueuedMessages || bytes > this.#limits.maxQueuedBytes) {
      this.#finish("LIMIT_EXCEEDED", undefined, "too much waits to be read");
    }
  }

  /** A party is done, in order. */
  leave(party: Party): void {
    this.#left.add(party);
    if (this.#left.size === 3) this.#finish(undefined, undefined, "done");
  }

  /** A party's socket is gone. Whoever has left in order is not missed. */
  vanish(party: Party): void {
    this.#sockets.delete(party);
    if (this.#left.has(party)) {
      if (this.#sockets.size === 0) this.#finish(undefined, undefined, "done");
      return;
    }
    this.#finish("PEER_LOST", party, `party ${party} vanished`);
  }

  closeSockets(): void {
    this.#over = true;
    for (const socket of this.#sockets.values()) socket.disconnect(true);
    this.#sockets.clear();
  }

  #finish(code: string | undefined, party: Party | undefined, reason: string): void {
    if (this.#over) return;
    this.#over = true;
    if (code !== undefined) {
      const word = JSON.stringify({ label: "relay", code, party, error: code });
      for (const socket of this.#sockets.values()) socket.emit("error", word);
    }
    this.#end(reason);
  }
}
