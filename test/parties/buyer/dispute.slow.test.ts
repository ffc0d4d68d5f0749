/** Disputes on a real chain, with its contracts and a bridge; the operators are played by hand. */
import { join } from "node:path";
import { formatEther, id } from "ethers";
import pino from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { BridgeClient } from "../../../bridge/client.ts";
import type { SymbolonError } from "../../../mpc/errors.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";
import { challengeShares, chunkCount, contestResult, inspectResult } from "../../../parties/buyer/dispute.ts";
import { type DisputeEnd, disputeResult } from "../../../parties/buyer/dispute-steps.ts";
import { fetchResult } from "../../../parties/buyer/result.ts";
import type { Three } from "../../../parties/buyer/result-shares.ts";
import { ChainWatch } from "../../../parties/compute/chain-watch.ts";
import { ChallengeDesk } from "../../../parties/compute/challenge-desk.ts";
import { EvidenceStore } from "../../../parties/compute/evidence-store.ts";
import { Journal } from "../../../parties/compute/journal.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { createKeys } from "../../../parties/keys.ts";
import { openChunk } from "../../../parties/result.ts";
import { Secret } from "../../../parties/secret.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type AttestedJob, type AttestOptions, attestJob, wideTable } from "./attested-job.ts";

let world: MarketWorld;
let offer: string;
const stops: (() => Promise<void>)[] = [];

beforeAll(async () => {
  world = await MarketWorld.open();
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});
afterAll(() => world.close());

const attest = (options?: AttestOptions): Promise<AttestedJob> => attestJob(world, offer, options);
const balance = ({ connection }: AttestedJob) => world.provider.getBalance(connection.buyer);
const discreet = { disclose: false };
/** One party's lie about one number. */
function addTo(shares: Three<bigint[]>, point: PartyIndex, place: number): void {
  shares[point - 1]![place]! += 1n;
}

/** The operator's own answers to challenges, as its node gives them. */
async function startDesk(attested: AttestedJob, point: PartyIndex): Promise<void> {
  const { market } = world.account(point);
  const folder = join(world.folder, `evidence-${randomBytes(6).toString("hex")}`);
  const evidence = await EvidenceStore.open(join(folder, "evidence"), new Secret(randomBytes(32)));
  await evidence.keep(attested.evidence[point - 1]!);
  const operator = world.operators[point - 1]!.owner.address;
  const logger = pino({ level: "silent" });
  const journal = new Journal(folder, world.deployment, operator);
  const desk = new ChallengeDesk({ operator, market, evidence, journal, mostFeePerGas: 10n ** 12n, logger });
  const watch = new ChainWatch({
    ...{ market, logger, confirmations: 0, pollMs: 100 },
    onLook: () => {},
    afterLook: (ledger) => desk.review(ledger, watch.headSec, watch.block),
  });
  watch.start();
  stops.push(async () => {
    await desk.close();
    await watch.close();
    journal.close();
  });
}

async function pass(seconds: number): Promise<void> {
  await world.provider.send("evm_increaseTime", [seconds]);
  await world.provider.send("evm_mine", []);
}

async function dispute(
  { job, connection }: AttestedJob,
  disclose = false,
): Promise<DisputeEnd & { steps: string[] }> {
  const steps: string[] = [];
  const end = await disputeResult(connection, job, { disclose, onStep: (line) => steps.push(line) });
  return { ...end, steps };
}
const eventsOf = async ({ job, connection }: AttestedJob, type: string) =>
  (await connection.market.jobEvents(job)).filter((event) => event.type === type);

describe("a sound result", () => {
  test("is told to be one, and nothing is sent", async () => {
    const attested = await attest();
    const before = await balance(attested);
    const end = await dispute(attested);
    expect(end).toMatchObject({ outcome: "sound", txHash: null, steps: [] });
    const read = await fetchResult(attested.connection, attested.job);
    expect(end.result?.file).toEqual(read.file);
    expect(await balance(attested)).toBe(before);
    const inspection = await inspectResult(attested.connection, attested.job);
    expect(chunkCount(inspection.finished)).toBe(2);
    await expect(contestResult(attested.connection, inspection)).rejects.toMatchObject({
      code: "STATE_INVALID",
    });
    expect(await attested.connection.market.jobState(attested.job)).toBe("Attested");
  });

  test("is read too where a party wrote nonsense around the numbers that it attested", async () => {
    const attested = await attest({
      spoilBytes: ([, two]) => {
        // Fractional bits and point: no root covers them.
        two[6] = 9;
        two[7] = 3;
      },
    });
    await expect(fetchResult(attested.connection, attested.job)).rejects.toMatchObject({
      code: "RESULT_TAMPERED",
    });
    const { outcome, result } = await dispute(attested);
    expect(outcome).toBe("sound");
    const honest = await dispute(await attest());
    expect(result?.file.model).toEqual(honest.result?.file.model);
  });

  test("is for the buyer's own key", async () => {
    const { connection, job } = await attest();
    const stranger = { ...connection, resultKey: createKeys("buyer").resultKey };
    await expect(disputeResult(stranger, job, discreet)).rejects.toMatchObject({ code: "KEY_INVALID" });
  });

  test("does not exist before it is attested", async () => {
    await expect(disputeResult((await attest()).connection, id("no job"), discreet)).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  });
});

