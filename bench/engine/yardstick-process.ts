/** One of the three processes whose bare exchanges tell how fast the machine is at the moment. */
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import { BareLinks } from "./bare-links.ts";
import { answer, nextTask } from "./messages.ts";

export interface YardstickTask {
  readonly partyIndex: PartyIndex;
  readonly ports: readonly number[];
}

/** About the size of a frame in a step of training. */
const payload = new Uint8Array(6000).fill(7);
const batches = 9;
const roundsInBatch = 200;

// The connections would keep the process alive when the benchmark dies.
process.once("disconnect", () => process.exit());
const links = new BareLinks();
await answer<number>(await links.listen());
const { partyIndex, ports } = await nextTask<YardstickTask>();
await links.connect(partyIndex, ports);
for (;;) {
  await nextTask();
  const micros: number[] = [];
  for (let batch = 0; batch <= batches; batch++) {
    const start = performance.now();
    for (let i = 0; i < roundsInBatch; i++) await links.round(payload);
    // The first batch warms up.
    if (batch > 0) micros.push(((performance.now() - start) * 1000) / roundsInBatch);
  }
  await answer<number[]>(micros);
}
