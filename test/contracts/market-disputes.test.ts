/** Disputes about results through the typed bindings, with the trees that parties make of their shares. */
import { AbiCoder, concat, keccak256, Wallet, ZeroHash } from "ethers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { signAttestation } from "../../contracts/eip712.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { shortId } from "../../contracts/use-terms.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs, type Kernel } from "../../mpc/vector/index.ts";
import { encodeShare } from "../../parties/data-set.ts";
import {
  chunkElementBytes,
  chunkElements,
  openChunk,
  partyResultRoot,
  type ResultOrigin,
  type ResultParts,
} from "../../parties/result.ts";
import { bytes32, type MarketFixture, settings, startMarket } from "./market-fixture.ts";

const bits = 61;
const prime = (1n << BigInt(bits)) - 1n;
/** Two chunks, the second of 6 elements. */
const total = chunkElements + 6;
const burnt = "0x000000000000000000000000000000000000dEaD";

let market: MarketFixture;
let kernel: Kernel;
let offer: string;
beforeAll(async () => {
  market = await startMarket();
  kernel = await createKernel(bits);
  ({ offer } = await market.publish("disputed"));
}, 60_000);
afterAll(() => market.close());

function shareOf(values: readonly bigint[], point: PartyIndex): Uint8Array {
  const region = kernel.beginRegion();
  const array = kernel.allocate(values.length);
  kernel.fromBigints(array, values);
  const bytes = encodeShare(kernel, array, { rows: values.length, cols: 1, fracBits: 0, point });
  kernel.endRegion(region);
  return bytes;
}

/** The three shares of a result of a job, each on a line through its secret, but for what a party makes of its own. */
function resultOf(job: string, lie: (value: bigint, coordinate: number, point: number) => bigint = (v) => v) {
  const parties = ([1, 2, 3] as const).map((point) => {
    const values = Array.from({ length: total }, (_, coordinate) => {
      const slope = BigInt(keccak256(`0x${(coordinate + 1).toString(16).padStart(4, "0")}`)) % prime;
      const honest = (BigInt(coordinate) * 1000n + slope * BigInt(point)) % prime;
      return lie(honest, coordinate, point) % prime;
    });
    const origin: ResultOrigin = { jobId: job, attempt: 1, operator: market.members[point - 1]!, point };
    const salt = new Uint8Array(32).fill(point);
    const share = shareOf(values, point);
    return {
      root: partyResultRoot(origin, salt, share),
      open: (chunk: number) => openChunk(origin, salt, share, chunk),
    };
  });
  const [one, two, three] = parties as [(typeof parties)[0], (typeof parties)[0], (typeof parties)[0]];
  const parts: ResultParts = {
    roots: [one.root, two.root, three.root],
    ciphertextHashes: [bytes32("sealed 1"), bytes32("sealed 2"), bytes32("sealed 3")],
    fieldBits: bits,
    total,
  };
  return {
    parts,
    open: (point: PartyIndex, chunk: number) => parties[point - 1]!.open(chunk),
    openAll: (chunk: number) => [one.open(chunk), two.open(chunk), three.open(chunk)] as const,
  };
}

/** A job whose result is attested. */
async function attested(lie?: Parameters<typeof resultOf>[1]) {
  const { job, amountWei } = await market.fund([offer]);
  await market.join(job);
  const result = resultOf(job, lie);
  const { root } = payoutTree([{ account: market.seller.address, amountWei }]);
  await market.attest(job, root, result.parts);
  return { job, told: await market.of(market.stranger).attestedJob(job), amountWei, ...result };
}

const balance = (account: string) => market.provider.getBalance(account);

test("the field of the shares is one that the contract computes in", () => {
  expect(fieldSpecs[bits].modulus).toBe(prime);
});

