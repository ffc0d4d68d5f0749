/** One of the three parties of a stock JIFF computation: jiff-mpc as published, in its ordinary use. */
import { createRequire } from "node:module";
import { answer, nextTask } from "../engine/messages.ts";
import { jiffWorks, type StockJiff, type StockShare, shareFrom } from "./works.ts";

export interface JiffTask {
  readonly relayPort: number;
  readonly partyIndex: number;
  /** Index in `jiffWorks`. */
  readonly work: number;
}

/** Milliseconds of each run, and the largest difference from the right result. */
export interface JiffReply {
  readonly ms: readonly number[];
  readonly maxError: number;
}

interface Client extends StockJiff {
  apply_extension(extension: unknown, options: object): void;
  wait_for(parties: number[], ready: () => void): void;
  connect(): void;
}

const require = createRequire(import.meta.url);
const JIFFClient = require("jiff-mpc/lib/jiff-client.js") as new (
  url: string,
  computation: string,
  options: object,
) => Client;

const { relayPort, partyIndex, work: index } = await nextTask<JiffTask>();
const work = jiffWorks[index];
const jiff = new JIFFClient(`http://127.0.0.1:${relayPort}`, `bench-${index}`, {
  party_id: partyIndex,
  party_count: 3,
  crypto_provider: true,
  autoConnect: false,
});
// Its test of the prime is by trial division and would take longer than the work.
jiff.apply_extension(require("jiff-mpc/lib/ext/jiff-client-bignumber.js"), {
  Zp: work.prime,
  safemod: false,
});
if (work.fixed !== undefined) {
  jiff.apply_extension(require("jiff-mpc/lib/ext/jiff-client-fixedpoint.js"), work.fixed);
}
const met = new Promise<void>((resolve) => jiff.wait_for([1, 2, 3], resolve));
jiff.connect();
await met;

const inputs = shareFrom(jiff, 1, partyIndex, work.inputs);
await settled(inputs);
const ms: number[] = [];
let outputs: readonly { toString(): string }[] = [];
for (let run = 0; run < work.runs; run++) {
  const start = performance.now();
  const results = work.run(jiff, inputs, partyIndex);
  await settled(results);
  ms.push(performance.now() - start);
  if (run === work.runs - 1) {
    outputs = await Promise.all(results.map((r) => (isShare(r) ? jiff.open(r) : r)));
  }
}
const errors = work.expected.map((right, i) => Math.abs(Number(outputs[i].toString()) - right));
await answer<JiffReply>({ ms, maxError: Math.max(...errors) });
process.exit();

function isShare(result: StockShare | Promise<unknown>): result is StockShare {
  return "value" in result;
}

/** Waits until this party's part of every result is there. */
async function settled(results: readonly (StockShare | Promise<unknown>)[]): Promise<void> {
  await Promise.all(results.map((r) => (isShare(r) ? r.value : r)));
}
