/**
 * The first bytes of a connection: which attempt, from whom to whom, and the first handshake message. All of
 * fixed length, so that a listener reads exactly this much from a stranger.
 */
import { handshakeMessageBytes } from "./handshake.ts";
import type { PartyIndex } from "./transport.ts";

const magic = Buffer.from("SYMBMSH1", "ascii");
export const contextBytes = 32;
export const helloBytes = magic.length + contextBytes + 2 + handshakeMessageBytes;

export interface Hello {
  contextId: Uint8Array;
  from: PartyIndex;
  to: PartyIndex;
  /** The first handshake message. */
  message: Uint8Array;
}

export function encodeHello({ contextId, from, to, message }: Hello): Buffer {
  return Buffer.concat([magic, contextId, Uint8Array.of(from, to), message]);
}

/** @returns nothing for bytes of another form. */
export function decodeHello(bytes: Uint8Array): Hello | undefined {
  if (bytes.byteLength !== helloBytes || !magic.equals(bytes.subarray(0, magic.length))) return undefined;
  const rest = bytes.subarray(magic.length);
  const from = rest[contextBytes]!;
  const to = rest[contextBytes + 1]!;
  if (from < 1 || from > 3 || to < 1 || to > 3 || from === to) return undefined;
  return {
    contextId: rest.subarray(0, contextBytes),
    from: from as PartyIndex,
    to: to as PartyIndex,
    message: rest.subarray(contextBytes + 2),
  };
}
