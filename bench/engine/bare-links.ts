/**
 * Bare TCP connections between three processes: what the machine and Node take for a round without encryption,
 * authentication, limits and deadlines.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";

/** Bytes are counted, not looked at. */
export class BareLinks {
  readonly #server: Server;
  readonly #sockets = new Map<number, Socket>();
  readonly #missing = new Map<Socket, number>();
  #wake = () => {};

  constructor() {
    this.#server = createServer((socket) => {
      socket.once("readable", () => this.#add(socket.read(1)[0], socket));
    });
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return (this.#server.address() as AddressInfo).port;
  }

  async connect(partyIndex: PartyIndex, ports: readonly number[]): Promise<void> {
    for (const peer of partyIndices) {
      if (peer <= partyIndex) continue;
      const socket = connect(ports[peer - 1]!, "127.0.0.1", () => {
        socket.write(Uint8Array.of(partyIndex));
        this.#add(peer, socket);
      });
    }
    while (this.#sockets.size < 2) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  readonly round = async (payload: Uint8Array): Promise<void> => {
    for (const socket of this.#sockets.values()) {
      this.#missing.set(socket, this.#missing.get(socket)! + payload.length);
      socket.write(payload);
    }
    while ([...this.#missing.values()].some((bytes) => bytes > 0))
      await new Promise<void>((resolve) => (this.#wake = resolve));
  };

  close(): void {
    for (const socket of this.#sockets.values()) socket.end();
    this.#server.close();
  }

  #add(peer: number, socket: Socket): void {
    this.#sockets.set(peer, socket.setNoDelay(true));
    this.#missing.set(socket, 0);
    socket.on("data", (chunk) => {
      this.#missing.set(socket, this.#missing.get(socket)! - chunk.length);
      // As the mesh does with used buffers: otherwise most of the time is the collector's.
      const memory = chunk.buffer as ArrayBuffer;
      if (chunk.length >= 16_384 && memory.byteLength === chunk.length) memory.transfer(0);
      this.#wake();
    });
    this.#wake();
  }
}
