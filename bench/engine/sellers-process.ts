/** The sellers of the aggregation benchmark, in one process: makes, seals and sends the shares of each run. */
import { once } from "node:events";
import { connect } from "node:net";
import { createKernel, type FieldBits } from "../../mpc/vector/index.ts";
import { findWorkload } from "../workloads.ts";
import { nextTask } from "./messages.ts";
import { sendShares } from "./sellers-link.ts";

export interface SellersTask {
  readonly workload: string;
  readonly field: FieldBits;
  /** Of parties 1, 2 and 3: where they take shares, and the key to seal to, in hexadecimal digits. */
  readonly parties: readonly { readonly port: number; readonly sealKey: string }[];
}

const task = await nextTask<SellersTask>();
const workload = findWorkload(task.workload);
const kernel = await createKernel(task.field);
const vectors: Float64Array[] = [];
for (const input of workload.inputs) {
  vectors.push((await input.raw()).map((raw) => raw / 2 ** input.fracBits));
}
const links = task.parties.map(({ port, sealKey }) => ({
  socket: connect({ port, host: "127.0.0.1", noDelay: true }),
  sealKey: Buffer.from(sealKey, "hex"),
}));
await Promise.all(links.map(({ socket }) => once(socket, "connect")));
links[0].socket.on("data", () => void sendShares(kernel, vectors, workload.inputs[0].fracBits, links));
