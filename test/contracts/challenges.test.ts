/** Chunks that operators are asked for, through the typed bindings. */
import { AbiCoder, concat, keccak256 } from "ethers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { payoutTree } from "../../contracts/payouts.ts";
import { chunkElementBytes, chunkElements, type ResultParts } from "../../parties/result.ts";
import { bits, burnt, type DisputeFixture, startDisputes, total } from "./dispute-fixture.ts";
import { bytes32, settings } from "./market-fixture.ts";

let disputes: DisputeFixture;
let market: DisputeFixture["market"];
beforeAll(async () => {
  disputes = await startDisputes();
  ({ market } = disputes);
}, 60_000);
afterAll(() => market.close());

/** What a party owes of a result of two chunks. */
async function owed(job: string, point: number, blockTag?: number) {
  const reader = market.of(market.stranger);
  const options = blockTag === undefined ? {} : { blockTag };
  const open: { chunk: number; dueSec: number }[] = [];
  for await (const each of reader.openChallenges({ job, point, chunks: 2 }, options)) open.push(each);
  return open;
}

describe("a challenge", () => {
  test("keeps a job from being settled until the chunk is posted, for which the operator is paid", async () => {
    const { of, buyer, stranger, members, deployment, provider } = market;
    const { job, told, open } = await disputes.attested();
    const anyone = of(stranger);
    const before = await disputes.balance(deployment.disputes);
    const receipt = await of(buyer).challenge(told, 2, 1);
    expect((await disputes.balance(deployment.disputes)) - before).toBe(settings.challengeFeeWei);
    const { timestamp } = (await provider.getBlock(receipt.blockNumber))!;
    expect(await anyone.jobState(job)).toBe("Disputed");
    const dueSec = timestamp + settings.responseSec;
    expect(await anyone.isChallenged(job)).toBe(true);
    expect(await anyone.heldUntilSec(job)).toBe(null);
    expect(await anyone.heldUntilSec(job, receipt.blockNumber - 1)).toBe(0);
    expect(await anyone.openAgainst(members[1])).toBe(1);
    expect(await anyone.openAgainst(members[1], receipt.blockNumber - 1)).toBe(0);
    expect(await owed(job, 2)).toEqual([{ chunk: 1, dueSec }]);
    expect(await owed(job, 3)).toEqual([]);
    expect(await owed(job, 2, receipt.blockNumber - 1)).toEqual([]);
    expect((await anyone.jobEvents(job)).slice(-2)).toMatchObject([
      {
        ...{ type: "ChunkChallenged", job, operator: members[1], point: 2, chunk: 1 },
        dueSec,
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
    const poor = await disputes.balance(members[1]);
    const posted = open(2, 1);
    await anyone.respond(told, 2, 1, posted);
    expect((await disputes.balance(members[1])) - poor).toBe(settings.challengeFeeWei);
    expect(await anyone.isChallenged(job)).toBe(false);
    expect(await anyone.openAgainst(members[1])).toBe(0);
    expect(await owed(job, 2)).toEqual([]);
    const event = (await anyone.jobEvents(job)).at(-1);
    const heldUntilSec = event!.timestampSec + settings.responseSec;
    expect(await anyone.heldUntilSec(job)).toBe(heldUntilSec);
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
    expect(await disputes.balance(deployment.disputes)).toBe(before);
  });

  test("waits for every chunk that was asked for", async () => {
    const { of, buyer, stranger } = market;
    const { job, told, open } = await disputes.attested();
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
    const unattested = (await market.fund([disputes.offer])).job;
    const { job, told, parts, open } = await disputes.attested();
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
    const { told, open } = await disputes.attested();
    const baseFeeWei = 10n ** 11n;
    await provider.send("hardhat_setNextBlockBaseFeePerGas", [`0x${baseFeeWei.toString(16)}`]);
    await market.pass(1);
    const before = await disputes.balance(deployment.disputes);
    await of(buyer).challenge(told, 2, 0);
    const paid = (await disputes.balance(deployment.disputes)) - before;
    expect(paid).toBe((baseFeeWei * 13n * 300_000n) / 10n);
    expect(paid).toBeGreaterThan(settings.challengeFeeWei);
    const poor = await disputes.balance(members[1]);
    await of(stranger).respond(told, 2, 0, open(2, 0));
    expect((await disputes.balance(members[1])) - poor).toBe(paid);
    await provider.send("hardhat_setNextBlockBaseFeePerGas", ["0x3b9aca00"]);
  });

  test("comes too late for a result that the buyer has accepted, however long its window", async () => {
    const { of, buyer } = market;
    const { job, told, openAll } = await disputes.attested((value, coordinate, point) =>
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
  const { job, amountWei } = await market.fund([disputes.offer]);
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

test("an answer asks for no events: over a year of blocks that takes minutes, for each answer", async () => {
  const { of, buyer, stranger } = market;
  const { told, open } = await disputes.attested();
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
    const { job, told, amountWei, open } = await disputes.attested();
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
    const [mine, ashes] = [await disputes.balance(buyer.address), await disputes.balance(burnt)];
    const receipt = await anyone.expose(job, 2, 0);
    expect((await disputes.balance(buyer.address)) - mine).toBe(reward);
    expect((await disputes.balance(burnt)) - ashes).toBe(settings.minBondWei - reward);
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
    await expect(market.fund([disputes.offer])).rejects.toMatchObject({
      code: "STATE_INVALID",
      message: expect.stringContaining(members[1]),
    });

    await anyone.refund(job);
    await anyone.withdrawFees(buyer.address);
    expect((await disputes.balance(buyer.address)) - mine).toBe(
      amountWei + settings.challengeFeeWei + reward,
    );

    // The other one that owes an answer pays as well, but the price comes back only once.
    const after = await disputes.balance(buyer.address);
    await anyone.expose(job, 1, 1);
    await anyone.withdrawFees(buyer.address);
    expect((await disputes.balance(buyer.address)) - after).toBe(settings.challengeFeeWei + reward);
    expect(await anyone.operator(members[0])).toMatchObject({ status: "Slashed" });
    expect(await disputes.balance(deployment.disputes)).toBe(0n);
  });
});
