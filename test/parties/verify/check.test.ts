import { Wallet } from "ethers";
import { beforeAll, describe, expect, it } from "vitest";
import { type Bundle, parseBundle } from "../../../parties/verify/bundle.ts";
import { verifyBundle } from "../../../parties/verify/check.ts";
import { anyHash, sampleBundle } from "./sample-bundle.ts";

let good: Bundle;
beforeAll(async () => {
  good = await sampleBundle();
});

/** Names of the checks that an altered copy fails; offers by their place. */
async function failures(alter: (bundle: Bundle) => void): Promise<string[]> {
  const copy = structuredClone(good);
  alter(copy);
  const { valid, checks } = await verifyBundle(copy);
  const place = new Map(copy.offers.map(({ offer }, i) => [`data set of offer ${offer}`, i + 1]));
  const failed = checks
    .filter(({ ok }) => !ok)
    .map(({ name }) => (place.has(name) ? `data set of offer ${place.get(name)}` : name));
  expect(valid).toBe(failed.length === 0);
  return failed;
}

const otherAddress = Wallet.createRandom().address;

describe("verifyBundle", () => {
  it("passes an honest bundle, and says what it cannot know", async () => {
    const { valid, checks, notChecked } = await verifyBundle(parseBundle(JSON.parse(JSON.stringify(good))));
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
    expect(valid).toBe(true);
    expect(checks.map(({ name }) => name)).toContain("code");
    expect(notChecked.join(" ")).toMatch(/on chain.*computed rightly.*genuine.*only the buyer/);
  });

  const alterations: [string, string, (bundle: Bundle) => void][] = [
    ["a member of the set", "operator set", (b) => (b.job.members[1] = otherAddress)],
    [
      "a sealed share of a data set",
      "data set of offer 1",
      (b) => (b.offers[0]!.ciphertextHashes[2] = anyHash()),
    ],
    ["the rows of a data set", "data set of offer 2", (b) => (b.offers[1]!.rows = 11)],
    ["the name of a data set", "data set of offer 2", (b) => (b.offers[1]!.offer = anyHash())],
    ["a data set twice", "data sets", (b) => (b.offers[1] = structuredClone(b.offers[0]!))],
    ["the seller of a data set", "data set of offer 1", (b) => (b.offers[0]!.seller = otherAddress)],
    ["the chain", "data set of offer 1", (b) => (b.deployment.chainId = 1)],
    ["the escrow", "signature of party 1", (b) => (b.deployment.jobEscrow = otherAddress)],
    ["the order of the data sets", "name of the job", (b) => b.offers.reverse()],
    ["a bound of the schema", "schema", (b) => (b.schema.columns[0]!.max = 2)],
    ["the deadline", "name of the job", (b) => (b.job.deadlineSec += 1)],
    ["the result key", "name of the job", (b) => (b.job.resultKey = anyHash())],
    ["the buyer", "name of the job", (b) => (b.job.buyer = otherAddress)],
    ["the algorithm", "name of the job", (b) => (b.job.algorithm = anyHash())],
    ["the hash of a sealed result", "result root", (b) => (b.attestation.ciphertextHashes[0] = anyHash())],
    ["the field of the result", "result root", (b) => (b.attestation.fieldBits = 107)],
    ["the length of the result", "result root", (b) => (b.attestation.elements += 1)],
    ["a party's root", "result root", (b) => (b.attestation.shareRoots[1] = anyHash())],
    ["the attested result root", "signature of party 3", (b) => (b.attestation.resultRoot = anyHash())],
    ["the budget", "signature of party 2", (b) => (b.attestation.budgetSpent = "1")],
    ["a signer", "signature of party 2", (b) => (b.job.signers[1] = otherAddress)],
    ["the name of the job", "signature of party 1", (b) => (b.job.id = anyHash())],
    ["the token", "name of the job", (b) => (b.job.token = otherAddress)],
    ["a signer, in the name", "name of the job", (b) => (b.job.signers[1] = otherAddress)],
    ["the purpose", "name of the job", (b) => (b.job.purpose = anyHash())],
    ["the privacy", "name of the job", (b) => (b.job.microRho = "1")],
    ["two signatures exchanged", "signature of party 1", (b) => b.attestation.signatures.reverse()],
    ["the payout root", "payouts", (b) => (b.attestation.payoutRoot = anyHash())],
    ["who is paid", "payouts", (b) => (b.payouts[0]!.account = otherAddress)],
    ["what is paid", "payouts", (b) => (b.payouts[0]!.amountWei = "1001")],
    ["a payout left out", "payouts", (b) => b.payouts.pop()],
    ["a proof", "payouts", (b) => (b.payouts[0]!.proof[0] = anyHash())],
    ["a fee", "payouts", (b) => (b.operators[0].feeWei = "11")],
    ["a price", "payouts", (b) => (b.offers[0]!.priceWei = "999")],
    ["the amount", "payouts", (b) => (b.job.amountWei = "2031")],
    ["a column too many", "shape and ranges", (b) => (b.offers[0]!.columns = 3)],
  ];

  it.each(alterations)("catches %s: %s", async (_what, check, alter) => {
    expect(await failures(alter)).toContain(check);
  });

  it("does not claim to know the code of another build", async () => {
    const copy = structuredClone(good);
    copy.job.algorithm = anyHash();
    const { checks, notChecked } = await verifyBundle(copy);
    expect(checks.map(({ name }) => name)).not.toContain("code");
    expect(notChecked[0]).toContain(copy.job.algorithm);
  });

  it("catches a specification that is not canonical", async () => {
    const failed = await failures((bundle) => {
      const spec = JSON.parse(Buffer.from(bundle.job.spec.slice(2), "hex").toString()) as object;
      bundle.job.spec = `0x${Buffer.from(JSON.stringify(spec, null, 1)).toString("hex")}`;
    });
    expect(failed).toEqual(expect.arrayContaining(["specification", "name of the job"]));
  });
});

describe("parseBundle", () => {
  const bad: [string, (bundle: Record<string, unknown>) => void][] = [
    ["another version", (b) => (b.symbolonBundle = 2)],
    ["a missing part", (b) => delete b.attestation],
    ["a superfluous part", (b) => (b.result = [1])],
    ["no data set", (b) => (b.offers = [])],
  ];
  it.each(bad)("refuses %s", (_what, alter) => {
    const copy = structuredClone(good) as unknown as Record<string, unknown>;
    alter(copy);
    expect(() => parseBundle(copy)).toThrow(expect.objectContaining({ code: "USAGE" }));
  });

  it("refuses a specification that is none", () => {
    const copy = structuredClone(good);
    copy.job.spec = "0x7b7d";
    expect(() => parseBundle(copy)).toThrow(expect.objectContaining({ code: "PARAMETER_INVALID" }));
  });
});
