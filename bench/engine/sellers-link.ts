/**
 * The way of the sellers' shares to the parties in the aggregation benchmark: each seller's vector is shared,
 * and each share sealed to its party, by the product's own functions; the sealed bytes, which the bridge would
 * carry, go over TCP. Timed from the plaintext on: the sellers say at which moment they began.
 *
 *     party 1 to sellers: one byte, begin a run
 *     sellers to each party: 8 bytes (the moment, float64, little-endian), then the seals one behind the other
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import type { FieldArray, Kernel } from "../../mpc/vector/index.ts";
import { dataSetShareBytes, MatrixSharer, rowsPerBlock, shareBlocks } from "../../parties/data-set.ts";
import { type InputSealContext, Sealer, sealedBytes, unsealChunks } from "../../parties/sealing.ts";
import type { Workload } from "../workloads.ts";
import { now, type Start } from "./measure.ts";

const momentBytes = 8;

/** What seals are bound to stands on chain; here there is none. */
function sealContext(vector: number, rows: number, point: PartyIndex): InputSealContext {
  const hash = `0x${vector.toString(16).padStart(64, "0")}`;
  const account = `0x${"00".repeat(20)}`;
  const facts = { chainId: 0, registry: account, owner: account, operator: account };
  return { kind: "input-share", ...facts, nonce: hash, schemaHash: hash, rows, columns: 1, point };
}

/** A party's end. */
export class SellersInbox {
  readonly #server: Server = createServer({ noDelay: true });
  #socket: Socket | undefined;

  /** The port that the sellers connect to. */
  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.#server.once("connection", (socket: Socket) => {
      this.#socket = socket.pause();
    });
    return (this.#server.address() as { port: number }).port;
  }

  /** Receives, unseals and decodes this party's shares of all vectors. */
  async receive(workload: Workload, kernel: Kernel, point: PartyIndex, sealKey: Uint8Array): Promise<Start> {
    while (this.#socket === undefined) await once(this.#server, "connection");
    const socket = this.#socket;
    if (point === 1) socket.write(Uint8Array.of(1));
    const moment = Buffer.alloc(momentBytes);
    let filled = 0;
    for await (const part of take(socket, momentBytes)) filled += part.copy(moment, filled);
    const { rows, fracBits } = workload.inputs[0];
    const inputs: FieldArray[] = [];
    for (let vector = 0; vector < workload.inputs.length; vector++) {
      const sealed = take(socket, sealedBytes(dataSetShareBytes(kernel.spec, rows, 1, point)));
      const share = unsealChunks(sealKey, sealContext(vector, rows, point), sealed);
      const whole = kernel.allocate(rows);
      const format = { rows, cols: 1, fracBits, point, seeded: true };
      for await (const block of shareBlocks(kernel, share, format)) {
        kernel.copy(kernel.slice(whole, block.first, block.rows), block.values);
      }
      inputs.push(whole);
    }
    return { inputs, at: moment.readDoubleLE() };
  }

  close(): void {
    this.#socket?.destroy();
    this.#server.close();
  }
}

/** The way to a party, and the key that its shares are sealed to. */
export interface SellersLink {
  readonly socket: Socket;
  readonly sealKey: Uint8Array;
}

/** The sellers' end: one run, from the plaintext to the last byte sent. Links to parties 1, 2, 3. */
export async function sendShares(
  kernel: Kernel,
  vectors: readonly Float64Array[],
  fracBits: number,
  links: readonly SellersLink[],
): Promise<void> {
  const moment = Buffer.alloc(momentBytes);
  moment.writeDoubleLE(now());
  for (const { socket } of links) socket.write(moment);
  for (const [vector, values] of vectors.entries()) {
    const rows = values.length;
    const sharer = new MatrixSharer(kernel, { rows, cols: 1, fracBits });
    const sealers: Sealer[] = [];
    for (const [i, { sealKey }] of links.entries()) {
      const point = partyIndices[i];
      const length = dataSetShareBytes(kernel.spec, rows, 1, point);
      sealers.push(await Sealer.begin(sealKey, sealContext(vector, rows, point), length));
    }
    const send = async (parts: readonly Uint8Array[]) => {
      for (const [i, { socket }] of links.entries())
        for (const chunk of await sealers[i].push(parts[i])) await write(socket, chunk);
    };
    for (const [i, { socket }] of links.entries()) socket.write(sealers[i].header);
    await send(sharer.headers());
    for (let row = 0; row < rows; row += rowsPerBlock(1)) {
      await send(sharer.share(values.subarray(row, row + rowsPerBlock(1))));
    }
    for (const [i, { socket }] of links.entries()) await write(socket, await sealers[i].finish());
  }
}

/** As an upload does, waits while the other end is slower. */
async function write(socket: Socket, bytes: Uint8Array): Promise<void> {
  if (!socket.write(bytes)) await once(socket, "drain");
}

/** The next `length` bytes of a socket that nothing else reads. */
async function* take(socket: Socket, length: number): AsyncGenerator<Buffer> {
  for (let left = length; left > 0; ) {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) {
      await once(socket, "readable");
      continue;
    }
    const part = chunk.subarray(0, left);
    if (chunk.length > left) socket.unshift(chunk.subarray(left));
    left -= part.length;
    yield part;
  }
}
