/**
 * What a protocol needs from the network: frames to and from the two peers, in order, authenticated.
 *
 * A frame belongs to one operation (a number that all parties count alike). One frame goes to a peer per
 * operation and round; a receiver states which operation and how many bytes it expects, and anything else
 * is an error that ends the attempt. Implementations: `memory.ts` (tests, three parties in one process)
 * and `mesh.ts` (TCP, encrypted).
 */

export type PartyIndex = 1 | 2 | 3;

export const partyIndices: readonly PartyIndex[] = [1, 2, 3];

/** The party after `i` in the cycle 1, 2, 3. */
export const nextParty = (i: PartyIndex): PartyIndex => ((i % 3) + 1) as PartyIndex;

/** The party before `i` in the cycle 1, 2, 3. */
export const previousParty = (i: PartyIndex): PartyIndex => (((i + 1) % 3) + 1) as PartyIndex;

/** The third party, that is neither `i` nor `j`. */
export const thirdParty = (i: PartyIndex, j: PartyIndex): PartyIndex => (6 - i - j) as PartyIndex;

export interface TransportStats {
  framesSent: number;
  bytesSent: number;
  bytesReceived: number;
  /** Milliseconds in which at least one `receive` was waiting. */
  waitingMs: number;
}

export interface Transport {
  readonly partyIndex: PartyIndex;
  readonly stats: Readonly<TransportStats>;

  /**
   * Hands one frame to the channel of `to`. The parts are consumed (encrypted or copied) before the call
   * returns, so the caller may overwrite them at once.
   */
  send(to: PartyIndex, operation: number, parts: readonly Uint8Array[]): void;

  /**
   * Resolves with the payload of the next frame from `from`, which must carry `operation` and exactly
   * `byteLength` bytes. The returned view is valid until the next `receive` from the same peer.
   * @throws PEER_TIMEOUT, PEER_LOST, PEER_MISBEHAVED, CHANNEL_AUTH; the transport is closed then, and every
   * later call throws the same error.
   */
  receive(from: PartyIndex, operation: number, byteLength: number): Promise<Uint8Array>;

  /** Ends the attempt; waiting calls reject with `reason` or PEER_LOST. Peers notice at once. Idempotent. */
  close(reason?: Error): void;
}
