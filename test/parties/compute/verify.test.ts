import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toUtf8Bytes } from "ethers";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { findAlgorithm, identify } from "../../../algorithms/catalog.ts";
import { encodeJobSpec, type JobSpec } from "../../../algorithms/job-spec.ts";
import type { Market } from "../../../contracts/market.ts";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import type { Job, Offer } from "../../../contracts/market-views.ts";
import {
  accountValue,
  allowRoot,
  exactMicroRho,
  openRules,
  openTerms,
} from "../../../contracts/use-terms.ts";
import { randomBytes } from "../../../mpc/random.ts";
import type { PartyIndex } from "../../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs } from "../../../mpc/vector/index.ts";
import { type NodeConfigInput, parseNodeConfig } from "../../../parties/compute/config.ts";
import { SealedStore } from "../../../parties/compute/sealed-store.ts";
import { JobVerifier } from "../../../parties/compute/verify.ts";
import { type DataSetSchema, schemaHash, schemaJson } from "../../../parties/data/schema.ts";
import { ciphertextHash, shareBytes, shareMatrix } from "../../../parties/data-set.ts";
import { createKeys, type OperatorKeys } from "../../../parties/keys.ts";
import { type InputSealContext, seal } from "../../../parties/sealing.ts";
import { publishDataSet } from "../../../parties/seller/client.ts";
import { MarketWorld, tables } from "./market-world.ts";

const unknownAlgorithm = `0x${"77".repeat(32)}`;
let world: MarketWorld;
let market: Market;
/** Offers of the two tables. */
let offers: string[];

beforeAll(async () => {
  world = await MarketWorld.open();
  for (const index of [1, 2, 3])
    await world.account(index).market.approve(world.operatorSet, unknownAlgorithm);
  offers = (await world.offers()).map(({ id }) => id);
  ({ market } = world.account(12));
});
afterAll(() => world.close());

const hex32 = () => `0x${randomBytes(32).toString("hex")}`;
const spec = (changes: Partial<JobSpec> = {}): JobSpec => ({
  version: 1,
  algorithm: { id: "statistics", version: "1.0.0" },
  parameters: {},
  schemaHash: schemaHash(world.schema),
  ...changes,
});

interface Request {
  spec?: JobSpec | Uint8Array;
  offers?: string[];
  algorithm?: string;
  resultKey?: string;
  microRho?: bigint;
}

let jobs = 0;
async function fund(request: Request = {}): Promise<Job> {
  const given = request.spec ?? spec();
  const { job } = await market.createJob({
    algorithm: request.algorithm ?? (await identify(findAlgorithm("statistics").manifest)).hash,
    operatorSet: world.operatorSet,
    // Two jobs with the same terms would have the same name.
    deadlineSec: Math.floor(Date.now() / 1000) + 3600 + jobs++,
    resultKey: request.resultKey ?? world.resultKey.publicKey,
    offers: request.offers ?? offers,
    ...(request.microRho !== undefined && { microRho: request.microRho }),
    spec: given instanceof Uint8Array ? given : encodeJobSpec(given),
  });
  return market.job(job);
}