describe("a challenge", () => {
  test("keeps a job from being settled until the chunk is posted, for which the operator is paid", async () => {
    const { of, buyer, stranger, members, deployment, provider } = market;
    const { job, told, open } = await attested();
    const anyone = of(stranger);
    const before = await balance(deployment.disputes);
    const receipt = await of(buyer).challenge(told, 2, 1);
    expect((await balance(deployment.disputes)) - before).toBe(settings.challengeFeeWei);
    const { timestamp } = (await provider.getBlock(receipt.blockNumber))!;
    expect(await anyone.jobState(job)).toBe("Disputed");
    expect((await anyone.jobEvents(job)).slice(-2)).toMatchObject([
      {
        ...{ type: "ChunkChallenged", job, operator: members[1], point: 2, chunk: 1 },
        dueSec: timestamp + settings.responseSec,
      },
      { type: "JobDisputed", job },
    ]);

    const open2 = { code: "STATE_INVALID", message: expect.stringContaining("has not answered yet") };
    await expect(of(buyer).accept(job)).rejects.toMatchObject(open2);
    await market.pass(settings.challengeWindowSec + 1);
    await expect(anyone.settle(job)).rejects.toMatchObject(open2);

    // Neither another chunk, nor another party's, nor altered elements.
    const altered = open(2, 1);
    altered.elements[chunkElementBytes - 1]! ^= 1;
    for (const wrong of [open(2, 0), open(1, 1), altered, { ...open(2, 1), attempt: 2 }]) {
      await expect(anyone.respond(told, 2, 1, wrong)).rejects.toMatchObject({
        code: "COMMITMENT_MISMATCH",
        message: expect.stringContaining("at point 2"),
      });
    }
    const poor = await balance(members[1]);
    const posted = open(2, 1);
    await anyone.respond(told, 2, 1, posted);
    expect((await balance(members[1])) - poor).toBe(settings.challengeFeeWei);
    const event = (await anyone.jobEvents(job)).at(-1);
    const heldUntilSec = event!.timestampSec + settings.responseSec;
    expect(event).toMatchObject({
      ...{ type: "ChunkPosted", operator: members[1], point: 2, chunk: 1, heldUntilSec },
      opening: { ...posted, attempt: BigInt(posted.attempt) },
    });
    await expect(anyone.respond(told, 2, 1, posted)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(anyone.expose(job, 2, 1)).rejects.toMatchObject({ code: "NOT_FOUND" });

    await expect(anyone.settle(job)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringMatching(/can be contested until \d{4}-/),
    });
    await market.pass(settings.responseSec + 1);
    await anyone.settle(job);
    expect(await anyone.jobState(job)).toBe("Settled");
    expect(await balance(deployment.disputes)).toBe(before);
  });

  test("waits for every chunk that was asked for", async () => {
    const { of, buyer, stranger } = market;
    const { job, told, open } = await attested();
    await of(buyer).challenge(told, 1, 0);
    await of(buyer).challenge(told, 3, 0);
    await of(stranger).respond(told, 1, 0, open(1, 0));
    await expect(of(buyer).accept(job)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await of(stranger).respond(told, 3, 0, open(3, 0));
    await of(buyer).accept(job);
    expect(await of(stranger).jobState(job)).toBe("Settled");
  });

  test("is refused to others than the buyer, of what the result does not have, twice, and too late", async () => {
    const { of, buyer, stranger } = market;
    const unattested = (await market.fund([offer])).job;
    const { job, told, parts, open } = await attested();
    const buying = of(buyer);
    await expect(buying.attestedJob(unattested)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining("no attested result"),
    });
    await expect(of(stranger).challenge(told, 1, 0)).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
      message: expect.stringContaining(stranger.address),
    });
    for (const point of [0, 4]) {
      await expect(buying.challenge(told, point, 0)).rejects.toMatchObject({
        code: "PARAMETER_INVALID",
        message: expect.stringContaining(`point ${point}`),
      });
    }
    await expect(buying.challenge(told, 1, 2)).rejects.toMatchObject({
      code: "PARAMETER_INVALID",
      message: expect.stringContaining("no chunk 2 in a result of 2"),
    });
    // More chunks than were attested would be asked for in vain.
    for (const other of [
      { ...parts, total: total + 64 },
      { ...parts, fieldBits: 127 },
      { ...parts, roots: [parts.roots[1], parts.roots[0], parts.roots[2]] as const },
    ]) {
      await expect(buying.challenge({ ...told, parts: other }, 1, 0)).rejects.toMatchObject({
        code: "COMMITMENT_MISMATCH",
      });
    }
    await buying.challenge(told, 1, 0);
    await expect(buying.challenge(told, 1, 0)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining("already"),
    });
    await of(stranger).respond(told, 1, 0, open(1, 0));
    await expect(buying.challenge(told, 1, 0)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining("already"),
    });
    await market.pass(settings.challengeWindowSec + 1);
    const closed = { code: "STATE_INVALID", message: expect.stringContaining("can no longer be disputed") };
    await expect(buying.challenge(told, 2, 0)).rejects.toMatchObject(closed);
    await buying.accept(job);
    await expect(buying.challenge(told, 2, 0)).rejects.toMatchObject(closed);
  });

  test("costs what an answer costs where gas is dear, and the client pays ahead of its rise", async () => {
    const { of, buyer, stranger, members, provider, deployment } = market;
    const { told, open } = await attested();
    const baseFeeWei = 10n ** 11n;
    await provider.send("hardhat_setNextBlockBaseFeePerGas", [`0x${baseFeeWei.toString(16)}`]);
    await market.pass(1);
    const before = await balance(deployment.disputes);
    await of(buyer).challenge(told, 2, 0);
    const paid = (await balance(deployment.disputes)) - before;
    expect(paid).toBe((baseFeeWei * 13n * 300_000n) / 10n);
    expect(paid).toBeGreaterThan(settings.challengeFeeWei);
    const poor = await balance(members[1]);
    await of(stranger).respond(told, 2, 0, open(2, 0));
    expect((await balance(members[1])) - poor).toBe(paid);
    await provider.send("hardhat_setNextBlockBaseFeePerGas", ["0x3b9aca00"]);
  });

  test("comes too late for a result that the buyer has accepted, however long its window", async () => {
    const { of, buyer } = market;
    const { job, told, openAll } = await attested((value, coordinate, point) =>
      coordinate === 0 && point === 1 ? value + 1n : value,
    );
    await of(buyer).accept(job);
    // The window may be open still, so it must not be said to have ended.
    const settled = {
      code: "STATE_INVALID",
      message: expect.stringContaining("can no longer be disputed: the job ended, or"),
    };
    await expect(of(buyer).challenge(told, 2, 0)).rejects.toMatchObject(settled);
    await expect(of(buyer).contest(told, { chunk: 0, place: 0 }, openAll(0))).rejects.toMatchObject(settled);
  });
});

