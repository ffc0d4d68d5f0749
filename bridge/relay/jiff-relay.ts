/**
 * The JIFF relay: jiff-mpc's server on the bridge's HTTP server, under its own socket.io path, with guards.
 *
 * What it carries is sealed between the parties; what it can do to them is stop them. What is guarded here is
 * the bridge: stock JIFFServer lets anyone join anything, queues for whoever never comes, answers as dealer,
 * and dies of malformed JSON, of a share before initialization and of a message without acknowledgement.
 * Every socket event passes `relay-messages.ts` first; a socket that sends anything else is closed, with the
 * reason in the log and nothing of the message. An exception stays inside the event that caused it.
 *
 * A computation lives from its first party's coming until all three have left or one has vanished: then the
 * others are told, their sockets are closed and everything of it is forgotten. Nobody reconnects: a restarted
 * run is a new computation with new keys.
 */
import type { Server as HttpServer } from "node:http";
import { createRequire } from "node:module";
import type { Server, Socket } from "socket.io";
import { WebSocketServer } from "ws";
import type { ErrorCode } from "../../mpc/errors.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { Computations, type RelayedComputation } from "./computations.ts";
import { KeyChallenge } from "./key-proof.ts";
import { parseInitialization, parseRelayed, type RelayLabel } from "./relay-messages.ts";

export interface RelayLimits {
  /** Largest message, in bytes. */
  maxMessageBytes: number;
  /** Connections at a time, joined or not. */
  maxSockets: number;
  /** Computations at a time. */
  maxComputations: number;
  /** What one party may leave unacknowledged before its computation ends: messages and bytes. */
  maxQueuedMessages: number;
  maxQueuedBytes: number;
  /** Messages of one socket: the most at once, and the rate at which that many come back. */
  burstMessages: number;
  messagesPerSecond: number;
  /** How long a connection may wait before it says which computation it joins. */
  joinTimeoutMs: number;
  /**
   * After how long without a message a computation is looked at: one that still lacks a party ends; a complete
   * one (a long training sends no JIFF messages) ends if it would no longer be admitted.
   */
  idleTimeoutMs: number;
}

export const defaultRelayLimits: RelayLimits = {
  maxMessageBytes: 64 * 1024,
  maxSockets: 3_000,
  maxComputations: 1_000,
  maxQueuedMessages: 50_000,
  maxQueuedBytes: 32 * 1024 * 1024,
  burstMessages: 100_000,
  messagesPerSecond: 20_000,
  joinTimeoutMs: 10_000,
  idleTimeoutMs: 30 * 60_000,
};

/** The part of a pino logger that the relay uses. */
export interface RelayLogger {
  info(details: object, text: string): void;
  warn(details: object, text: string): void;
}

export interface RelayOptions {
  /** socket.io path, beside others on the same server. */
  path: string;
  /**
   * Whether this party may join this computation now; asked once for each that comes. A key (32 bytes: the
   * operator's registered JIFF key) admits only who proves that it holds it; `true` admits anyone, who then
   * can keep that operator out, though never read or forge what the parties say.
   */
  admit(computationId: string, partyIndex: 1 | 2 | 3): boolean | Uint8Array;
  limits?: Partial<RelayLimits>;
  logger: RelayLogger;
}

export interface Relay {
  /** Computations that have at least one party. */
  readonly computations: number;
  readonly sockets: number;
  /** Messages and bytes that wait for an acknowledgement. */
  readonly queued: { messages: number; bytes: number };
  /** Closes all sockets; the HTTP server stays its owner's. */
  close(): Promise<void>;
}

/** Hosts the relay on `httpServer`. */
export function attachRelay(httpServer: HttpServer, options: RelayOptions): Relay {
  const limits = { ...defaultRelayLimits, ...options.limits };
  const { server, wire } = createJiffServer(httpServer, options, limits);
  const stillAdmitted = (id: string) => options.admit(id, 1) !== false;
  const computations = new Computations(limits, server, options.logger, stillAdmitted);
  wire((socket) => new RelaySocket(socket, server, computations, options, limits));
  return {
    get computations() {
      return computations.size;
    },
    get sockets() {
      return server.io.engine.clientsCount;
    },
    get queued() {
      return computations.queued;
    },
    close: async () => {
      computations.close();
      server.io.disconnectSockets(true);
      // `io.close()` would close the HTTP server too.
      server.io.engine.close();
    },
  };
}

type Message = Record<string, unknown>;
type Outcome = { success: true; message?: Message } | { success: false; error: string };

