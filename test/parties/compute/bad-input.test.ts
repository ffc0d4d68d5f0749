/** Sellers that prepare their shares with other software: what commitments and seals cannot show. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exactMicroRho, openTerms } from "../../../contracts/use-terms.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import { createKernel } from "../../../mpc/vector/index.ts";
import { schemaHash } from "../../../parties/data/schema.ts";
import { ciphertextHash, shareMatrix } from "../../../parties/data-set.ts";
import { seal } from "../../../parties/sealing.ts";
import { MarketWorld } from "./market-world.ts";

let world: MarketWorld;
/** An honest offer, which also stores the schema. */
let honest: string;

beforeAll(async () => {
  world = await MarketWorld.open();
  for (const point of partyIndices) await world.start(point);
  honest = (await world.offers())[0]!.id;
});
afterAll(() => world.close());

/** Offers a matrix of two rows, after `spoil` had its way with the three shares. */
async function offer(values: number[], spoil: (shares: Uint8Array[]) => void = () => {}): Promise<string> {
  const { market, address } = world.account(5);
  const kernel = await createKernel(world.schema.fieldBits);
  const shares = shareMatrix(kernel, Float64Array.from(values), 2, 2, world.schema.fracBits);
  spoil(shares);
  const facts = {
    nonce: `0x${randomBytes(32).toString("hex")}`,
    schemaHash: schemaHash(world.schema),
    rows: 2,
    columns: 2,
  };
  const hashes: string[] = [];
  for (const point of partyIndices) {
    const { owner, sealKey } = world.operators[point - 1]!;
    const sealed = await seal(
      sealKey.publicKey,
      {
        kind: "input-share",
        chainId: world.deployment.chainId,
        registry: world.deployment.jobEscrow,
        owner: address,
        operator: owner.address,
        point,
        ...facts,
      },
      shares[point - 1]!,
    );
    await world.client.uploadBlob(sealed);
    hashes.push(ciphertextHash(sealed));
  }
  const published = await market.publishOffer({
    operatorSet: world.operatorSet,
    budgetMicroRho: exactMicroRho,
    terms: openTerms(1n),
    ciphertextHashes: hashes as [string, string, string],
    ...facts,
  });
  return published.offer;
}

async function run(id: string) {
  const { client, market, address } = world.buyer();
  const proposal = await client.propose({ algorithm: "statistics", offers: [honest, id] });
  const before = await world.provider.getBalance(address);
  const { job } = await client.fund(proposal, 600);
  const outcome = await client.waitForResult(job).then(
    () => "Attested",
    (error) => error.code,
  );
  const spent = before - (await world.provider.getBalance(address));
  return { outcome, state: await market.jobState(job), onlyGas: spent < 10n ** 15n };
}

const refunded = (outcome: string) => ({ outcome, state: "Refunded", onlyGas: true });

describe("shares that no honest seller makes", () => {
  test("pass when the values are in range", async () => {
    expect((await run(await offer([0.5, -1, 1, 0]))).outcome).toBe("Attested");
  });

  test("fail the job when a value is out of its range", async () => {
    expect(await run(await offer([0.5, 0, 1.0001, 0]))).toEqual(refunded("INPUT_OUT_OF_RANGE"));
    expect(await run(await offer([0.5, -2, 1, 0]))).toEqual(refunded("INPUT_OUT_OF_RANGE"));
  });

  test("fail the job when the three do not lie on one line", async () => {
    const id = await offer([0.5, 0, 1, 0], (shares) => {
      // The lowest limb of the first element of party 3's share.
      shares[2]![16]! ^= 1;
    });
    expect(await run(id)).toEqual(refunded("SHARES_INCONSISTENT"));
  });
});
