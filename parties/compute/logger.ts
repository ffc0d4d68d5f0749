/**
 * The node's log: one JSON line an event on stderr. No line holds a share, a key, a row, a message's payload
 * or an endpoint's address with its secret: errors of ours are logged by code and message, all others by their
 * kind and place.
 */
import { type DestinationStream, destination, type Logger, pino } from "pino";
import { SymbolonError } from "../../mpc/errors.ts";

export type { Logger } from "pino";

/** @param stream where lines go; stderr by default */
export function createNodeLogger(level: string, stream: DestinationStream = destination(2)): Logger {
  return pino({ level, base: { service: "node" }, serializers: { err: describeForLog } }, stream);
}

function describeForLog(error: unknown): object {
  if (error instanceof SymbolonError && error.code !== "INTERNAL") {
    return { code: error.code, message: error.message };
  }
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    ...(typeof code === "string" ? { code } : {}),
    // The first line of a stack is the message, which may quote anything; the rest names files of this program.
    stack: error.stack?.split("\n").filter((line) => line.trimStart().startsWith("at ")),
    ...(error.cause === undefined ? {} : { cause: describeForLog(error.cause) }),
  };
}
