/**
 * Reaching a peer's listener. The peer may start later, restart, or be reached through a network that loses
 * or forges connections, so every failure is tried again until the deadline; the last telling one is reported.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { SymbolonError, toSymbolonError } from "../errors.ts";
import { Channel } from "./channel.ts";
import { Connection } from "./connection.ts";
import type { DelayLine } from "./delay-line.ts";
import { Handshake, handshakeMessageBytes, handshakePrologue } from "./handshake.ts";
import { encodeHello } from "./hello.ts";
import type { PartyIndex } from "./transport.ts";

const firstPauseMs = 20;
const longestPauseMs = 250;
/** One try may take this long: a connection that is accepted and then ignored is given up. */
const tryTimeoutMs = 5_000;

export interface DialOptions {
  host: string;
  port: number;
  contextId: Uint8Array;
  from: PartyIndex;
  to: PartyIndex;
  staticPrivateKey: Uint8Array;
  peerPublicKey: Uint8Array;
  maxFrameBytes?: number;
  delayLine?: DelayLine;
  /** On the clock of `performance.now()`. */
  deadline: number;
  /** Ends the trying; the promise then rejects with the signal's reason. */
  signal: AbortSignal;
}

export interface Established {
  channel: Channel;
  pairSecret: Uint8Array;
}

/**
 * Connects and shakes hands with the peer.
 * @throws CHANNEL_AUTH when who answered did not hold the pinned key; PEER_TIMEOUT when nobody did.
 */
export async function dialPeer(options: DialOptions): Promise<Established> {
  let telling: SymbolonError | undefined;
  let reason = "no answer";
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    try {
      return await dialOnce(options);
    } catch (error) {
      options.signal.throwIfAborted();
      const named = toSymbolonError(error, "PEER_LOST");
      reason = named.message;
      if (named.code === "CHANNEL_AUTH") telling = named;
      else if (named.code !== "PEER_LOST") throw named;
    }
    const remainingMs = options.deadline - performance.now();
    if (remainingMs <= 0) break;
    await sleep(Math.min(pauseMs, remainingMs), undefined, { signal: options.signal });
  }
  if (telling !== undefined) throw telling;
  const text = `party ${options.to} at ${options.host}:${options.port} was not reached in time: ${reason}`;
  throw new SymbolonError("PEER_TIMEOUT", text);
}

async function dialOnce(options: DialOptions): Promise<Established> {
  const connection = Connection.dial(options);
  return await within(options, connection, async () => {
    await connection.connected();
    return await introduce(connection, options);
  });
}

/**
 * The initiator's side of the handshake, over a connection that stands. The connection is destroyed when it fails.
 * @throws CHANNEL_AUTH; PEER_LOST when the other side does not answer
 */
export function shakeHands(connection: Connection, options: DialOptions): Promise<Established> {
  return within(options, connection, () => introduce(connection, options));
}

/** Does `work`, which ends when the connection does; that happens after a time, or by the signal. */
async function within(
  { deadline, signal }: DialOptions,
  connection: Connection,
  work: () => Promise<Established>,
): Promise<Established> {
  const remainingMs = Math.max(1, deadline - performance.now());
  const stop = () => connection.destroy();
  const timer = setTimeout(stop, Math.min(tryTimeoutMs, remainingMs));
  signal.addEventListener("abort", stop);
  try {
    signal.throwIfAborted();
    return await work();
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}

async function introduce(connection: Connection, options: DialOptions): Promise<Established> {
  const { contextId, from, to } = options;
  const handshake = new Handshake({
    role: "initiator",
    prologue: handshakePrologue(contextId, from, to),
    staticPrivateKey: options.staticPrivateKey,
    peerPublicKey: options.peerPublicKey,
  });
  connection.write(encodeHello({ contextId, from, to, message: handshake.writeMessage() }));
  connection.flush();
  handshake.readMessage(await connection.readExactly(handshakeMessageBytes));
  // Whoever stopped the trying counts on it that nothing was confirmed afterwards.
  options.signal.throwIfAborted();
  const secrets = handshake.secrets();
  const channel = new Channel({
    connection,
    secrets,
    contextId,
    partyIndex: from,
    peer: to,
    role: "initiator",
    maxFrameBytes: options.maxFrameBytes,
    delayLine: options.delayLine,
  });
  return { channel, pairSecret: secrets.pairSecret };
}
