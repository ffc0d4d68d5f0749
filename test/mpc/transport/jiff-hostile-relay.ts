/**
 * A relay that may do to messages whatever a test says. It speaks just enough of JIFF's protocol to bring three
 * parties together, and passes everything through `tamper`, which may change, keep, repeat or add messages.
 */
import { createServer, type Server } from "node:http";
import { type Socket, Server as SocketServer } from "socket.io";
import { WebSocketServer } from "ws";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import type { PartyIndex } from "../../../mpc/transport/transport.ts";
import { listen, relayPath, stop } from "./jiff-fixture.ts";

export interface Passing {
  label: string;
  from: PartyIndex;
  to: PartyIndex;
  /** As the receiver will see it: `party_id` is the sender. */
  body: Record<string, unknown>;
}

export type Deliver = (passing: Passing) => void;

export interface Tampering {
  /** By default everything is delivered. */
  tamper?(passing: Passing, deliver: Deliver, relay: HostileRelay): void;
  /** What `to` hears about the parties' session keys. */
  keys?(keys: Record<string, unknown>, to: PartyIndex): Record<string, unknown>;
  /** What a party is asked to prove its key for. */
  challenge?: unknown;
  /** The answer to a party that joins. */
  initialization?(message: Record<string, unknown>, to: PartyIndex): unknown;
}

export class HostileRelay {
  readonly url: string;
  readonly seen: Passing[] = [];
  readonly #http: Server;
  readonly #io: SocketServer;
  readonly #sockets: Map<PartyIndex, Socket>;

  static async start(tampering: Tampering): Promise<HostileRelay> {
    const http = createServer();
    const options = { path: relayPath, wsEngine: WebSocketServer, maxHttpBufferSize: 1e8 };
    const io = new SocketServer(http, options);
    const sockets = new Map<PartyIndex, Socket>();
    const relay = new HostileRelay(await listen(http), http, io, sockets);
    const keys: Record<string, unknown> = { s1: "relay" };
    const deliver: Deliver = ({ label, to, body }) => relay.send(to, label, JSON.stringify(body));
    io.on("connection", (socket) => {
      let from: PartyIndex;
      const join = (text: string) => {
        const message = JSON.parse(text);
        from = message.party_id;
        sockets.set(from, socket);
        keys[from] = message.public_key;
        const known = (to: PartyIndex) => tampering.keys?.({ ...keys }, to) ?? keys;
        const answer = { party_id: from, party_count: 3, public_keys: known(from) };
        socket.emit("initialization", JSON.stringify(tampering.initialization?.(answer, from) ?? answer));
        for (const to of sockets.keys()) {
          if (to !== from) relay.send(to, "public_keys", JSON.stringify({ public_keys: known(to) }));
        }
      };
      socket.emit(
        "challenge",
        tampering.challenge ?? Buffer.from(generateX25519().publicKey).toString("hex"),
      );
      // Not `socket.on`: that would lose what comes together with a disconnection.
      socket.use(([label, text, acknowledge]) => {
        acknowledge?.(true);
        if (label === "initialization") join(text);
        if (label !== "share" && label !== "open" && label !== "custom") return;
        const body = JSON.parse(text);
        const passing = { label, from, to: body.party_id, body: { ...body, party_id: from } };
        relay.seen.push(passing);
        if (tampering.tamper === undefined) deliver(passing);
        else tampering.tamper(passing, deliver, relay);
      });
    });
    return relay;
  }

  private constructor(url: string, http: Server, io: SocketServer, sockets: Map<PartyIndex, Socket>) {
    this.url = url;
    this.#http = http;
    this.#io = io;
    this.#sockets = sockets;
  }

  /** Sends anything to a party. */
  send(to: PartyIndex, event: string, ...values: unknown[]): void {
    this.#sockets.get(to)?.emit(event, ...values, () => undefined);
  }

  /** Cuts a party's connection. */
  cut(party: PartyIndex): void {
    this.#sockets.get(party)?.disconnect(true);
  }

  async close(): Promise<void> {
    this.#io.disconnectSockets(true);
    this.#io.engine.close();
    await stop(this.#http);
  }
}
