/** One operator that keeps the parts of the result to itself, on a real chain with a bridge; played by hand. */
import { id } from "ethers";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { AttestationPost } from "../../../bridge/client.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { disputeResult } from "../../../parties/buyer/dispute-steps.ts";
import { fetchResult } from "../../../parties/buyer/result.ts";
import { deriveSchema, schemaHash } from "../../../parties/data/schema.ts";
import { exportBundle } from "../../../parties/verify/bundle.ts";
import { verifyBundle } from "../../../parties/verify/check.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type AttestOptions, attestJob, wideTable } from "./attested-job.ts";

let world: MarketWorld;
let offer: string;

beforeAll(async () => {
  world = await MarketWorld.open();
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
});
afterEach(() => vi.restoreAllMocks());
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

test("a bundle is made from the chain, whatever the bridge was told", async () => {
  const { job, connection, parts } = await attestJob(world, offer, {
    rogue: { point: 2, post: async () => {} },
  });
  const ask = vi.spyOn(connection.bridge, "job");
  const bundle = await exportBundle(connection, job);
  expect(ask).not.toHaveBeenCalled();
  expect(bundle.attestation).toMatchObject({
    shareRoots: parts.roots,
    ciphertextHashes: parts.ciphertextHashes,
    elements: parts.total,
  });
  expect((await verifyBundle(bundle)).checks.filter(({ ok }) => !ok)).toEqual([]);
});

describe("of a job that another contract brought to the chain", () => {
  /** The call that the escrow saw is in no transaction then. */
  async function throughAnother(options: AttestOptions = {}) {
    const attested = await attestJob(world, offer, options);
    const { provider } = attested.connection.market;
    const told = vi.spyOn(provider, "getTransaction");
    told.mockImplementationOnce(async (hash) => {
      told.mockRestore();
      const transaction = await provider.getTransaction(hash);
      return transaction && Object.assign(transaction, { to: world.buyer().address });
    });
    return attested;
  }

  test("a bundle has the signatures that the operators posted", async () => {
    const { job, connection } = await throughAnother();
    const bundle = await exportBundle(connection, job);
    expect((await verifyBundle(bundle)).checks.filter(({ ok }) => !ok)).toEqual([]);
    // The same as from the chain.
    expect(await exportBundle(connection, job)).toEqual(bundle);
  });

  test.each(["another operator's", "no"])(
    "there is none with %s signature in the place of one",
    async (which) => {
      const { job, connection } = await throughAnother();
      const view = await connection.bridge.job(job);
      const signature = which === "no" ? "0x" : view.attestations[0]!.signature;
      const attestations = view.attestations.map((post) =>
        post.point === 2 ? { ...post, signature } : post,
      );
      vi.spyOn(connection.bridge, "job").mockResolvedValueOnce({ ...view, attestations });
      await expect(exportBundle(connection, job)).rejects.toMatchObject({
        code: "BRIDGE_UNREACHABLE",
        message: expect.stringContaining("operator 2"),
      });
    },
  );

  test("there is none without an operator's post, and the refusal says whose is missing", async () => {
    const { job, connection } = await throughAnother({ rogue: { point: 2, post: async () => {} } });
    await expect(exportBundle(connection, job)).rejects.toMatchObject({
      code: "BRIDGE_UNREACHABLE",
      message: expect.stringContaining("operator 2"),
    });
  });
});

test("a bridge that does not have the schema keeps no result back from who has it", async () => {
  const { job, connection } = await attestJob(world, offer);
  const schema = deriveSchema([wideTable]);
  const lost = new SymbolonError("NOT_FOUND", "no such blob");
  const { downloadBlob } = world.client;
  vi.spyOn(world.client, "downloadBlob").mockImplementation(async (hash, ...rest) => {
    if (hash === schemaHash(schema)) throw lost;
    return downloadBlob.call(world.client, hash, ...rest);
  });
  await expect(fetchResult(connection, job)).rejects.toMatchObject({
    code: "NOT_FOUND",
    hint: expect.stringContaining("--schema FILE"),
  });
  expect((await fetchResult({ ...connection, schema }, job)).file.rows).toBe(3);
  expect((await disputeResult({ ...connection, schema }, job, { disclose: false })).outcome).toBe("sound");
  const other = { ...schema, fieldBits: 61 as const };
  await expect(fetchResult({ ...connection, schema: other }, job)).rejects.toMatchObject({
    code: "SCHEMA_INVALID",
  });
});

test("a bridge that tells nothing of a job but its sealed shares keeps neither result nor dispute back", async () => {
  const honest = await attestJob(world, offer);
  const lied = await attestJob(world, offer, {
    spoil: ([, second]) => {
      second[0]! += 1n;
    },
  });
  vi.spyOn(world.client, "job").mockRejectedValue(new SymbolonError("NOT_FOUND", "no such job"));
  expect((await fetchResult(honest.connection, honest.job)).file.rows).toBe(3);
  expect((await disputeResult(lied.connection, lied.job, { disclose: true })).outcome).toBe("contested");
});
