import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import { type InputSealContext, unseal } from "../../../parties/sealing.ts";
import { columns, MarketWorld, tables } from "./market-world.ts";

let world: MarketWorld;

beforeAll(async () => {
  world = await MarketWorld.open();
  for (const point of partyIndices) await world.start(point);
});
afterAll(() => world.close());

/** Everything that the nodes left on disk or in their logs, as one string of bytes. */
async function traces(): Promise<Buffer> {
  const found: Buffer[] = [Buffer.from(world.logged.join(""))];
  for (const point of partyIndices) {
    const folder = join(world.folder, `node-${point}`);
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isFile()) found.push(await readFile(join(entry.parentPath, entry.name)));
    }
  }
  return Buffer.concat(found);
}

test("nothing that a node logs or keeps shows a share, a key or a row", async () => {
  const offers = await world.offers();
  const { client } = world.buyer();
  const proposal = await client.propose({ algorithm: "statistics", offers: offers.map(({ id }) => id) });
  const { job } = await client.fund(proposal, 600);
  await client.waitForResult(job);
  const secrets: Buffer[] = [];
  for (const [i, { owner, signer, sealKey, channelKey, jiffKey, storageKey }] of world.operators.entries()) {
    const point = partyIndices[i]!;
    for (const { privateKey } of [owner, signer, sealKey, channelKey, jiffKey]) {
      secrets.push(Buffer.from(privateKey.reveal()));
    }
    secrets.push(Buffer.from(storageKey.reveal()));
    for (const offer of proposal.offers) {
      const context: InputSealContext = {
        kind: "input-share",
        chainId: world.deployment.chainId,
        registry: world.deployment.jobEscrow,
        owner: offer.seller,
        nonce: offer.nonce,
        schemaHash: offer.schemaHash,
        rows: offer.rows,
        columns: offer.columns,
        operator: owner.address,
        point,
      };
      const sealed = await world.client.downloadBlob(offer.ciphertextHashes[i]!, 1 << 20);
      const share = Buffer.from(await unseal(sealKey.privateKey, context, sealed));
      // The elements without their header, whose bytes are the same in every share.
      for (let at = 16; at + 12 <= share.length; at += 12) secrets.push(share.subarray(at, at + 12));
    }
  }
  const all = await traces();
  const text = all.toString("latin1").toLowerCase();
  // The tests' own check: what is there is found.
  expect(all.includes(Buffer.from("attested"))).toBe(true);
  for (const secret of secrets) {
    expect(all.includes(secret)).toBe(false);
    expect(text.includes(secret.toString("hex"))).toBe(false);
    expect(text.includes(secret.toString("base64").replace(/=+$/, "").toLowerCase())).toBe(false);
  }
  for (const value of [70.5, 61]) expect(tables.some((table) => table.values.includes(value))).toBe(true);
  expect(world.logged.join("")).not.toMatch(/70\.5|"weight"/);
  expect(columns).toContain("weight");
});
