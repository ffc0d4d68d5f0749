/**
 * The way of the sellers' shares to the parties in the aggregation benchmark: each seller's vector is shared,
 * and each share sealed to its party, by the product's own functions; the sealed bytes, which the bridge would
 * carry, go over TCP. Timed from the plaintext on: the frame carries the moment at which the sellers began.
 *
 *     party 1 to sellers: one byte, begin a run
 *     sellers to party: for each vector 8 bytes (the moment, float64, little-endian) and the sealed share
 */
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import type { FieldArray, Kernel } from "../../mpc/vector/index.ts";
import { decodeShare, shareBytes, shareMatrix } from "../../parties/data-set.ts";
import { type InputSealContext, seal, sealedBytes, unseal } from "../../parties/sealing.ts";
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
    const { rows, fracBits } = workload.inputs[0];
    const frameBytes = momentBytes + sealedBytes(shareBytes(kernel, rows, 1));
    const opening: Promise<Uint8Array>[] = [];
    let at = 0;
    for (let vector = 0; vector < workload.inputs.length; vector++) {
      const frame = await read(socket, frameBytes);
      at = frame.readDoubleLE(0);
      opening.push(unseal(sealKey, sealContext(vector, rows, point), frame.subarray(momentBytes)));
    }
    const inputs: FieldArray[] = [];
    for (const share of opening) {
      inputs.push(decodeShare(kernel, await share, { rows, cols: 1, fracBits, point }));
    }
    return { inputs, at };
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
  let sent: Promise<unknown> = Promise.resolve();
  for (const [vector, values] of vectors.entries()) {
    const shares = shareMatrix(kernel, values, values.length, 1, fracBits);
    // The seals of one vector are computed on other threads while the next is shared.
    await sent;
    sent = Promise.all(
      links.map(async ({ socket, sealKey }, i) => {
        const context = sealContext(vector, values.length, (i + 1) as PartyIndex);
        const sealed = await seal(sealKey, context, shares[i]);
        socket.cork();
        socket.write(moment);
        socket.write(sealed);
        socket.uncork();
      }),
    );
  }
  await sent;
}

async function read(socket: Socket, length: number): Promise<Buffer> {
  const frame = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const chunk: Buffer | null = socket.read(Math.min(length - filled, socket.readableLength || 1));
    if (chunk === null) await once(socket, "readable");
    else filled += chunk.copy(frame, filled);
  }
  return frame;
}
