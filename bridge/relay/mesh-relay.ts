/**
 * The rendezvous of compute parties that cannot reach each other: two WebSockets that name the same link of the
 * same computation are joined, and bytes go from one to the other. What goes through is the mesh's own
 * handshake and its frames, so this relay sees ciphertext and lengths; what it can do is end a link.
 *
 *     relay -> party   {"challenge": <64 hexadecimal digits>}
 *     party -> relay   {"computation": <id>, "party": 1..3, "peer": 1..3, "proof": <64 hexadecimal digits>}
 *     relay -> party   {"paired": true}, when the peer is there
 *     then both ways   binary messages, passed on one by one
 *
 * A refusal closes the socket with status 1008 and an error code as the reason. The proof is that of
 * `key-proof.ts`, with "mesh" and the peer's number in the session key's place. A party that comes again takes
 * the place of its own older connection: only who holds the registered key can.
 */
import type { Server as HttpServer, IncomingMessage } from "node:http";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { z } from "zod";
import { type ErrorCode, SymbolonError } from "../../mpc/errors.ts";
import type { RelayLogger } from "./jiff-relay.ts";
import { KeyChallenge } from "./key-proof.ts";

export interface MeshRelayLimits {
  /** Connections at a time, paired or not. */
  maxSockets: number;
  /** Largest message; parties write up to 256 KiB at once. */
  maxMessageBytes: number;
  /** What may wait for a party that reads slowly, before its peer is no longer read. */
  maxBufferedBytes: number;
  /** What a link may carry, both ways together. */
  maxLinkBytes: number;
  /** How long a connection may wait before it says which link it belongs to. */
  joinTimeoutMs: number;
  /** How long a party may wait for its peer; it may come again. */
  waitTimeoutMs: number;
  /** After so long without a byte a link ends if its computation would no longer be admitted. */
  idleTimeoutMs: number;
  /** How often the connections are looked at; one that answers no ping from one look to the next is cut. */
  sweepMs: number;
}

export const defaultMeshRelayLimits: MeshRelayLimits = {
  maxSockets: 600,
  maxMessageBytes: 256 * 1024,
  maxBufferedBytes: 4 * 1024 * 1024,
  maxLinkBytes: 64 * 2 ** 30,
  joinTimeoutMs: 10_000,
  waitTimeoutMs: 60_000,
  idleTimeoutMs: 10 * 60_000,
  sweepMs: 30_000,
};

export interface MeshRelayOptions {
  path: string;
  /** The key (32 bytes) that this party must prove to hold, or false; asked once for each that comes. */
  admit(computationId: string, partyIndex: 1 | 2 | 3): Uint8Array | false;
  limits?: Partial<MeshRelayLimits>;
  logger: RelayLogger;
}

export interface MeshRelay {
  /** Pairs of parties that are joined now. */
  readonly links: number;
  readonly sockets: number;
  /** Bytes passed on so far. */
  readonly bytes: number;
  close(): void;
}

const party = z.union([z.literal(1), z.literal(2), z.literal(3)]);
const claimSchema = z
  .strictObject({
    computation: z.string().regex(/^[A-Za-z0-9:_.-]{1,160}$/),
    party,
    peer: party,
    proof: z.string().regex(/^[0-9a-f]{64}$/),
  })
  .refine(({ party, peer }) => party !== peer);

