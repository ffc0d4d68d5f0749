/**
 * Reaching a peer: directly where that is possible, and otherwise through the relay. Whatever the way, the peer
 * proves the same key in the same handshake, so the way decides nothing but who sees the lengths of frames.
 *
 * Of the two ways only one is spoken on at a time: who dials says its first word over the relay when the direct
 * trying has ended, so the two sides cannot take different connections for the one.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { SymbolonError, toSymbolonError } from "../errors.ts";
import { type DialOptions, dialPeer, type Established, shakeHands } from "./dial.ts";
import type { LinkPath, MeshListener } from "./listener.ts";
import { type MeetingOptions, meetAtRelay, type Relay } from "./rendezvous.ts";

export interface RelayFallback extends Relay {
  /** How long a direct connection is tried alone; 0 means that none is tried at all. */
  directMs: number;
}

const pauseMs = 100;

/**
 * From the side that dials.
 * @throws CHANNEL_AUTH when who answered did not hold the pinned key; PEER_TIMEOUT when nobody did
 */
export async function reachPeer(
  options: DialOptions,
  relay: RelayFallback | undefined,
): Promise<Established & { path: LinkPath }> {
  if (relay === undefined) return { ...(await dialPeer(options)), path: "direct" };
  const [stopDirect, stopRelayed] = [new AbortController(), new AbortController()];
  const dialled =
    relay.directMs > 0
      ? dialPeer({ ...options, signal: AbortSignal.any([options.signal, stopDirect.signal]) })
      : Promise.reject(new SymbolonError("PEER_TIMEOUT", "not tried directly"));
  dialled.then(
    () => stopRelayed.abort(),
    () => {},
  );
  const signal = AbortSignal.any([options.signal, stopRelayed.signal]);
  const relayed = reachThroughRelay({ ...options, signal }, relay, async () => {
    stopDirect.abort();
    // It may have been about to succeed.
    await dialled.catch(() => {});
  });
  // Neither outlives the other for long: who succeeds stops the other, and both know the deadline.
  const [direct, detour] = await Promise.allSettled([dialled, relayed]);
  if (direct.status === "fulfilled") return { ...direct.value, path: "direct" };
  if (detour.status === "fulfilled") return { ...detour.value, path: "relay" };
  options.signal.throwIfAborted();
  const errors = [direct.reason, detour.reason].map((thrown) => toSymbolonError(thrown, "PEER_LOST"));
  throw errors.find(({ code }) => code === "CHANNEL_AUTH") ?? errors[1];
}

async function reachThroughRelay(
  options: DialOptions,
  relay: RelayFallback,
  endDirect: () => Promise<void>,
): Promise<Established> {
  const { from, to, deadline, signal } = options;
  let telling: SymbolonError | undefined;
  await sleep(relay.directMs, undefined, { signal });
  for (;;) {
    const meeting = meetAtRelay({ relay, partyIndex: from, peer: to, deadline, signal });
    const connection = await meeting.catch((error) => {
      throw telling ?? error;
    });
    await endDirect();
    try {
      signal.throwIfAborted();
      return await shakeHands(connection, options);
    } catch (error) {
      connection.destroy();
      signal.throwIfAborted();
      const named = toSymbolonError(error, "PEER_LOST");
      if (named.code === "CHANNEL_AUTH") telling = named;
      else if (named.code !== "PEER_LOST") throw named;
    }
    await sleep(pauseMs, undefined, { signal });
  }
}

/**
 * From the side that accepts: goes to the relay when no direct connection came for a time, and hands who comes
 * there to the listener like any stranger. Ends when one of them was the peer, or by the signal.
 * @throws PEER_TIMEOUT when nobody comes to the relay either
 */
export async function awaitAtRelay(
  listener: MeshListener,
  meeting: MeetingOptions,
  directMs: number,
): Promise<void> {
  const { signal } = meeting;
  await sleep(directMs, undefined, { signal });
  while (!(await listener.welcome(await meetAtRelay(meeting)))) {
    await sleep(pauseMs, undefined, { signal });
  }
}
