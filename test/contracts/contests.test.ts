/** Lies that can be proved, through the typed bindings: shares that are on no line, and two words of one key. */
import { Wallet, ZeroHash } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { signAttestation } from "../../contracts/eip712.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { shortId } from "../../contracts/use-terms.ts";
import { fieldSpecs } from "../../mpc/vector/index.ts";
import { chunkElements } from "../../parties/result.ts";
import { bits, burnt, type DisputeFixture, prime, startDisputes } from "./dispute-fixture.ts";
import { bytes32, settings } from "./market-fixture.ts";

let disputes: DisputeFixture;
let market: DisputeFixture["market"];
beforeAll(async () => {
  disputes = await startDisputes();
  ({ market } = disputes);
}, 60_000);
afterAll(() => market.close());

test("the field of the shares is one that the contract computes in", () => {
  expect(fieldSpecs[bits].modulus).toBe(prime);
});

describe("three shares that are not on a line", () => {
  /** Coordinate 67: the fourth of the second chunk. */
  const lying = { chunk: 1, place: 3 };
  const liar = (value: bigint, coordinate: number, point: number) =>
    coordinate === chunkElements + lying.place && point === 3 ? value + 1n : value;

  test("bring the buyer all its money back, whoever shows them, and cost no bond", async () => {
    const { of, buyer, stranger, members, seller, deployment } = market;
    const { job, told, amountWei, openAll } = await disputes.attested(liar);
    const anyone = of(stranger);
    const [before, held] = [
      await disputes.balance(buyer.address),
      await disputes.balance(deployment.jobEscrow),
    ];
    const receipt = await anyone.contest(told, lying, openAll(1));
    expect(await anyone.job(job)).toMatchObject({ state: "Failed", unclaimedWei: 0n });
    expect(await anyone.events(receipt.blockNumber, receipt.blockNumber)).toMatchObject([
      { type: "ResultContested", job, coordinate: 67n },
      { type: "JobOverturned", job },
    ]);
    await anyone.refund(job);
    expect((await disputes.balance(buyer.address)) - before).toBe(amountWei);
    expect(held - (await disputes.balance(deployment.jobEscrow))).toBe(amountWei);
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
    const { job, told, openAll } = await disputes.attested(liar);
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
    const { job, told, open, openAll, amountWei } = await disputes.attested(liar);
    await of(buyer).challenge(told, 3, 1);
    await market.pass(settings.challengeWindowSec + 1);
    await of(stranger).respond(told, 3, 1, open(3, 1));
    const before = await disputes.balance(buyer.address);
    await of(stranger).contest(told, lying, openAll(1));
    await of(stranger).refund(job);
    expect((await disputes.balance(buyer.address)) - before).toBe(amountWei);
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

    const [before, ashes] = [await disputes.balance(stranger.address), await disputes.balance(burnt)];
    const receipt = await anyone.convict([one, other], [signed, await sign(other)]);
    const reward = settings.minBondWei / 10n;
    const gas = receipt.gasUsed * receipt.gasPrice;
    expect((await disputes.balance(stranger.address)) - before + gas).toBe(reward);
    expect((await disputes.balance(burnt)) - ashes).toBe(settings.minBondWei - reward);
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
