/**
 * The data plane of an attempt: an encrypted connection between each two of the three parties, direct where
 * that is possible. Of each pair the lower index dials, the higher one accepts on its node's `MeshListener`;
 * where there is a relay and dialling fails for a time, they meet there.
 */
import { SymbolonError } from "../errors.ts";
import type { AttemptChannels } from "./attempt.ts";
import { DelayLine } from "./delay-line.ts";
import type { Established } from "./dial.ts";
import { contextBytes } from "./hello.ts";
import { x25519KeyBytes } from "./keys.ts";
import {
  defaultIdleTimeoutMs,
  defaultMaxFrameBytes,
  LinkedTransport,
  operationLimit,
} from "./linked-transport.ts";
import type { LinkPath, MeshListener } from "./listener.ts";
import { awaitAtRelay, type RelayFallback, reachPeer } from "./reach.ts";
import { type PartyIndex, partyIndices } from "./transport.ts";

export { type LinkPath, MeshListener } from "./listener.ts";
export type { RelayFallback } from "./reach.ts";

/** The frame by which a party says that both its links stand. No protocol uses this operation. */
const readyOperation = operationLimit - 1;

export interface MeshPeer {
  host: string;
  port: number;
  /** Its X25519 channel key, 32 bytes, from the registry on chain. */
  publicKey: Uint8Array;
}

export interface MeshOptions {
  listener: MeshListener;
  /** 32 bytes that name the attempt; see `attemptContext`. */
  contextId: Uint8Array;
  partyIndex: PartyIndex;
  /** This party's X25519 channel key, 32 bytes. */
  staticPrivateKey: Uint8Array;
  /** The two others, by index. */
  peers: Readonly<Record<number, MeshPeer>>;
  /** What connecting may take, until all three parties are connected to each other. */
  deadlineMs: number;
  /** Where peers meet that do not reach each other; without it there are direct connections only. */
  relay?: RelayFallback;
  /** Deadline of each `receive`. */
  idleTimeoutMs?: number;
  /** Largest frame, either way. */
  maxFrameBytes?: number;
  /** Emulated one-way latency, for benchmarks. */
  delayMs?: number;
  /** Ends the connecting. An attempt that is connected is ended by `transport.close(reason)`. */
  signal?: AbortSignal;
}

export interface MeshChannels extends AttemptChannels {
  /** The way to each peer. */
  paths: ReadonlyMap<PartyIndex, LinkPath>;
}

type Reached = Established & { path: LinkPath };

/**
 * Connects this party to the two others. Resolves when all three are connected to each other.
 * @throws PEER_TIMEOUT (a peer did not come), CHANNEL_AUTH (who came did not hold the registered key),
 *   RUN_ABORTED (the signal), or the code with which a peer ended the attempt. Nothing stays open then.
 */
export async function connectMesh(options: MeshOptions): Promise<MeshChannels> {
  const { partyIndex, deadlineMs } = options;
  checkOptions(options);
  const peers = partyIndices.filter((peer) => peer !== partyIndex);
  const idleTimeoutMs = options.idleTimeoutMs ?? defaultIdleTimeoutMs;
  const maxFrameBytes = options.maxFrameBytes ?? defaultMaxFrameBytes;
  const transport = new LinkedTransport(partyIndex, peers, { idleTimeoutMs, maxFrameBytes });
  const pairSecrets = new Map<PartyIndex, Uint8Array>();
  const paths = new Map<PartyIndex, LinkPath>();
  const deadline = performance.now() + deadlineMs;
  const delayLine = options.delayMs ? new DelayLine(options.delayMs) : undefined;
  const stop = new AbortController();
  transport.onFailure = (error) => stop.abort(error);
  const cancel = () => stop.abort(new SymbolonError("RUN_ABORTED", "connecting was cancelled"));
  options.signal?.addEventListener("abort", cancel);
  if (options.signal?.aborted) cancel();

  const link = async (peer: PartyIndex) => {
    const reach = peer > partyIndex ? dial : accept;
    const { channel, pairSecret, path } = await reach(options, peer, deadline, stop.signal, delayLine);
    pairSecrets.set(peer, pairSecret);
    paths.set(peer, path);
    transport.attach(peer, channel);
  };
  try {
    await all(peers.map(link), stop);
    for (const peer of peers) transport.send(peer, readyOperation, []);
    const remainingMs = Math.max(1, deadline - performance.now());
    await all(
      peers.map((peer) => transport.receiveWithin(peer, readyOperation, 0, remainingMs)),
      stop,
    );
    stop.signal.throwIfAborted();
  } catch (error) {
    transport.close(error as SymbolonError);
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", cancel);
  }
  transport.onFailure = undefined;
  Object.assign(transport.stats, { framesSent: 0, bytesSent: 0, bytesReceived: 0, waitingMs: 0 });
  return { transport, pairSecrets, paths };
}