describe("a lie about one number", () => {
  // First of all, last of the whole chunk, first and last of the short one; by each party.
  test.each<[number, PartyIndex]>([
    [0, 1],
    [63, 2],
    [64, 3],
    [99, 1],
  ])("number %i, by party %i, is shown to the chain and the money is back", async (place, liar) => {
    const attested = await attest({ spoil: (shares) => addTo(shares, liar, place) });
    const { connection, job, amountWei } = attested;
    await expect(fetchResult(connection, job)).rejects.toMatchObject({ code: "RESULT_TAMPERED" });
    const before = await balance(attested);
    const end = await dispute(attested);
    expect(end).toMatchObject({ outcome: "contested", result: null });
    expect(end.steps.join()).toContain(`number ${place} `);
    const [contested] = await eventsOf(attested, "ResultContested");
    expect(contested).toMatchObject({ coordinate: BigInt(place), txHash: end.txHash });
    expect(await connection.market.jobState(job)).toBe("Refunded");
    const [refunded] = await eventsOf(attested, "JobRefunded");
    const sent = [end.txHash!, refunded!.txHash].map((hash) => world.provider.getTransactionReceipt(hash));
    const fees = (await Promise.all(sent)).map((receipt) =>
      receipt!.from === connection.buyer ? receipt!.fee : 0n,
    );
    expect(await balance(attested)).toBe(before + amountWei - fees[0]! - fees[1]!);
  });

  test("is shown for the first of several", async () => {
    const attested = await attest({
      spoil: (shares) => {
        addTo(shares, 3, 70);
        addTo(shares, 3, 65);
      },
    });
    await dispute(attested);
    expect(await eventsOf(attested, "ResultContested")).toMatchObject([{ coordinate: 65n }]);
  });

  test("cannot be shown of a result that was accepted, and the words say so", async () => {
    const attested = await attest({ spoil: (shares) => addTo(shares, 3, 70) });
    await attested.connection.market.accept(attested.job);
    await expect(dispute(attested)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining("was accepted at"),
    });
  });
});