/** What is used of JIFFServer. */
export interface JiffServer {
  io: Server;
  socketMaps: { socketId: Record<string, Record<number, string>> };
  mailbox: Record<string, unknown>;
  handlers: {
    initializeParty(
      computationId: string,
      partyId: number,
      partyCount: number,
      message: Message,
      internal: boolean,
    ): Outcome;
    share(computationId: string, from: number, message: Message): Outcome;
    open(computationId: string, from: number, message: Message): Outcome;
    custom(computationId: string, from: number, message: Message): Outcome;
  };
  hooks: {
    putInMailbox(
      jiff: JiffServer,
      label: string,
      message: string,
      computationId: string,
      to: number,
    ): unknown;
    removeFromMailbox(jiff: JiffServer, computationId: string, party: number, pointer: unknown): void;
  };
  freeComputation(computationId: string): void;
  emit(
    label: string,
    message: string,
    computationId: string,
    to: number,
    acknowledged?: (() => void) | null,
  ): void;
}

const require = createRequire(import.meta.url);

function createJiffServer(
  httpServer: HttpServer,
  options: RelayOptions,
  limits: RelayLimits,
): { server: JiffServer; wire(connected: (socket: Socket) => void): void } {
  const JIFFServer = require("jiff-mpc/lib/jiff-server.js") as new (
    http: HttpServer,
    options: object,
  ) => JiffServer;
  const { Server: SocketServer } = require("socket.io") as typeof import("socket.io");
  let sockets = 0;

  /** JIFF's server with its own wiring of sockets replaced: that is where it trusts what comes in. */
  class GuardedServer extends JIFFServer {
    initSocket(): void {
      this.io = new SocketServer(httpServer, {
        path: options.path,
        transports: ["websocket"],
        serveClient: false,
        wsEngine: WebSocketServer,
        // Upgrades for other paths on the same server are not this relay's to close.
        destroyUpgrade: false,
        perMessageDeflate: false,
        maxHttpBufferSize: limits.maxMessageBytes,
        // A party that computes may not answer for a while; one that is gone shows by its connection.
        pingInterval: 15_000,
        pingTimeout: 60_000,
        connectTimeout: limits.joinTimeoutMs,
        allowRequest: (_request, callback) => callback(null, sockets < limits.maxSockets),
      });
      this.io.engine.on("connection", (socket: { once(event: "close", listener: () => void): void }) => {
        sockets++;
        socket.once("close", () => {
          sockets--;
        });
      });
    }

    /** socket.io 4 has no `sockets.connected`. */
    override emit(
      label: string,
      message: string,
      computationId: string,
      to: number,
      acknowledged?: (() => void) | null,
    ): void {
      const id = this.socketMaps.socketId[computationId]?.[to];
      const socket = id === undefined ? undefined : this.io.sockets.sockets.get(id);
      if (socket === undefined) return;
      if (acknowledged == null) socket.emit(label, message);
      else socket.emit(label, message, (taken: unknown) => taken === true && acknowledged());
    }
  }

  const server = new GuardedServer(httpServer, {
    sodium: false,
    logs: false,
    hooks: {
      // Ephemeral keys are opaque text here; the relay has none of its own.
      parseKey: (_jiff: unknown, key: string) => key,
      dumpKey: (_jiff: unknown, key: string) => key,
      generateKeyPair: () => ({ public_key: "relay", secret_key: "" }),
      onInitializeUsedId: () => {
        throw new Error("taken");
      },
    },
  });
  return { server, wire: (connected) => void server.io.on("connection", connected) };
}

/** One connection: nothing, then a party of one computation, then closed. */
class RelaySocket {
  readonly #socket: Socket;
  readonly #server: JiffServer;
  readonly #computations: Computations;
  readonly #options: RelayOptions;
  readonly #limits: RelayLimits;
  readonly #joinTimer: NodeJS.Timeout;
  readonly #challenge = new KeyChallenge();
  #computation: RelayedComputation | undefined;
  #party: 1 | 2 | 3 | undefined;
  #tokens: number;
  #refilled = performance.now();
  #closed = false;

