/**
 * The bridge's log: one JSON line an event on stderr. Bodies, queries, headers and configuration are never
 * logged; the redaction below is a second fence in case a key slips into an object that is.
 */
import { type DestinationStream, destination, type Logger, pino } from "pino";

const secrets = ["privateKey", "rpcUrl", "authorization", "signature", "body", "spec"];

/** @param stream where lines go; stderr by default */
export function createLogger(level: string, stream: DestinationStream = destination(2)): Logger {
  return pino(
    {
      level,
      base: { service: "bridge" },
      redact: { paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[redacted]" },
      serializers: {
        req: (request: { method: string; url: string; ip?: string }) => ({
          method: request.method,
          path: request.url.split("?")[0],
          ip: request.ip,
        }),
        res: (reply: { statusCode: number }) => ({ status: reply.statusCode }),
        // An unforeseen error's message may quote anything (an endpoint's address, a payload): its place is enough.
        err: (error: unknown) => describeForLog(error),
      },
    },
    stream,
  );
}

function describeForLog(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    ...(typeof code === "string" ? { code } : {}),
    // The first line of a stack is the message; the rest names files of this program.
    stack: error.stack?.split("\n").filter((line) => line.trimStart().startsWith("at ")),
    ...(error.cause === undefined ? {} : { cause: describeForLog(error.cause) }),
  };
}