/** Where the answer to a challenge is as dear as it can be: a whole chunk of a result of 2^26 of them. */
test("an answer takes no more gas than a challenge pays for", async () => {
  const { of, buyer, stranger, members, seller } = market;
  const most = 2 ** 32 - 1;
  const { job, amountWei } = await market.fund([offer]);
  await market.join(job);
  // No byte is 0, for those are cheaper.
  const full = (label: string) => bytes32(label).replaceAll("00", "ff");
  const elements = Uint8Array.from({ length: chunkElements * chunkElementBytes }, (_, i) => (i % 255) + 1);
  const salt = full("salt");
  const attempt = BigInt(full("attempt"));
  const types = ["bytes32", "bytes32", "uint256", "address", "uint8", "uint256", "uint256", "bytes32"];
  const values = [salt, job, attempt, members[1], 2, 0, most, keccak256(elements)];
  let root = keccak256(keccak256(AbiCoder.defaultAbiCoder().encode(types, values)));
  const proof = Array.from({ length: 26 }, (_, depth) => full(`node ${depth}`));
  for (const node of proof) root = keccak256(concat([root, node].sort()));
  const roots: ResultParts["roots"] = [full("one"), root, full("three")];
  const sealed: ResultParts["roots"] = [full("sealed 1"), full("sealed 2"), full("sealed 3")];
  const parts: ResultParts = { roots, ciphertextHashes: sealed, fieldBits: bits, total: most };
  const { root: payouts } = payoutTree([{ account: seller.address, amountWei }]);
  await market.attest(job, payouts, parts);
  const told = await of(stranger).attestedJob(job);
  await of(buyer).challenge(told, 2, 0);
  const { gasUsed } = await of(stranger).respond(told, 2, 0, { salt, attempt, elements, proof });
  expect(gasUsed).toBeLessThan(150_000n);
  // The figure in the contract is not far from the truth either.
  expect(gasUsed).toBeGreaterThan(120_000n);
});