  constructor(
    socket: Socket,
    server: JiffServer,
    computations: Computations,
    options: RelayOptions,
    limits: RelayLimits,
  ) {
    this.#socket = socket;
    this.#server = server;
    this.#computations = computations;
    this.#options = options;
    this.#limits = limits;
    this.#tokens = limits.burstMessages;
    this.#joinTimer = setTimeout(
      () => this.#refuse("LIMIT_EXCEEDED", "joined no computation in time"),
      limits.joinTimeoutMs,
    );
    // Before any listener: every event comes through here, known or not.
    socket.use((event) => this.#take(event));
    socket.on("error", () => this.#refuse("USAGE", "socket error"));
    socket.on("disconnect", () => this.#gone());
    socket.emit("challenge", this.#challenge.publicKey);
  }

  #take([label, message, acknowledge]: unknown[]): void {
    if (this.#closed) return;
    try {
      this.#spend();
      if (label === "initialization") this.#join(message);
      else if (label === "free") this.#leave(acknowledge);
      else this.#relay(label, message, acknowledge);
    } catch (thrown) {
      const error = thrown instanceof SymbolonError ? thrown : new SymbolonError("INTERNAL", "defect");
      this.#refuse(error.code, error.message);
    }
  }

  #join(raw: unknown): void {
    if (this.#party !== undefined) throw new SymbolonError("STATE_INVALID", "initialized twice");
    const claim = parseInitialization(raw, this.#limits.maxMessageBytes);
    const { computationId, partyIndex, message } = claim;
    const admitted = this.#options.admit(computationId, partyIndex);
    if (admitted === false) {
      throw new SymbolonError("NOT_AUTHORISED", "a computation or party that is not admitted");
    }
    if (admitted !== true && !this.#challenge.accepts(claim.proof, admitted, claim)) {
      throw new SymbolonError("NOT_AUTHORISED", "no proof of the registered key");
    }
    const computation = this.#computations.join(computationId, partyIndex, this.#socket);
    const outcome = this.#server.handlers.initializeParty(computationId, partyIndex, 3, message, false);
    if (!outcome.success) throw new SymbolonError("STATE_INVALID", "JIFF refuses the party");
    clearTimeout(this.#joinTimer);
    this.#computation = computation;
    this.#party = partyIndex;
    this.#server.socketMaps.socketId[computationId]![partyIndex] = this.#socket.id;
    this.#socket.emit("initialization", JSON.stringify(outcome.message));
  }

  #relay(label: unknown, raw: unknown, acknowledge: unknown): void {
    const computation = this.#computation;
    const from = this.#party;
    if (label !== "share" && label !== "open" && label !== "custom") {
      throw new SymbolonError(
        "NOT_AUTHORISED",
        label === "crypto_provider" ? "asked for a dealer" : "unknown event",
      );
    }
    if (computation === undefined || from === undefined) {
      throw new SymbolonError("STATE_INVALID", `${label} before initialization`);
    }
    if (typeof acknowledge !== "function")
      throw new SymbolonError("USAGE", `${label} without acknowledgement`);
    const message = parseRelayed(label satisfies RelayLabel, raw, from, this.#limits.maxMessageBytes);
    if (computation.hasLeft(message.party_id)) {
      // A last word to a party that has finished: nobody waits for it.
      acknowledge(true);
      return;
    }
    if (!computation.has(message.party_id)) {
      throw new SymbolonError("STATE_INVALID", `${label} for a party that is not there`);
    }
    computation.touch();
    acknowledge(true);
    const outcome = this.#server.handlers[label](computation.id, from, message);
    if (!outcome.success) throw new SymbolonError("INTERNAL", "JIFF refuses the message");
    computation.checkQueue();
  }

  #leave(acknowledge: unknown): void {
    const computation = this.#computation;
    if (computation === undefined) throw new SymbolonError("STATE_INVALID", "free before initialization");
    if (typeof acknowledge === "function") acknowledge(true);
    computation.leave(this.#party!);
  }

  /** A token for each message; they come back with time. */
  #spend(): void {
    const { burstMessages, messagesPerSecond } = this.#limits;
    const now = performance.now();
    const back = ((now - this.#refilled) / 1000) * messagesPerSecond;
    this.#tokens = Math.min(burstMessages, this.#tokens + back) - 1;
    this.#refilled = now;
    if (this.#tokens < 0) throw new SymbolonError("LIMIT_EXCEEDED", "too many messages");
  }

  #refuse(code: ErrorCode, reason: string): void {
    if (this.#closed) return;
    const details = { code, reason, computation: this.#computation?.id, party: this.#party };
    this.#options.logger.warn(details, "JIFF socket closed");
    this.#socket.emit("error", JSON.stringify({ label: "relay", code, error: code }));
    this.#gone();
    this.#socket.disconnect(true);
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#joinTimer);
    if (this.#party !== undefined) this.#computation?.vanish(this.#party);
  }
}
