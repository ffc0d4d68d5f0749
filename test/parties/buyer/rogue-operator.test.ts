/** One operator that keeps the parts of the result to itself, on a real chain with a bridge; played by hand. */
import { id } from "ethers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { AttestationPost } from "../../../bridge/client.ts";
import { disputeResult } from "../../../parties/buyer/dispute-steps.ts";
import { fetchResult } from "../../../parties/buyer/result.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { exportBundle } from "../../../parties/verify/bundle.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type AttestOptions, attestJob, wideTable } from "./attested-job.ts";

let world: MarketWorld;
let offer: string;

beforeAll(async () => {
  world = await MarketWorld.open();
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
});
afterAll(() => world.close());

const refused = expect.objectContaining({ code: "USAGE" });
const waysToKeepThem: [string, (post: AttestationPost) => Promise<void>][] = [
  ["posts nothing", async () => {}],
  [
    "posts a false root",
    async (post) => {
      const [first, , third] = post.parts.roots;
      const parts = { ...post.parts, roots: [first, id("false root"), third] as typeof post.parts.roots };
      const posted = world.client.postAttestation(post.attestation.job, { ...post, parts });
      await expect(posted).rejects.toEqual(refused);
    },
  ],
  [
    "posts the hash of another sealed share",
    async (post) => {
      const [first, , third] = post.parts.ciphertextHashes;
      const hashes = [first, id("nothing"), third] as typeof post.parts.ciphertextHashes;
      const parts = { ...post.parts, ciphertextHashes: hashes };
      const posted = world.client.postAttestation(post.attestation.job, { ...post, parts });
      await expect(posted).rejects.toEqual(refused);
    },
  ],
];

describe.each(waysToKeepThem)("an operator that %s", (_, post) => {
  const attest = (options: AttestOptions) =>
    attestJob(world, offer, { ...options, rogue: { point: 2, post } });

  test("does not keep the buyer from the result", async () => {
    const { job, connection } = await attest({});
    expect((await fetchResult(connection, job)).file.rows).toBe(3);
  });

  test("does not keep the buyer from a dispute about a lie", async () => {
    const { job, connection } = await attest({
      spoil: ([, second]) => {
        second[0]! += 1n;
      },
    });
    await expect(fetchResult(connection, job)).rejects.toMatchObject({ code: "RESULT_TAMPERED" });
    expect((await disputeResult(connection, job, { disclose: true })).outcome).toBe("contested");
    await expect.poll(() => connection.market.jobState(job)).toBe("Refunded");
  });
});

test("without an operator's own signature there is no bundle, and the refusal says whose is missing", async () => {
  const { job, connection } = await attestJob(world, offer, { rogue: { point: 2, post: async () => {} } });
  await expect(exportBundle(connection, job)).rejects.toMatchObject({
    code: "BRIDGE_UNREACHABLE",
    message: expect.stringContaining("operator 2"),
  });
  const whole = await attestJob(world, offer);
  const bundle = await exportBundle(whole.connection, whole.job);
  expect(bundle.attestation).toMatchObject({
    shareRoots: whole.parts.roots,
    ciphertextHashes: whole.parts.ciphertextHashes,
    elements: whole.parts.total,
  });
});

test("of a bridge that alters posts the buyer takes one that has the attested root, or none", async () => {
  const { job, connection } = await attestJob(world, offer);
  const view = await connection.bridge.job(job);
  const ask = vi.spyOn(connection.bridge, "job");
  for (const altered of [2, 3]) {
    const attestations = view.attestations.map((post, i) =>
      i < altered ? { ...post, parts: { ...post.parts, total: post.parts.total + 1 } } : post,
    );
    ask.mockResolvedValueOnce({ ...view, attestations });
    const fetched = fetchResult(connection, job);
    if (altered === 2) expect((await fetched).file.rows).toBe(3);
    else await expect(fetched).rejects.toMatchObject({ code: "BRIDGE_UNREACHABLE" });
  }
});
