/** The signatures under a result, as a transaction shows them. */
import { id, makeError } from "ethers";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { attestationSignatures } from "../../contracts/attest-call.ts";
import { resultRoot } from "../../contracts/commitments.ts";
import { recoverAttestation } from "../../contracts/eip712.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { type MarketFixture, startMarket } from "./market-fixture.ts";
import { someParts } from "./some-parts.ts";

let market: MarketFixture;
let job: string;
let hashes: { join: string; attest: string };
const { root: payoutRoot } = payoutTree([{ account: `0x${"11".repeat(20)}`, amountWei: 1n }]);

beforeAll(async () => {
  market = await startMarket();
  const { offer } = await market.publish("attested");
  ({ job } = await market.fund([offer]));
  const join = await market.join(job);
  const attest = await market.attest(job, payoutRoot);
  hashes = { join: join.hash, attest: attest.hash };
}, 60_000);
afterAll(() => market.close());

const signaturesIn = (hash: string) => attestationSignatures(market.provider, market.deployment, hash);

test("are those of the three operators, by point, over what the escrow was told", async () => {
  const signatures = await signaturesIn(hashes.attest);
  const message = { job, resultRoot: resultRoot(someParts), payoutRoot, budgetSpent: 0n };
  const signed = signatures!.map((signature) => recoverAttestation(market.deployment, message, signature));
  expect(signed).toEqual(market.signers.map(({ address }) => address));
});

test("are in no other call, and in none of another contract", async () => {
  expect(await signaturesIn(hashes.join)).toBeNull();
  expect(await signaturesIn(id("no such transaction"))).toBeNull();
  const elsewhere = { jobEscrow: market.deployment.disputes };
  expect(await attestationSignatures(market.provider, elsewhere, hashes.attest)).toBeNull();
});

test("are not read out of what is cut short", async () => {
  const transaction = (await market.provider.getTransaction(hashes.attest))!;
  const data = transaction.data.slice(0, -64);
  vi.spyOn(market.provider, "getTransaction").mockResolvedValueOnce(Object.assign(transaction, { data }));
  expect(await signaturesIn(hashes.attest)).toBeNull();
});

test("are not made up where the endpoint does not answer", async () => {
  vi.spyOn(market.provider, "getTransaction").mockRejectedValueOnce(makeError("no answer", "TIMEOUT"));
  await expect(signaturesIn(hashes.attest)).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
});