describe("three shares that are not on a line", () => {
  /** Coordinate 67: the fourth of the second chunk. */
  const lying = { chunk: 1, place: 3 };
  const liar = (value: bigint, coordinate: number, point: number) =>
    coordinate === chunkElements + lying.place && point === 3 ? value + 1n : value;

  test("bring the buyer all its money back, whoever shows them, and cost no bond", async () => {
    const { of, buyer, stranger, members, seller, deployment } = market;
    const { job, told, amountWei, openAll } = await attested(liar);
    const anyone = of(stranger);
    const [before, held] = [await balance(buyer.address), await balance(deployment.jobEscrow)];
    const receipt = await anyone.contest(told, lying, openAll(1));
    expect(await anyone.job(job)).toMatchObject({ state: "Failed", unclaimedWei: 0n });
    expect(await anyone.events(receipt.blockNumber, receipt.blockNumber)).toMatchObject([
      { type: "ResultContested", job, coordinate: 67n },
      { type: "JobOverturned", job },
    ]);
    await anyone.refund(job);
    expect((await balance(buyer.address)) - before).toBe(amountWei);
    expect(held - (await balance(deployment.jobEscrow))).toBe(amountWei);
    for (const member of members) {
      expect(await anyone.operator(member)).toMatchObject({
        status: "Active",
        bondWei: settings.minBondWei,
      });
    }
    const [payout] = payoutTree([{ account: seller.address, amountWei }]).payouts;
    await expect(anyone.claim({ job, ...payout! })).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(anyone.contest(told, lying, openAll(1))).rejects.toMatchObject({
      code: "STATE_INVALID",
    });
  });

  test("are shown as attested, and where they are", async () => {
    const { of, stranger } = market;
    const { job, told, openAll } = await attested(liar);
    const anyone = of(stranger);
    const refused = async (
      place: { chunk: number; place: number },
      openings: ReturnType<typeof openAll>,
      error: object,
    ) => expect(anyone.contest(told, place, openings)).rejects.toMatchObject(error);
    const [one, two, three] = openAll(1);

    await refused({ ...lying, place: 2 }, openAll(1), {
      code: "TERMS_REFUSED",
      message: `the three shares of coordinate 66 of job ${shortId(job)} are on a line`,
    });
    await refused({ chunk: 1, place: 6 }, openAll(1), {
      code: "PARAMETER_INVALID",
      message: expect.stringContaining("no coordinate 6 in a chunk of 6"),
    });
    await refused({ chunk: 2, place: 0 }, openAll(1), { code: "PARAMETER_INVALID" });
    await refused({ chunk: 0, place: 3 }, openAll(1), { code: "COMMITMENT_MISMATCH" });
    await refused(lying, [two, one, three], { code: "COMMITMENT_MISMATCH" });
    const invented = { ...two, elements: Uint8Array.from(two.elements, (byte) => byte ^ 1) };
    await refused(lying, [one, invented, three], {
      code: "COMMITMENT_MISMATCH",
      message: expect.stringContaining("at point 2"),
    });
    await market.pass(settings.challengeWindowSec + 1);
    await refused(lying, openAll(1), { code: "STATE_INVALID" });
  });

  test("can be shown after the window while a challenge keeps the job open", async () => {
    const { of, buyer, stranger } = market;
    const { job, told, open, openAll, amountWei } = await attested(liar);
    await of(buyer).challenge(told, 3, 1);
    await market.pass(settings.challengeWindowSec + 1);
    await of(stranger).respond(told, 3, 1, open(3, 1));
    const before = await balance(buyer.address);
    await of(stranger).contest(told, lying, openAll(1));
    await of(stranger).refund(job);
    expect((await balance(buyer.address)) - before).toBe(amountWei);
  });
});

test("an answer asks for no events: over a year of blocks that takes minutes, for each answer", async () => {
  const { of, buyer, stranger } = market;
  const { told, open } = await attested();
  const anyone = of(stranger);
  await of(buyer).challenge(told, 2, 1);
  const getLogs = vi.spyOn(anyone.provider, "getLogs");
  await anyone.respond(told, 2, 1, open(2, 1));
  expect(getLogs).not.toHaveBeenCalled();
  getLogs.mockRestore();
});