/** The verifier of party 1's node. */
async function verifier(
  changes: Partial<NodeConfigInput> = {},
  keys: OperatorKeys = world.operators[0]!,
  reader: MarketReader = market,
) {
  const point = Math.max(1, world.operators.indexOf(keys) + 1) as PartyIndex;
  const config = await parseNodeConfig({ ...world.config(point), ...changes });
  const folder = await mkdtemp(join(tmpdir(), "symbolon-sealed-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const sealed = await SealedStore.open(folder, world.client);
  return new JobVerifier({ config, keys, market: reader, bridge: world.client, sealed });
}

/** The market as an endpoint tells it that says something else about every offer. */
function told(change: Partial<Offer>): MarketReader {
  return new Proxy<MarketReader>(market, {
    get: (target, key) => {
      if (key === "offer") return async (id: string) => ({ ...(await target.offer(id)), ...change });
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function verify(job: Job, changes: Partial<NodeConfigInput> = {}, keys?: OperatorKeys) {
  return (await verifier(changes, keys)).verify(job, Math.floor(Date.now() / 1000));
}

/** Publishes an offer whose three sealed shares are these. */
async function offerOf(sealed: readonly [Uint8Array, Uint8Array, Uint8Array], nonce = hex32()) {
  for (const bytes of sealed) await world.client.uploadBlob(bytes);
  const { offer } = await world.account(5).market.publishOffer({
    operatorSet: world.operatorSet,
    schemaHash: schemaHash(world.schema),
    rows: 3,
    columns: 2,
    nonce,
    ciphertextHashes: sealed.map(ciphertextHash) as [string, string, string],
    budgetMicroRho: exactMicroRho,
    terms: openTerms(1n),
  });
  return offer;
}

/** Shares of a matrix of zeros with so many rows, sealed as shares of three rows to the right operators. */
async function sealedZeros(rows: number, nonce: string, changes: Partial<InputSealContext> = {}) {
  const kernel = await createKernel(world.schema.fieldBits);
  const shares = shareMatrix(kernel, new Float64Array(rows * 2), rows, 2, world.schema.fracBits);
  const seals = shares.map((share, i) => {
    const point = (i + 1) as 1 | 2 | 3;
    const { owner, sealKey } = world.operators[i]!;
    const context: InputSealContext = {
      kind: "input-share",
      chainId: world.deployment.chainId,
      registry: world.deployment.jobEscrow,
      owner: world.account(5).address,
      ...{ nonce, schemaHash: schemaHash(world.schema), rows: 3, columns: 2 },
      ...{ operator: owner.address, point },
      ...changes,
    };
    return seal(sealKey.publicKey, context, share);
  });
  return (await Promise.all(seals)) as [Uint8Array, Uint8Array, Uint8Array];
}

const codeIs = (code: string) => expect.objectContaining({ code });

describe("a job that is right", () => {
  test("is accepted, with what the run needs", async () => {
    const job = await fund();
    const verified = await verify(job);
    expect(verified).toMatchObject({ point: 1, job: { job: job.job } });
    expect(verified.inputs.map(({ context }) => [context.rows, context.columns])).toEqual([
      [tables[0]!.rows, 2],
      [tables[1]!.rows, 2],
    ]);
    expect(verified.plan.parts.map(({ name }) => name)).toEqual(["sum", "squares"]);
    expect((await verify(job, {}, world.operators[2])).point).toBe(3);
  });

  test("is accepted over shares that the seller sealed by hand", async () => {
    const nonce = hex32();
    const offer = await offerOf(await sealedZeros(3, nonce), nonce);
    expect((await verify(await fund({ offers: [offer] }))).inputs.length).toBe(1);
  });
});

describe("a node refuses a job", () => {
  test("whose algorithm is not on its own list, whatever the chain says", async () => {
    await expect(verify(await fund(), { algorithms: [unknownAlgorithm] })).rejects.toEqual(
      codeIs("ALGORITHM_NOT_APPROVED"),
    );
  });

  test("whose algorithm was approved, funded and then revoked", async () => {
    const { hash } = await identify(findAlgorithm("statistics").manifest);
    const job = await fund();
    await world.account(1).market.revoke(world.operatorSet, hash);
    await expect(verify(job)).rejects.toEqual(codeIs("ALGORITHM_NOT_APPROVED"));
    await world.account(1).market.approve(world.operatorSet, hash);
    await verify(job);
  });

  test("for another build of the algorithm than its own", async () => {
    const job = await fund({ algorithm: unknownAlgorithm });
    await expect(verify(job)).rejects.toEqual(codeIs("ALGORITHM_UNKNOWN"));
  });

  test("of an algorithm that it does not know", async () => {
    const job = await fund({ spec: spec({ algorithm: { id: "oracle", version: "1.0.0" } }) });
    await expect(verify(job)).rejects.toEqual(codeIs("ALGORITHM_UNKNOWN"));
  });

  test("with parameters or a specification out of form", async () => {
    const wrong = await fund({ spec: spec({ parameters: { rows: 3 } }) });
    await expect(verify(wrong)).rejects.toEqual(codeIs("PARAMETER_INVALID"));
    for (const bytes of [toUtf8Bytes("{"), toUtf8Bytes('{"version":2}'), new Uint8Array([255])]) {
      await expect(verify(await fund({ spec: bytes }))).rejects.toEqual(codeIs("PARAMETER_INVALID"));
    }
  });

  test("of other operators, or with other keys than it has", async () => {
    const job = await fund();
    await expect(verify(job, {}, createKeys("operator"))).rejects.toEqual(codeIs("NOT_AUTHORISED"));
    const { owner } = world.operators[0]!;
    const others = createKeys("operator", { owner: owner.privateKey.hex() });
    await expect(verify(job, {}, others)).rejects.toEqual(codeIs("KEY_INVALID"));
  });

  test("that is due too soon", async () => {
    const job = await fund();
    const node = await verifier();
    await expect(node.verify(job, job.deadlineSec - 4)).rejects.toEqual(codeIs("JOB_EXPIRED"));
    await node.verify(job, job.deadlineSec - 5);
  });

  test("over an offer that does not fit its own name, or is shared to other operators", async () => {
    const job = await fund();
    const telling = async (change: Partial<Offer>) =>
      (await verifier({}, undefined, told(change))).verify(job, Math.floor(Date.now() / 1000));
    const { address } = world.account(9);
    for (const change of [{ nonce: hex32() }, { rows: 4 }, { seller: address }, { offer: hex32() }]) {
      await expect(telling(change)).rejects.toEqual(codeIs("COMMITMENT_MISMATCH"));
    }
    await expect(telling({ operatorSet: hex32() })).rejects.toEqual(codeIs("TERMS_REFUSED"));
    await telling({});
  });

  test("over data sets of different schemas, or of a schema that nobody has", async () => {
    const schema: DataSetSchema = { ...world.schema, fracBits: 12 };
    const { market: sells, address } = world.account(6);
    const { offer } = await publishDataSet(
      { bridge: world.client, market: sells, seller: address },
      { table: tables[1]!, schema, operatorSet: world.operatorSet, terms: openTerms(1n) },
    );
    const mixed = await fund({ offers: [offers[0]!, offer] });
    await expect(verify(mixed)).rejects.toEqual(codeIs("SCHEMA_MISMATCH"));
    const unknown = await fund({ spec: spec({ schemaHash: hex32() }) });
    await expect(verify(unknown)).rejects.toEqual(codeIs("NOT_FOUND"));
    const { hash } = await world.client.uploadBlob(toUtf8Bytes(`${schemaJson(world.schema)} `));
    const loose = await fund({ spec: spec({ schemaHash: hash }) });
    await expect(verify(loose)).rejects.toEqual(codeIs("SCHEMA_MISMATCH"));
  });

  test("whose data is shared in a field too small to mask it", async () => {
    const schema: DataSetSchema = { ...world.schema, fieldBits: 61, fracBits: 20 };
    const { market: sells, address } = world.account(6);
    const { offer } = await publishDataSet(
      { bridge: world.client, market: sells, seller: address },
      { table: tables[1]!, schema, operatorSet: world.operatorSet, terms: openTerms(1n) },
    );
    const job = await fund({ offers: [offer], spec: spec({ schemaHash: schemaHash(schema) }) });
    await expect(verify(job)).rejects.toEqual(codeIs("RANGE_EXCEEDED"));
  });

  test("with more data or a longer result than it takes", async () => {
    const job = await fund();
    // The limit counts elements, although party 1 is sent a seed.
    const offers = await Promise.all(job.offers.map((id) => market.offer(id)));
    const spec = fieldSpecs[world.schema.fieldBits];
    const elements = offers.reduce((sum, { rows, columns }) => sum + shareBytes(spec, rows, columns), 0);
    const at = (maxInputBytes: number) => verify(job, { limits: { maxInputBytes } });
    await expect(at(elements - 1)).rejects.toEqual(codeIs("LIMIT_EXCEEDED"));
    await expect(at(elements)).resolves.toBeDefined();
    await expect(verify(job, { limits: { maxResultElements: 3 } })).rejects.toEqual(codeIs("LIMIT_EXCEEDED"));
  });

  test("that would be charged less privacy than its result takes", async () => {
    const job = await fund({ microRho: 5n });
    await expect(verify(job)).rejects.toEqual(
      expect.objectContaining({ code: "TERMS_REFUSED", message: expect.stringContaining("rho 0.000005") }),
    );
  });

  test("whose sellers' terms nobody can read", async () => {
    const buyers = allowRoot([accountValue(world.account(12).address)]);
    const terms = { ...openTerms(1n), rules: { ...openRules, buyers, document: hex32() } };
    const nonce = hex32();
    const sealed = await sealedZeros(3, nonce);
    for (const bytes of sealed) await world.client.uploadBlob(bytes);
    const { offer } = await world.account(5).market.publishOffer({
      operatorSet: world.operatorSet,
      schemaHash: schemaHash(world.schema),
      rows: 3,
      columns: 2,
      nonce,
      ciphertextHashes: sealed.map(ciphertextHash) as [string, string, string],
      budgetMicroRho: exactMicroRho,
      terms,
    });
    await expect(verify(await fund({ offers: [offer] }))).rejects.toEqual(codeIs("NOT_FOUND"));
  });

  test("whose shape nobody could hold, before anything is planned or fetched for it", async () => {
    const { offer } = await world.account(5).market.publishOffer({
      operatorSet: world.operatorSet,
      schemaHash: schemaHash(world.schema),
      rows: 2 ** 32 - 1,
      columns: 2,
      nonce: hex32(),
      ciphertextHashes: [hex32(), hex32(), hex32()],
      budgetMicroRho: exactMicroRho,
      terms: openTerms(1n),
    });
    const started = process.memoryUsage().heapUsed;
    await expect(verify(await fund({ offers: [offer] }))).rejects.toEqual(codeIs("SHAPE_MISMATCH"));
    expect(process.memoryUsage().heapUsed - started).toBeLessThan(2 ** 28);
  });

  test("whose inputs nobody has", async () => {
    const { offer } = await world.account(5).market.publishOffer({
      operatorSet: world.operatorSet,
      schemaHash: schemaHash(world.schema),
      rows: 3,
      columns: 2,
      nonce: hex32(),
      ciphertextHashes: [hex32(), hex32(), hex32()],
      budgetMicroRho: exactMicroRho,
      terms: openTerms(1n),
    });
    await expect(verify(await fund({ offers: [offer] }))).rejects.toEqual(codeIs("NOT_FOUND"));
  });

  test("whose committed ciphertexts do not open for it", async () => {
    const nonce = hex32();
    const right = await sealedZeros(3, nonce);
    const elsewhere = await offerOf(await sealedZeros(3, nonce, { chainId: 1 }), nonce);
    const otherNonce = await offerOf(right);
    for (const offer of [elsewhere, otherNonce]) {
      await expect(verify(await fund({ offers: [offer] }))).rejects.toEqual(codeIs("SEAL_INVALID"));
    }
    // Party 1 is sent a seed: nothing longer is even fetched.
    const toTwo = await offerOf([right[0], right[2], right[1]], nonce);
    const funded = await fund({ offers: [toTwo] });
    await expect(verify(funded, {}, world.operators[1])).rejects.toEqual(codeIs("SEAL_INVALID"));
    const swapped = await offerOf([right[1], right[0], right[2]], hex32());
    await expect(verify(await fund({ offers: [swapped] }))).rejects.toEqual(codeIs("LIMIT_EXCEEDED"));
  });

  test("whose shares are not of the shape that was offered", async () => {
    const nonce = hex32();
    const offer = await offerOf(await sealedZeros(2, nonce), nonce);
    await expect(verify(await fund({ offers: [offer] }))).rejects.toEqual(codeIs("FIELD_ENCODING"));
  });

  test("whose result nobody could be sealed to", async () => {
    // A point of small order: what is sealed to it can be read by everybody.
    const job = await fund({ resultKey: `0x01${"00".repeat(31)}` });
    await expect(verify(job)).rejects.toEqual(codeIs("KEY_INVALID"));
  });
});