/** Hosts the relay on `httpServer`; upgrades for other paths are left alone. */
export function attachMeshRelay(httpServer: HttpServer, options: MeshRelayOptions): MeshRelay {
  const limits = { ...defaultMeshRelayLimits, ...options.limits };
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: limits.maxMessageBytes,
    perMessageDeflate: false,
    clientTracking: true,
  });
  const links = new Links(options, limits);
  const upgrade = (request: IncomingMessage, socket: import("node:stream").Duplex, head: Buffer) => {
    if (request.url?.split("?")[0] !== options.path) return;
    if (server.clients.size >= limits.maxSockets) socket.destroy();
    else server.handleUpgrade(request, socket, head, (ws) => new RelayedParty(ws, options, limits, links));
  };
  httpServer.on("upgrade", upgrade);
  const silent = new WeakSet<WebSocket>();
  const sweep = setInterval(() => {
    for (const ws of server.clients) {
      if (silent.has(ws)) ws.terminate();
      silent.add(ws);
      ws.once("pong", () => silent.delete(ws));
      ws.ping();
    }
    links.endIdle();
  }, limits.sweepMs);
  sweep.unref();
  return {
    get links() {
      return links.size;
    },
    get sockets() {
      return server.clients.size;
    },
    get bytes() {
      return links.bytes;
    },
    close: () => {
      clearInterval(sweep);
      httpServer.off("upgrade", upgrade);
      for (const ws of server.clients) ws.terminate();
      server.close();
    },
  };
}

interface Link {
  ends: readonly [RelayedParty, RelayedParty];
  name: string;
  computation: string;
  bytes: number;
  lastByteMs: number;
}

/** Who waits for whom, and who is joined. A link has one name, whichever of its two ends says it. */
class Links {
  bytes = 0;
  readonly #options: MeshRelayOptions;
  readonly #limits: MeshRelayLimits;
  readonly #waiting = new Map<string, RelayedParty>();
  readonly #joined = new Map<string, Link>();

  constructor(options: MeshRelayOptions, limits: MeshRelayLimits) {
    this.#options = options;
    this.#limits = limits;
  }

  get size(): number {
    return this.#joined.size;
  }

  /** Joins the newcomer with its peer, or lets it wait. */
  add(newcomer: RelayedParty): Link | undefined {
    const { computation, party, peer } = newcomer.claim!;
    const name = `${computation}/${Math.min(party, peer)}${Math.max(party, peer)}`;
    const older = this.#joined.get(name);
    // The peer has to come again too: what it said to the older connection is lost.
    if (older !== undefined) this.end(older, "a party came again");
    const waiting = this.#waiting.get(name);
    this.#waiting.delete(name);
    if (waiting === undefined || waiting.claim!.party === party) {
      waiting?.refuse("STATE_INVALID", "came again");
      this.#waiting.set(name, newcomer);
      return undefined;
    }
    const link = { ends: [waiting, newcomer] as const, name, computation, bytes: 0, lastByteMs: now() };
    this.#joined.set(name, link);
    return link;
  }