/** These take bonds, and so the set: they come last. */
describe("an operator that does not answer", () => {
  test("loses its bond, and the buyer gets its money, the fee and a tenth of the bond", async () => {
    const { of, buyer, stranger, members, owners, deployment } = market;
    const { job, told, amountWei, open } = await attested();
    const anyone = of(stranger);
    await of(buyer).challenge(told, 2, 0);
    await of(buyer).challenge(told, 1, 1);
    await expect(anyone.expose(job, 2, 0)).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringMatching(/has until \d{4}-/),
    });
    await market.pass(settings.responseSec + 1);
    await expect(anyone.respond(told, 2, 0, open(2, 0))).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringMatching(/ended at \d{4}-/),
    });

    const reward = settings.minBondWei / 10n;
    const [mine, ashes] = [await balance(buyer.address), await balance(burnt)];
    const receipt = await anyone.expose(job, 2, 0);
    expect((await balance(buyer.address)) - mine).toBe(reward);
    expect((await balance(burnt)) - ashes).toBe(settings.minBondWei - reward);
    expect(await anyone.jobState(job)).toBe("Failed");
    expect(await anyone.returnedFeesWei(buyer.address)).toBe(settings.challengeFeeWei);
    expect(await anyone.events(receipt.blockNumber, receipt.blockNumber)).toMatchObject([
      { type: "OperatorExposed", job, operator: members[1], point: 2, chunk: 0 },
      { type: "JobOverturned", job },
      {
        ...{ type: "OperatorSlashed", operator: members[1], beneficiary: buyer.address },
        ...{ bondWei: settings.minBondWei, rewardWei: reward },
      },
    ]);
    expect(await anyone.operator(members[1])).toMatchObject({ status: "Slashed", bondWei: 0n });
    await expect(of(owners[1]).requestUnbond()).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(of(owners[1]).withdrawBond()).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(of(owners[1]).resume()).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(market.fund([offer])).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining(members[1]),
    });

    await anyone.refund(job);
    await anyone.withdrawFees(buyer.address);
    expect((await balance(buyer.address)) - mine).toBe(amountWei + settings.challengeFeeWei + reward);

    // The other one that owes an answer pays as well, but the price comes back only once.
    const after = await balance(buyer.address);
    await anyone.expose(job, 1, 1);
    await anyone.withdrawFees(buyer.address);
    expect((await balance(buyer.address)) - after).toBe(settings.challengeFeeWei + reward);
    expect(await anyone.operator(members[0])).toMatchObject({ status: "Slashed" });
    expect(await balance(deployment.disputes)).toBe(0n);
  });
});

describe("a key that signed two results of one job", () => {
  const job = bytes32("a job that need not even be there");
  const one = { job, resultRoot: bytes32("one"), payoutRoot: bytes32("payouts"), budgetSpent: 0n };
  const other = { ...one, resultRoot: bytes32("other") };

  test("costs its operator the bond, of which a tenth goes to whoever shows it", async () => {
    const { of, stranger, signers, members, deployment } = market;
    const sign = (message: typeof one, signer: { signTypedData: Wallet["signTypedData"] } = signers[2]) =>
      signAttestation(signer as Wallet, deployment, message);
    const anyone = of(stranger);
    const none = { code: "STATE_INVALID" };
    const signed = await sign(one);
    const cases: [typeof one, string][] = [
      [one, signed],
      [{ ...other, job: bytes32("another job") }, await sign({ ...other, job: bytes32("another job") })],
      [other, await sign(other, signers[1])],
      [other, await sign(other, Wallet.createRandom())],
    ];
    for (const [message, signature] of cases) {
      await expect(anyone.convict([one, message], [signed, signature])).rejects.toMatchObject({
        code: "PARAMETER_INVALID",
        message: expect.stringContaining("not two different attestations"),
      });
    }
    const nobody = Wallet.createRandom();
    await expect(
      anyone.convict([one, other], [await sign(one, nobody), await sign(other, nobody)]),
    ).rejects.toMatchObject({ ...none, message: expect.stringContaining("belongs to no operator") });

    const [before, ashes] = [await balance(stranger.address), await balance(burnt)];
    const receipt = await anyone.convict([one, other], [signed, await sign(other)]);
    const reward = settings.minBondWei / 10n;
    const gas = receipt.gasUsed * receipt.gasPrice;
    expect((await balance(stranger.address)) - before + gas).toBe(reward);
    expect((await balance(burnt)) - ashes).toBe(settings.minBondWei - reward);
    expect(await anyone.operator(members[2])).toMatchObject({ status: "Slashed", bondWei: 0n });
    const [convicted] = await anyone.events(receipt.blockNumber, receipt.blockNumber);
    expect(convicted).toMatchObject({ type: "OperatorConvicted", job, operator: members[2] });
    expect((convicted as { digests: string[] }).digests).not.toContain(ZeroHash);
    await expect(anyone.convict([one, other], [signed, await sign(other)])).rejects.toMatchObject({
      ...none,
      message: `operator ${members[2]} has no bond any more`,
    });
  });
});