/** Waits for all; the first failure, or an abort from outside, stops the others and is the one thrown. */
async function all(tasks: readonly Promise<unknown>[], stop: AbortController): Promise<void> {
  const watched = tasks.map((task) => task.catch((error) => stop.abort(error)));
  const stopped = new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve();
    stop.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([Promise.all(watched), stopped]);
  stop.signal.throwIfAborted();
}

function dial(
  options: MeshOptions,
  peer: PartyIndex,
  deadline: number,
  signal: AbortSignal,
  delayLine?: DelayLine,
): Promise<Reached> {
  const { host, port, publicKey } = options.peers[peer]!;
  const dialling = {
    host,
    port,
    contextId: options.contextId,
    from: options.partyIndex,
    to: peer,
    staticPrivateKey: options.staticPrivateKey,
    peerPublicKey: publicKey,
    maxFrameBytes: options.maxFrameBytes,
    delayLine,
    deadline,
    signal,
  };
  return reachPeer(dialling, options.relay);
}

function accept(
  options: MeshOptions,
  peer: PartyIndex,
  deadline: number,
  signal: AbortSignal,
  delayLine?: DelayLine,
): Promise<Reached> {
  const { relay, partyIndex, listener } = options;
  const arrived = new AbortController();
  let end = () => {};
  const arrival = new Promise<Reached>((resolve, reject) => {
    let refused = 0;
    const unexpect = listener.expect({
      contextId: options.contextId,
      from: peer,
      to: partyIndex,
      staticPrivateKey: options.staticPrivateKey,
      peerPublicKey: options.peers[peer]!.publicKey,
      maxFrameBytes: options.maxFrameBytes,
      delayLine,
      onChannel: (channel, pairSecret, path) => resolve({ channel, pairSecret, path }),
      onRefused: () => {
        refused += 1;
      },
    });
    const give = () => reject(signal.reason);
    const expire = () => {
      const claimed = `${refused} connections claimed to be party ${peer} and none proved it`;
      if (refused > 0) reject(new SymbolonError("CHANNEL_AUTH", claimed));
      else reject(new SymbolonError("PEER_TIMEOUT", `party ${peer} did not connect in time`));
    };
    if (relay !== undefined) {
      const meeting = { relay, partyIndex, peer, deadline, signal: arrived.signal };
      // When nobody comes there either, the deadline says so.
      awaitAtRelay(listener, meeting, relay.directMs).catch(() => {});
    }
    const timer = setTimeout(expire, Math.max(1, deadline - performance.now()));
    signal.addEventListener("abort", give);
    end = () => {
      clearTimeout(timer);
      unexpect();
      arrived.abort();
      signal.removeEventListener("abort", give);
    };
    if (signal.aborted) give();
  });
  return arrival.finally(() => end());
}

function checkOptions(options: MeshOptions): void {
  if (options.contextId.byteLength !== contextBytes)
    throw new SymbolonError("USAGE", "a context id has 32 bytes");
  if (options.staticPrivateKey.byteLength !== x25519KeyBytes) {
    throw new SymbolonError("KEY_INVALID", "a channel key has 32 bytes");
  }
  if (!(options.deadlineMs > 0)) throw new SymbolonError("USAGE", "deadlineMs must be positive");
  for (const peer of partyIndices) {
    if (peer === options.partyIndex) continue;
    const named = options.peers[peer];
    if (named === undefined) throw new SymbolonError("USAGE", `party ${peer} is missing among the peers`);
    if (named.publicKey.byteLength !== x25519KeyBytes) {
      throw new SymbolonError("KEY_INVALID", `the channel key of party ${peer} does not have 32 bytes`);
    }
  }
}
