/**
 * The first bytes of a connection: which attempt, from whom to whom, and the first handshake message. All of
 * fixed length, so that a listener reads exactly this much from a stranger.
 */
import type { Socket } from "node:net";
import { SymbolonError } from "../errors.ts";
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

/**
 * Reads exactly `length` bytes and leaves the rest in the socket, which is paused then.
 * @throws PEER_LOST when the connection ends or is destroyed before.
 */
export function readExactly(socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let held = Buffer.alloc(0);
    const finish = (error?: SymbolonError) => {
      socket.off("data", take).off("error", lost).off("close", lost).off("end", lost);
      // An error that comes before the next reader is there must not end the process.
      if (error !== undefined) reject(error);
      else {
        socket.pause();
        if (held.length > length) socket.unshift(held.subarray(length));
        resolve(held.subarray(0, length));
      }
    };
    const take = (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      if (held.length >= length) finish();
    };
    const lost = () =>
      finish(new SymbolonError("PEER_LOST", "the connection closed before the handshake was done"));
    socket.on("data", take).on("error", lost).on("close", lost).on("end", lost);
    socket.resume();
    if (socket.destroyed) lost();
  });
}
