/** Three JIFF sessions through a real relay on a plain HTTP server, for tests. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { attachRelay, type Relay, type RelayOptions } from "../../../bridge/relay/jiff-relay.ts";
import type { JiffHandle } from "../../../mpc/jiff-program.ts";
import { connectJiff, type JiffOptions, type JiffSession } from "../../../mpc/transport/jiff.ts";
import { generateX25519, type X25519KeyPair } from "../../../mpc/transport/keys.ts";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";

export const relayPath = "/v1/relay";
export const mersenne127 = 2n ** 127n - 1n;

export interface LogLine {
  details: object;
  text: string;
}

export interface RelayHost {
  url: string;
  http: Server;
  relay: Relay;
  log: LogLine[];
  close(): Promise<void>;
}

export async function startRelay(options: Partial<RelayOptions> = {}): Promise<RelayHost> {
  const http = createServer((_request, response) => response.writeHead(404).end());
  const log: LogLine[] = [];
  const write = (details: object, text: string) => void log.push({ details, text });
  const logger = { info: write, warn: write };
  const relay = attachRelay(http, { path: relayPath, admit: () => true, logger, ...options });
  const url = await listen(http);
  const close = async () => {
    await relay.close();
    await stop(http);
  };
  return { url, http, relay, log, close };
}

export async function listen(http: Server): Promise<string> {
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

export async function stop(http: Server): Promise<void> {
  http.closeAllConnections();
  await new Promise((resolve) => http.close(resolve));
}

export type Keys = Record<PartyIndex, X25519KeyPair>;

export const makeKeys = (): Keys => ({ 1: generateX25519(), 2: generateX25519(), 3: generateX25519() });

export function publicKeysOf(keys: Keys): Record<PartyIndex, Uint8Array> {
  return { 1: keys[1].publicKey, 2: keys[2].publicKey, 3: keys[3].publicKey };
}

let computations = 0;

export interface Group {
  computationId: string;
  keys: Keys;
  options(partyIndex: PartyIndex): JiffOptions;
}

/** Options of three parties that belong together. */
export function makeGroup(relayUrl: string, overrides: Partial<JiffOptions> = {}): Group {
  const keys = makeKeys();
  const computationId = `test:${process.pid}.${computations++}`;
  const options = (partyIndex: PartyIndex): JiffOptions => ({
    relayUrl,
    relayPath,
    computationId,
    partyIndex,
    secretKey: keys[partyIndex].privateKey,
    publicKeys: publicKeysOf(keys),
    modulus: mersenne127,
    timeoutMs: 5_000,
    ...overrides,
  });
  return { computationId, keys, options };
}

export async function connectThree(
  relayUrl: string,
  overrides: Partial<JiffOptions> = {},
): Promise<JiffSession[]> {
  const group = makeGroup(relayUrl, overrides);
  return Promise.all(partyIndices.map((index) => connectJiff(group.options(index))));
}

/** Runs one program on all three parties. */
export function runThree<T>(
  sessions: readonly JiffSession[],
  program: (jiff: JiffHandle) => Promise<T>,
): Promise<T[]> {
  return Promise.all(sessions.map((session) => session.run(program)));
}

export async function closeAll(sessions: readonly JiffSession[]): Promise<void> {
  await Promise.all(sessions.map((session) => session.close()));
}
