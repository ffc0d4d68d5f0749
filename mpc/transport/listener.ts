/**
 * The one TCP server of a compute node, shared by all its attempts. A connection names the attempt and the
 * parties and is matched with an attempt that waits for it, or dropped.
 *
 * Strangers can reach this port, so before a peer has proved to hold its registered key: a connection may
 * send a fixed number of bytes within a deadline; the number of such connections is bounded, and when there
 * are too many the oldest goes (an honest peer needs milliseconds); what fails is dropped without an answer
 * and the attempt goes on waiting. Nothing that a stranger sends ends an attempt.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { SymbolonError } from "../errors.ts";
import { Channel } from "./channel.ts";
import { Connection } from "./connection.ts";
import type { DelayLine } from "./delay-line.ts";
import { Handshake, handshakePrologue } from "./handshake.ts";
import { decodeHello, helloBytes } from "./hello.ts";
import type { PartyIndex } from "./transport.ts";

export interface MeshListenerOptions {
  /** Connections that have not proved who they are, at one time. */
  maxStrangers?: number;
  /** What a connection may take to prove it. */
  strangerTimeoutMs?: number;
}

/** How the connection to a peer was made. */
export type LinkPath = "direct" | "relay";

export interface Expectation {
  contextId: Uint8Array;
  /** The peer that will dial, and this party. */
  from: PartyIndex;
  to: PartyIndex;
  staticPrivateKey: Uint8Array;
  peerPublicKey: Uint8Array;
  maxFrameBytes?: number;
  delayLine?: DelayLine;
  /** The peer is there and authentic. Called at most once. */
  onChannel(channel: Channel, pairSecret: Uint8Array, path: LinkPath): void;
  /** Someone claimed to be this peer and failed to prove it. */
  onRefused(): void;
}

export class MeshListener {
  readonly #server: Server;
  readonly #maxStrangers: number;
  readonly #strangerTimeoutMs: number;
  /** In the order in which they came. */
  readonly #strangers = new Set<Socket>();
  readonly #sockets = new Set<Socket>();
  readonly #expected = new Map<string, Expectation>();

  constructor(options: MeshListenerOptions = {}) {
    this.#maxStrangers = options.maxStrangers ?? 64;
    this.#strangerTimeoutMs = options.strangerTimeoutMs ?? 5_000;
    this.#server = createServer({ noDelay: true, pauseOnConnect: true }, (socket) =>
      this.#onConnection(socket),
    );
  }

  /**
   * Starts to accept connections.
   * @param port 0 takes any free port.
   * @returns the address that is listened on.
   * @throws CONFIG_INVALID when the address is taken or not this machine's.
   */
  async listen({ host, port }: { host: string; port: number }): Promise<{ host: string; port: number }> {
    await new Promise<void>((resolve, reject) => {
      const refuse = (error: Error) =>
        reject(new SymbolonError("CONFIG_INVALID", `cannot listen on ${host}:${port}: ${error.message}`));
      this.#server.once("error", refuse);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", refuse);
        // Such as too many open files: the node lives on, the dialling peer tries again.
        this.#server.on("error", () => {});
        resolve();
      });
    });
    const address = this.#server.address() as AddressInfo;
    return { host: address.address, port: address.port };
  }

  /** Connections that have not proved yet who they are. */
  get strangers(): number {
    return this.#strangers.size;
  }

  /**
   * Waits for one peer of one attempt.
   * @returns ends the waiting.
   * @throws STATE_INVALID when this attempt already waits for this peer.
   */
  expect(expectation: Expectation): () => void {
    const name = expectationName(expectation.contextId, expectation.from, expectation.to);
    if (this.#expected.has(name)) {
      throw new SymbolonError(
        "STATE_INVALID",
        `this attempt is being connected to party ${expectation.from} already`,
      );
    }
    this.#expected.set(name, expectation);
    return () => {
      if (this.#expected.get(name) === expectation) this.#expected.delete(name);
    };
  }

  /**
   * Takes a connection that was made in another way than to the port, under the same rules.
   * @returns whether a peer that is waited for has proved itself on it; if not, it is closed.
   */
  welcome(connection: Connection): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => connection.destroy(), this.#strangerTimeoutMs);
      const known = () => {
        clearTimeout(timer);
        resolve(true);
      };
      void connection.closed.then(() => {
        clearTimeout(timer);
        resolve(false);
      });
      this.#welcome(connection, "relay", known).catch(() => connection.destroy());
    });
  }

  /**
   * Stops listening and drops strangers. Connections of attempts may go on for `graceMs`, so that attempts
   * that have just ended can flush; what is left then is dropped.
   */
  async close(graceMs = 1_000): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#strangers) socket.destroy();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }

  #onConnection(socket: Socket): void {
    this.#sockets.add(socket);
    this.#strangers.add(socket);
    const timer = setTimeout(() => socket.destroy(), this.#strangerTimeoutMs);
    const known = () => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
    };
    socket.on("error", () => {});
    socket.once("close", () => {
      known();
      this.#sockets.delete(socket);
    });
    if (this.#strangers.size > this.#maxStrangers) {
      for (const oldest of this.#strangers) {
        oldest.destroy();
        this.#strangers.delete(oldest);
        break;
      }
    }
    this.#welcome(Connection.overSocket(socket), "direct", known).catch(() => socket.destroy());
  }

  async #welcome(connection: Connection, path: LinkPath, known: () => void): Promise<void> {
    const hello = decodeHello(await connection.readExactly(helloBytes));
    const expectation = hello && this.#expected.get(expectationName(hello.contextId, hello.from, hello.to));
    if (hello === undefined || expectation === undefined) {
      connection.destroy();
      return;
    }
    const { contextId, from, to } = expectation;
    const handshake = new Handshake({
      role: "responder",
      prologue: handshakePrologue(contextId, from, to),
      staticPrivateKey: expectation.staticPrivateKey,
      peerPublicKey: expectation.peerPublicKey,
    });
    try {
      handshake.readMessage(hello.message);
    } catch (error) {
      expectation.onRefused();
      throw error;
    }
    connection.write(handshake.writeMessage());
    connection.flush();
    const secrets = handshake.secrets();
    const channel = new Channel({
      connection,
      secrets,
      contextId,
      partyIndex: to,
      peer: from,
      role: "responder",
      maxFrameBytes: expectation.maxFrameBytes,
      delayLine: expectation.delayLine,
    });
    channel.awaitConfirmation(() => {
      // Of several connections that got this far, the first to confirm is the one. The others can only be
      // replays, which cannot confirm, or earlier tries of the peer.
      const name = expectationName(contextId, from, to);
      if (this.#expected.get(name) !== expectation) {
        channel.destroy();
        return;
      }
      this.#expected.delete(name);
      known();
      expectation.onChannel(channel, secrets.pairSecret, path);
    });
  }
}

function expectationName(contextId: Uint8Array, from: PartyIndex, to: PartyIndex): string {
  return `${Buffer.from(contextId).toString("hex")}/${from}/${to}`;
}
