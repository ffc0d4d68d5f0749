import { describe, expect, test } from "vitest";
import { Party } from "../../../mpc/party.ts";
import { createMemoryChannels } from "../../../mpc/transport/memory.ts";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import { createKernel } from "../../../mpc/vector/index.ts";
import { agreeOnRun, exchangeResults, farewell } from "../../../parties/compute/exchange.ts";

async function threeParties() {
  const kernel = await createKernel(61);
  const network = createMemoryChannels();
  return partyIndices.map((index) => {
    const { transport, pairSecrets } = network[index - 1]!;
    return { party: new Party(kernel, transport, pairSecrets), transport };
  });
}
const hash = (byte: number) => `0x${byte.toString(16).padStart(2, "0").repeat(32)}`;
const digest = (byte: number) => new Uint8Array(32).fill(byte);

describe("the parties", () => {
  test("begin only when all three run the same thing", async () => {
    const same = await threeParties();
    await Promise.all(same.map(({ party }) => agreeOnRun(party, digest(7))));
    const different = await threeParties();
    const outcomes = await Promise.allSettled(
      different.map(({ party }, i) => agreeOnRun(party, digest(i === 1 ? 8 : 7))),
    );
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: "rejected", reason: { code: "RUN_ABORTED" } });
    }
  });

  test("learn each other's results in the order of the points", async () => {
    const parties = await threeParties();
    const own = partyIndices.map((point) => ({ root: hash(point), ciphertextHash: hash(16 + point) }));
    const all = await Promise.all(parties.map(({ party }, i) => exchangeResults(party, own[i]!)));
    for (const each of all) expect(each).toEqual(own);
  });

  test("may hang up once they have said farewell, and mind no peer that has", async () => {
    const [one, two, three] = await threeParties();
    await Promise.all([one, two, three].map((each) => farewell(each!.party)));
    const others = await threeParties();
    others[2]!.transport.close();
    await Promise.all(others.slice(0, 2).map((each) => farewell(each.party)));
  });
});
