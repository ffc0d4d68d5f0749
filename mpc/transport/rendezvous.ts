/**
 * Meeting a peer through the bridge's relay, where neither can reach the other. What comes of it is a stream of
 * bytes like a TCP connection, that a stranger carries: handshake and frames go over it as over any other.
 * The relay's side, and what is said, are in `bridge/relay/mesh-relay.ts`.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { createWebSocketStream, WebSocket } from "ws";
import { SymbolonError, toSymbolonError } from "../errors.ts";
import { blockBytes, Connection } from "./connection.ts";
import { proveKey } from "./jiff-proof.ts";
import type { PartyIndex } from "./transport.ts";

/** Before the two are joined: the relay says a challenge and that the peer is there. */
const maxWordBytes = 256;
const pauseMs = 250;
/** What the relay may take to answer; waiting for the peer takes as long as it takes. */
const answerTimeoutMs = 10_000;

export interface Relay {
  /** Where the relay is, `http(s)://host:port/path`. */
  url: string;
  /** Names the attempt toward the relay: 1 to 128 characters of `A-Za-z0-9:_.-`. */
  computationId: string;
  /** The operator's JIFF key (X25519, 32 bytes), by which the relay knows the party. */
  secretKey: Uint8Array;
}

export interface MeetingOptions {
  relay: Relay;
  partyIndex: PartyIndex;
  peer: PartyIndex;
  /** On the clock of `performance.now()`. */
  deadline: number;
  /** Ends the trying; the promise then rejects with the signal's reason. */
  signal: AbortSignal;
}

/**
 * Waits at the relay until the peer is there too. A relay that refuses or does not answer is tried again: it
 * may learn of the job later than the parties.
 * @throws PEER_TIMEOUT naming the last refusal
 */
export async function meetAtRelay(options: MeetingOptions): Promise<Connection> {
  let reason: string | undefined;
  for (;;) {
    try {
      return await meetOnce(options);
    } catch (error) {
      options.signal.throwIfAborted();
      // That the time was over says less than what went wrong before.
      if (reason === undefined || performance.now() < options.deadline)
        reason = toSymbolonError(error, "PEER_LOST").message;
    }
    const remainingMs = options.deadline - performance.now();
    if (remainingMs <= 0) break;
    await sleep(Math.min(pauseMs, remainingMs), undefined, { signal: options.signal });
  }
  const text = `party ${options.peer} was not met through the relay in time: ${reason}`;
  throw new SymbolonError("PEER_TIMEOUT", text);
}

function meetOnce({ relay, partyIndex, peer, deadline, signal }: MeetingOptions): Promise<Connection> {
  signal.throwIfAborted();
  const socket = new WebSocket(relay.url.replace(/^http/, "ws"), {
    perMessageDeflate: false,
    // The relay passes on what a peer's connection writes at once.
    maxPayload: blockBytes,
    followRedirects: false,
    handshakeTimeout: answerTimeoutMs,
  });
  const met = Promise.withResolvers<Connection>();
  const fail = (why: string) => {
    met.reject(new SymbolonError("PEER_LOST", why));
    socket.terminate();
  };
  let introduced = false;
  const answer = setTimeout(() => fail("the relay does not answer"), answerTimeoutMs);
  const expiry = setTimeout(
    () => fail("the peer did not come to the relay"),
    Math.max(1, deadline - performance.now()),
  );
  const stop = () => fail("cancelled");
  const onMessage = (data: unknown, isBinary: boolean) => {
    const text = isBinary ? "" : String(data);
    const word = text.length <= maxWordBytes ? parseWord(text) : {};
    if (!introduced && typeof word.challenge === "string" && /^[0-9a-f]{64}$/.test(word.challenge)) {
      introduced = true;
      clearTimeout(answer);
      try {
        const { computationId, secretKey } = relay;
        const claim = { computationId, partyIndex, sessionKey: `mesh ${peer}` };
        const proof = proveKey(secretKey, word.challenge, claim);
        socket.send(JSON.stringify({ computation: computationId, party: partyIndex, peer, proof }));
      } catch {
        fail("the relay's challenge is no key");
      }
    } else if (introduced && word.paired === true) {
      socket.off("message", onMessage);
      // Now, not later: the peer's first bytes may follow in the same read.
      met.resolve(Connection.overStream(createWebSocketStream(socket)));
    } else fail("the relay said something else than expected");
  };
  socket.on("message", onMessage);
  socket.on("error", () => fail("the relay cannot be reached"));
  // Only a short code is repeated: the relay is a stranger.
  socket.on("close", (_status, said) => {
    const code = /^[A-Z_]{1,32}$/.exec(String(said))?.[0];
    fail(`the relay closed the connection${code === undefined ? "" : `: ${code}`}`);
  });
  signal.addEventListener("abort", stop);
  return met.promise.finally(() => {
    clearTimeout(answer);
    clearTimeout(expiry);
    signal.removeEventListener("abort", stop);
  });
}

function parseWord(text: string): { challenge?: unknown; paired?: unknown } {
  try {
    const word: unknown = JSON.parse(text);
    return typeof word === "object" && word !== null ? word : {};
  } catch {
    return {};
  }
}
