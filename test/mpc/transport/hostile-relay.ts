/**
 * A network attacker for tests: stands between a dialling party and a listener, takes the stream apart into
 * handshake and frames, and lets a hook alter, drop, repeat or move them.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { headerBytes } from "../../../mpc/transport/frame-cipher.ts";
import { handshakeMessageBytes } from "../../../mpc/transport/handshake.ts";
import { helloBytes } from "../../../mpc/transport/hello.ts";

export type Direction = "toListener" | "toDialer";

export interface RelayHooks {
  /** The whole frame (header, ciphertext, tag) and its number in this direction; returns what is passed on. */
  frame?(direction: Direction, number: number, bytes: Buffer, sockets: Pair): readonly Buffer[];
  /** The first bytes of a connection. */
  hello?(bytes: Buffer): Buffer;
  /** The listener's handshake message. */
  answer?(bytes: Buffer): Buffer;
}

export interface Pair {
  dialer: Socket;
  listener: Socket;
}

export class HostileRelay {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  /** All bytes toward the listener, connection by connection. */
  readonly recorded: Buffer[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(target: { host: string; port: number }, hooks: RelayHooks): Promise<HostileRelay> {
    const server = createServer();
    const relay = new HostileRelay(server);
    server.on("connection", (dialer) => {
      const listener = connect(target);
      const index = relay.recorded.push(Buffer.alloc(0)) - 1;
      dialer.on("data", (chunk) => {
        relay.recorded[index] = Buffer.concat([relay.recorded[index]!, chunk]);
      });
      relay.#join(dialer, listener, hooks);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return relay;
  }

  get address(): { host: string; port: number } {
    return { host: "127.0.0.1", port: (this.#server.address() as AddressInfo).port };
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #join(dialer: Socket, listener: Socket, hooks: RelayHooks): void {
    this.#sockets.push(dialer, listener);
    const pair = { dialer, listener };
    const pump = (direction: Direction, from: Socket, to: Socket, prefix: number) => {
      let held = Buffer.alloc(0);
      let number = -1;
      from.on("data", (chunk) => {
        held = Buffer.concat([held, chunk]);
        for (;;) {
          const length =
            number < 0
              ? prefix
              : held.length < headerBytes
                ? headerBytes
                : headerBytes + held.readUInt32BE(0);
          if (held.length < length || to.destroyed) return;
          const bytes = Buffer.from(held.subarray(0, length));
          held = held.subarray(length);
          if (number < 0) {
            const hook = direction === "toListener" ? hooks.hello : hooks.answer;
            to.write(hook?.(bytes) ?? bytes);
          } else for (const part of hooks.frame?.(direction, number, bytes, pair) ?? [bytes]) to.write(part);
          number += 1;
        }
      });
      from.on("end", () => to.end());
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    };
    pump("toListener", dialer, listener, helloBytes);
    pump("toDialer", listener, dialer, handshakeMessageBytes);
  }
}