describe("a missing share", () => {
  test("is not asked for without the buyer's consent, and the words say what it costs", async () => {
    const attested = await attest({ deliver: [1, 3] });
    const before = await balance(attested);
    const refused = await dispute(attested).catch((error: unknown) => error as SymbolonError);
    expect(refused).toMatchObject({ code: "TERMS_REFUSED", exitCode: 3 });
    expect((refused as SymbolonError).message).toContain("party 2");
    const price = formatEther(2n * (await attested.connection.market.challengeFeeWei()));
    expect((refused as SymbolonError).hint).toContain(`2 chunks, for ${price} ETH`);
    expect((refused as SymbolonError).hint).toContain("--disclose");
    expect(await balance(attested)).toBe(before);
    expect(await eventsOf(attested, "ChunkChallenged")).toEqual([]);
  });

  test("is posted by its operator, and the result is the one that was withheld", async () => {
    const attested = await attest({ deliver: [1, 3] });
    await startDesk(attested, 2);
    const end = await dispute(attested, true);
    expect(end).toMatchObject({ outcome: "posted", txHash: null });
    expect(await eventsOf(attested, "ChunkChallenged")).toHaveLength(2);
    const posted = await eventsOf(attested, "ChunkPosted");
    expect(posted.map((event) => "chunk" in event && [event.point, event.chunk])).toEqual(
      expect.arrayContaining([
        [2, 0],
        [2, 1],
      ]),
    );
    // Asked again, nothing more is paid: the chunks stand on chain.
    const before = await balance(attested);
    expect((await dispute(attested, true)).outcome).toBe("posted");
    expect(await balance(attested)).toBe(before);
    await attested.deliver(2);
    const { file } = await fetchResult(attested.connection, attested.job);
    expect(end.result?.file.model).toEqual(file.model);
  });

  test("of all three parties is posted by all", async () => {
    const attested = await attest({ deliver: [] });
    const refused = await dispute(attested).catch((error: unknown) => error as SymbolonError);
    expect((refused as SymbolonError).message).toContain("everybody");
    for (const point of [1, 2, 3] as const) await startDesk(attested, point);
    const end = await dispute(attested, true);
    expect(end.outcome).toBe("posted");
    for (const point of [1, 2, 3] as const) await attested.deliver(point);
    const { file } = await fetchResult(attested.connection, attested.job);
    expect(end.result?.file.model).toEqual(file.model);
  });

  test("of all three is read from the chain alone by a buyer whose bridge is gone", async () => {
    const { connection, job, ...attested } = await attest();
    for (const point of partyIndices) await startDesk({ connection, job, ...attested }, point);
    const bridge = new BridgeClient({ url: "http://127.0.0.1:9", timeoutMs: 500 });
    const schema = deriveSchema([wideTable]);
    const end = await disputeResult({ ...connection, bridge, schema }, job, { disclose: true });
    expect(end.outcome).toBe("posted");
    const { file } = await fetchResult(connection, job);
    // But for what the parties say of their run, which was with the sealed shares.
    expect({ ...end.result?.file, run: null }).toEqual({ ...file, run: null });
  });

  test("that is posted and contradicts the others is shown to the chain with what its operator posted", async () => {
    const attested = await attest({
      deliver: [2, 3],
      spoil: (shares) => addTo(shares, 1, 80),
    });
    await startDesk(attested, 1);
    const end = await dispute(attested, true);
    expect(end.outcome).toBe("contested");
    expect(await eventsOf(attested, "ResultContested")).toMatchObject([{ coordinate: 80n }]);
    expect(await attested.connection.market.jobState(attested.job)).toBe("Refunded");
  });

  test("says what was asked, what came of it and what the rest costs, once a part was asked for", async () => {
    const attested = await attest({ deliver: [1, 2] });
    const { connection, job, evidence } = attested;
    await connection.market.challenge(await connection.market.attestedJob(job), 3, 1);
    const [asked] = (await eventsOf(attested, "ChunkChallenged")) as { dueSec: number }[];
    const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
    const refused = async () => (await dispute(attested).catch((error: unknown) => error)) as SymbolonError;
    const first = await refused();
    expect(first.code).toBe("TERMS_REFUSED");
    expect(first.message).toContain(
      `party 3 has posted 0 of 1 chunk that it was asked for on chain, and has until ${time(asked!.dueSec)}`,
    );
    const { windowEndSec } = await connection.market.job(job);
    const price = formatEther(await connection.market.challengeFeeWei());
    expect(first.hint).toContain(`1 more chunk, for ${price} ETH`);
    expect(first.hint).toContain(time(windowEndSec!));
    const { origin, salt, share } = evidence[2];
    const told = await world.account(1).market.attestedJob(job);
    await world.account(1).market.respond(told, 3, 1, openChunk(origin, salt, share, 1));
    expect((await refused()).message).toContain("has posted 1 of 1 chunk that it was asked for on chain;");
    expect(await eventsOf(attested, "ChunkChallenged")).toHaveLength(1);
  });

  test.each([false, true])("of a result that was accepted is lost, with --disclose %s", async (disclose) => {
    const attested = await attest({ deliver: [1, 3] });
    const { blockNumber } = await attested.connection.market.accept(attested.job);
    const at = new Date((await world.provider.getBlock(blockNumber))!.timestamp * 1000).toISOString();
    await expect(dispute(attested, disclose)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringMatching(
        new RegExp(`party 2 is missing, but job .* was accepted at ${at}, and can no longer be disputed$`),
      ),
    });
    expect(await eventsOf(attested, "ChunkChallenged")).toEqual([]);
  });

  test("needs no further consent once all of it was asked for", async () => {
    const attested = await attest({ deliver: [1, 3] });
    const { finished } = await inspectResult(attested.connection, attested.job, 0);
    await challengeShares(attested.connection, finished, [2]);
    await startDesk(attested, 2);
    expect((await dispute(attested)).outcome).toBe("posted");
    expect(await eventsOf(attested, "ChunkChallenged")).toHaveLength(2);
  });

  test("goes on where an interrupted dispute left it", async () => {
    const attested = await attest({ deliver: [1, 2] });
    const { connection, job, evidence } = attested;
    const { finished } = await inspectResult(connection, job, 0);
    await connection.market.challenge(await connection.market.attestedJob(job), 3, 1);
    const sent: number[] = [];
    await challengeShares(connection, finished, [3], (_point, chunk) => sent.push(chunk));
    expect(sent).toEqual([0]);
    const { origin, salt, share } = evidence[2];
    // Anyone may post a chunk.
    const anyone = world.account(1).market;
    const told = await anyone.attestedJob(job);
    await anyone.respond(told, 3, 0, openChunk(origin, salt, share, 0));
    await startDesk(attested, 3);
    expect((await dispute(attested, true)).outcome).toBe("posted");
    expect(await eventsOf(attested, "ChunkChallenged")).toHaveLength(2);
  });
});