  /** Takes away who waits, or ends the link that it is an end of. */
  remove(gone: RelayedParty): void {
    for (const [name, waiting] of this.#waiting) if (waiting === gone) this.#waiting.delete(name);
    if (gone.link !== undefined) this.end(gone.link, "a party left");
  }

  end(link: Link, reason: string): void {
    if (this.#joined.get(link.name) !== link) return;
    this.#joined.delete(link.name);
    for (const end of link.ends) end.leave();
    const { name, bytes } = link;
    this.#options.logger.info({ link: name, bytes, reason }, "mesh link ended");
  }

  count(link: Link, bytes: number): void {
    this.bytes += bytes;
    link.bytes += bytes;
    link.lastByteMs = now();
    if (link.bytes > this.#limits.maxLinkBytes) this.end(link, "carried too much");
  }

  endIdle(): void {
    for (const link of [...this.#joined.values()]) {
      if (now() - link.lastByteMs < this.#limits.idleTimeoutMs) continue;
      if (this.#options.admit(link.computation, 1) === false) this.end(link, "idle");
      else link.lastByteMs = now();
    }
  }
}

/** One connection: nothing, then an end of a link that waits for its other end, then joined, then closed. */
class RelayedParty {
  claim: z.infer<typeof claimSchema> | undefined;
  link: Link | undefined;
  readonly #ws: WebSocket;
  readonly #options: MeshRelayOptions;
  readonly #limits: MeshRelayLimits;
  readonly #links: Links;
  readonly #challenge = new KeyChallenge();
  #timer: NodeJS.Timeout;
  #over = false;

  constructor(ws: WebSocket, options: MeshRelayOptions, limits: MeshRelayLimits, links: Links) {
    this.#ws = ws;
    this.#options = options;
    this.#limits = limits;
    this.#links = links;
    this.#timer = this.#limit(limits.joinTimeoutMs, "said not in time where it belongs");
    ws.on("message", (data, isBinary) => this.#take(data, isBinary));
    // Too long a message, or no WebSocket at all: closed by the library; the details are the sender's.
    ws.on("error", () => {});
    ws.on("close", () => this.#gone());
    ws.send(JSON.stringify({ challenge: this.#challenge.publicKey }));
  }

  refuse(code: ErrorCode, reason: string): void {
    if (this.#over) return;
    const { computation, party } = this.claim ?? {};
    this.#options.logger.warn({ code, reason, computation, party }, "mesh socket closed");
    this.#ws.close(1008, code);
    this.#gone();
  }

  /** The link is over: what was passed on still goes out. */
  leave(): void {
    if (!this.#over) this.#ws.close(1000);
    this.#gone();
  }

  /** The other end of the link has sent this. */
  #pass(data: Buffer, source: RelayedParty): void {
    this.#ws.send(data, { binary: true }, () => {
      if (this.#ws.bufferedAmount <= this.#limits.maxBufferedBytes / 2) source.#ws.resume();
    });
    if (this.#ws.bufferedAmount > this.#limits.maxBufferedBytes) source.#ws.pause();
  }

  #take(data: RawData, isBinary: boolean): void {
    if (this.#over) return;
    try {
      if (this.claim === undefined) this.#join(isBinary ? undefined : String(data));
      else if (this.link === undefined || !isBinary)
        throw new SymbolonError("STATE_INVALID", "spoke before its peer was there, or in text");
      else {
        const [one, two] = this.link.ends;
        (one === this ? two : one).#pass(data as Buffer, this);
        this.#links.count(this.link, (data as Buffer).length);
      }
    } catch (thrown) {
      const error = thrown instanceof SymbolonError ? thrown : new SymbolonError("INTERNAL", "defect");
      this.refuse(error.code, error.message);
    }
  }

  #join(text: string | undefined): void {
    const claim = parseClaim(text);
    const { computation: computationId, party: partyIndex, peer, proof } = claim;
    const key = this.#options.admit(computationId, partyIndex);
    if (key === false)
      throw new SymbolonError("NOT_AUTHORISED", "a computation or party that is not admitted");
    const claimed = { computationId, partyIndex, sessionKey: `mesh ${peer}` };
    if (!this.#challenge.accepts(proof, key, claimed))
      throw new SymbolonError("NOT_AUTHORISED", "no proof of the registered key");
    this.claim = claim;
    clearTimeout(this.#timer);
    this.#timer = this.#limit(this.#limits.waitTimeoutMs, "its peer did not come");
    const link = this.#links.add(this);
    if (link === undefined) return;
    for (const end of link.ends) {
      end.link = link;
      clearTimeout(end.#timer);
    }
    for (const end of link.ends) end.#ws.send(JSON.stringify({ paired: true }));
  }

  #limit(ms: number, reason: string): NodeJS.Timeout {
    return setTimeout(() => this.refuse("PEER_TIMEOUT", reason), ms);
  }

  #gone(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    // A paused socket would never see the end of its connection.
    this.#ws.resume();
    this.#links.remove(this);
  }
}

const now = (): number => performance.now();

/** @throws USAGE */
function parseClaim(text: string | undefined): z.infer<typeof claimSchema> {
  let raw: unknown;
  try {
    raw = JSON.parse(text ?? "");
  } catch {
    throw new SymbolonError("USAGE", "malformed JSON");
  }
  const { data } = claimSchema.safeParse(raw);
  if (data === undefined) throw new SymbolonError("USAGE", "a malformed claim");
  return data;
}
