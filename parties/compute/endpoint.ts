import { SymbolonError } from "../../mpc/errors.ts";

/** Splits a registered endpoint, `host:port` or `[ipv6]:port`. @throws CONFIG_INVALID */
export function parseEndpoint(endpoint: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^[\]:/\s]+)):([0-9]{1,5})$/.exec(endpoint);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || !(port >= 1 && port <= 65535)) {
    throw new SymbolonError("CONFIG_INVALID", "a registered endpoint is not of the form host:port");
  }
  return { host, port };
}