// Last, for they move the chain's clock.
describe("a share that could be asked for only in part before the challenge window closed", () => {
  /** One of two chunks was asked for when the window closed; its answer holds the job up. */
  async function askedInPart(options: AttestOptions = {}): Promise<AttestedJob> {
    const attested = await attest({ deliver: [1, 2], ...options });
    const { connection, job, evidence } = attested;
    const { challengeWindowSec, responseSec } = await connection.market.settings();
    await pass(challengeWindowSec - responseSec / 2);
    await connection.market.challenge(await connection.market.attestedJob(job), 3, 1);
    await pass(responseSec / 2 + 5);
    const { origin, salt, share } = evidence[2];
    await world
      .account(1)
      .market.respond(await connection.market.attestedJob(job), 3, 1, openChunk(origin, salt, share, 1));
    return attested;
  }

  test.each([true, false])("ends with what is known, with --disclose %s", async (disclose) => {
    const attested = await askedInPart();
    const end = await dispute(attested, disclose);
    expect(end).toMatchObject({ outcome: "incomplete", result: null });
    expect(end.words).toContain("1 of 2 chunks");
    expect(await eventsOf(attested, "ChunkChallenged")).toHaveLength(1);
  });

  test("is not asked for after it, and the refusal says since when", async () => {
    const attested = await attest({ deliver: [1, 2] });
    const { challengeWindowSec } = await attested.connection.market.settings();
    await pass(challengeWindowSec + 1);
    const { windowEndSec } = await attested.connection.market.job(attested.job);
    await expect(dispute(attested)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining(new Date(windowEndSec! * 1000).toISOString()),
    });
  });

  test("is contested where that part is false", async () => {
    const attested = await askedInPart({ spoil: (shares) => addTo(shares, 3, 80) });
    expect((await dispute(attested, true)).outcome).toBe("contested");
    expect(await attested.connection.market.jobState(attested.job)).toBe("Refunded");
  });
});

describe("a share that its operator cannot post", () => {
  /** A job of the second test: after the first one the operators' set takes no more. */
  let asked: AttestedJob;

  test("for it is of another length than was attested: it counts as missing, its operator is slashed, and the money is back", async () => {
    asked = await attest({ deliver: [1, 3] });
    const attested = await attest({ spoil: (shares) => void shares[2].pop() });
    const { connection, job, amountWei } = attested;
    await expect(dispute(attested)).rejects.toMatchObject({ code: "TERMS_REFUSED" });
    await startDesk(attested, 3);
    const before = await balance(attested);
    const ending = dispute(attested, true);
    await expect.poll(async () => (await eventsOf(attested, "ChunkChallenged")).length).toBe(2);
    await pass(700);
    const end = await ending;
    expect(end).toMatchObject({ outcome: "exposed", result: null });
    expect(end.words).toContain("party 3");
    expect(await eventsOf(attested, "OperatorExposed")).toMatchObject([
      { txHash: end.txHash, point: 3 },
      { point: 3 },
    ]);
    expect(await connection.market.jobState(job)).toBe("Refunded");
    const { status, bondWei } = await connection.market.operator(world.operators[2]!.owner.address);
    expect([status, bondWei]).toEqual(["Slashed", 0n]);
    // The clock has passed both chunks' time, so both fees are back.
    expect(await world.provider.getBalance(world.deployment.disputes)).toBe(0n);
    expect(before - (await balance(attested))).toBeLessThan(10n ** 16n - amountWei);
    // Asked again it says the same.
    expect(await dispute(attested, true)).toMatchObject({ outcome: "exposed", txHash: end.txHash });
  });

  test("costs its bond without more consent, though only a part of it was asked for", async () => {
    const { connection, job } = asked;
    const { responseSec } = await connection.market.settings();
    await connection.market.challenge(await connection.market.attestedJob(job), 2, 0);
    await pass(responseSec + 1);
    // The bridge may have exposed the operator before, and then the chain would refuse another challenge anyway.
    const challenge = vi.spyOn(connection.market, "challenge");
    expect(await dispute(asked)).toMatchObject({ outcome: "exposed" });
    expect(challenge).not.toHaveBeenCalled();
    expect(await connection.market.jobState(job)).toBe("Refunded");
  });
});
