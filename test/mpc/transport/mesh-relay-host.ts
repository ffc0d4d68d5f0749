/** The bridge's mesh relay on a plain HTTP server, and one that attacks, for tests. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { attachMeshRelay, type MeshRelay, type MeshRelayOptions } from "../../../bridge/relay/mesh-relay.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import type { RelayFallback } from "../../../mpc/transport/reach.ts";
import type { PartyIndex } from "../../../mpc/transport/transport.ts";
import { listen, makeKeys, stop } from "./jiff-fixture.ts";

export const meshRelayPath = "/v1/mesh";

export class MeshRelayHost {
  readonly keys = makeKeys();
  readonly log: { details: object; text: string }[] = [];
  readonly relay: MeshRelay;
  readonly #http = createServer((_request, response) => response.writeHead(404).end());
  url = "";

  constructor(options: Partial<MeshRelayOptions> = {}) {
    const write = (details: object, text: string) => void this.log.push({ details, text });
    this.relay = attachMeshRelay(this.#http, {
      path: meshRelayPath,
      admit: (_computation, party) => this.keys[party].publicKey,
      logger: { info: write, warn: write },
      ...options,
    });
  }

  static async start(options: Partial<MeshRelayOptions> = {}): Promise<MeshRelayHost> {
    const host = new MeshRelayHost(options);
    host.url = `${await listen(host.#http)}${meshRelayPath}`;
    return host;
  }

  fallback(party: PartyIndex, computationId: string, directMs: number): RelayFallback {
    return { url: this.url, computationId, secretKey: this.keys[party].privateKey, directMs };
  }

  async close(): Promise<void> {
    this.relay.close();
    await stop(this.#http);
  }
}

/**
 * What is passed on of message `number` (from 0) of the party `from`; `ends` are the sockets of who sent it and
 * of its peer. Nothing returned: the message itself.
 */
export type RelayHook = (
  from: PartyIndex,
  number: number,
  message: Buffer,
  ends: { sender: WebSocket; receiver: WebSocket },
) => (Buffer | string)[] | undefined;

/** Joins everybody who names the same link, believes everything, and does what its hook says. */
export class HostileMeshRelay {
  readonly #server: WebSocketServer;
  readonly #waiting = new Map<string, { party: PartyIndex; socket: WebSocket }>();
  /** All bytes that parties sent each other. */
  readonly seen: Buffer[] = [];
  hook: RelayHook = () => undefined;

  private constructor(server: WebSocketServer) {
    this.#server = server;
    server.on("connection", (socket) => {
      socket.on("error", () => {});
      socket.send(JSON.stringify({ challenge: Buffer.from(generateX25519().publicKey).toString("hex") }));
      socket.once("message", (claim) => this.#pair(socket, JSON.parse(String(claim))));
    });
  }

  static async start(): Promise<HostileMeshRelay> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await new Promise((resolve) => server.once("listening", resolve));
    return new HostileMeshRelay(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${meshRelayPath}`;
  }

  close(): void {
    for (const socket of this.#server.clients) socket.terminate();
    this.#server.close();
  }

  #pair(socket: WebSocket, claim: { computation: string; party: PartyIndex; peer: PartyIndex }): void {
    const { party, peer } = claim;
    const name = `${claim.computation}/${Math.min(party, peer)}${Math.max(party, peer)}`;
    const other = this.#waiting.get(name);
    if (other === undefined || other.party === party) {
      this.#waiting.set(name, { party, socket });
      return;
    }
    this.#waiting.delete(name);
    this.#pump(party, socket, other.socket);
    this.#pump(other.party, other.socket, socket);
    for (const end of [socket, other.socket]) end.send(JSON.stringify({ paired: true }));
  }

  #pump(from: PartyIndex, sender: WebSocket, receiver: WebSocket): void {
    let number = 0;
    sender.on("message", (message: Buffer) => {
      this.seen.push(message);
      for (const part of this.hook(from, number++, message, { sender, receiver }) ?? [message])
        receiver.send(part);
    });
    sender.on("close", () => receiver.close());
  }
}
