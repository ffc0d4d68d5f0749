/**
 * What a JIFF session hears from outside, taken apart with care, and the errors that it becomes. Nothing of a
 * message's content goes into an error: stock JIFF's quotes the ciphertext and the secret key.
 */
import { type ErrorCode, errorCodes, SymbolonError } from "../errors.ts";
import { type PartyIndex, partyIndices } from "./transport.ts";

/** Largest message of JIFF's, either way, in bytes of text. */
export const maxJiffMessageBytes = 256 * 1024;

export function parseObject(raw: unknown): Record<string, unknown> {
  if (typeof raw !== "string" || raw.length > maxJiffMessageBytes) throw relayMisbehaved();
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    // The parser's error would quote the message.
    throw relayMisbehaved();
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw relayMisbehaved();
  return value as Record<string, unknown>;
}

/** The relay's word for why it ends the connection. Only a code from its list is believed, never its text. */
export function relayRefusal(raw: unknown): SymbolonError {
  const { code, party } = parseObject(raw);
  const known = { LIMIT_EXCEEDED: 1, NOT_AUTHORISED: 1, STATE_INVALID: 1, PEER_LOST: 1 } as const;
  if (typeof code !== "string" || !Object.hasOwn(known, code)) return relayMisbehaved();
  const who = partyIndices.includes(party as PartyIndex) ? `party ${party}` : "a party";
  const text = code === "PEER_LOST" ? `${who} left the JIFF session` : "the JIFF relay refuses this session";
  return new SymbolonError(code as keyof typeof known, text);
}

export function abortOf(peer: PartyIndex, code: string): SymbolonError {
  const known = Object.hasOwn(errorCodes, code);
  const ofRun = known && errorCodes[code as ErrorCode][0] === "aborted";
  return new SymbolonError(
    ofRun ? (code as ErrorCode) : "RUN_ABORTED",
    `party ${peer} ended the JIFF session${known ? ` with ${code}` : ""}`,
  );
}

/** The kind of an exception and where it came from, without its text. */
export function describeThrown(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `threw a ${typeof thrown}`;
  const place = /at .*?([\w.-]+\.[jt]s:\d+)/.exec(thrown.stack?.split("\n").slice(1).join("\n") ?? "");
  return `${thrown.name}${place === null ? "" : ` at ${place[1]}`}`;
}

export function misbehaved(peer: PartyIndex, what: string): SymbolonError {
  return new SymbolonError("PEER_MISBEHAVED", `party ${peer} ${what}`);
}

export function relayMisbehaved(): SymbolonError {
  return new SymbolonError("PEER_MISBEHAVED", "the JIFF relay sent something malformed");
}

export function dealerRefused(): SymbolonError {
  return new SymbolonError("PEER_MISBEHAVED", "the JIFF relay offered dealer values, which nobody asked for");
}
