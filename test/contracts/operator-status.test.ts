/** Which status an operator is refused for, in the words for it: on a real chain. */
import { Interface } from "ethers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import { signAttestation } from "../../contracts/eip712.ts";
import { MarketReader } from "../../contracts/market-reader.ts";
import { operatorStatuses } from "../../contracts/market-views.ts";
import { explainRefusal, standing } from "../../contracts/operator-status.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { algorithm, bytes32, type MarketFixture, settings, startMarket } from "./market-fixture.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

/** Two results of one job, signed by the operator at `point`. */
async function slash(point: 1 | 2 | 3): Promise<void> {
  const signer = market.signers[point - 1]!;
  const one = {
    ...{ job: bytes32("no job"), resultRoot: bytes32("one") },
    ...{ payoutRoot: bytes32("payouts"), budgetSpent: 0n },
  };
  const other = { ...one, resultRoot: bytes32("other") };
  const sign = (message: typeof one) => signAttestation(signer, market.deployment, message);
  await market.of(market.stranger).convict([one, other], [await sign(one), await sign(other)]);
}

const refused = (message: string, hint?: RegExp) => ({
  ...{ code: "STATE_INVALID", message },
  ...(hint !== undefined && { hint: expect.stringMatching(hint) }),
});

test("an endpoint that refuses everything in the name of an operator is asked no further", async () => {
  const reader = new MarketReader(market.deployment, market.provider);
  const refusal = artifact("OperatorRegistry").abi.encodeErrorResult("OperatorInactive", [market.members[0]]);
  const asked = vi
    .spyOn(market.provider, "call")
    .mockRejectedValue({ code: "CALL_EXCEPTION", data: refusal });
  const inactive = refused(expect.stringContaining(market.members[0]) as unknown as string);
  await expect(reader.isChallenged(bytes32("a job"))).rejects.toMatchObject(inactive);
  await expect(reader.operatorStatus(market.members[0])).rejects.toMatchObject(inactive);
  expect(asked.mock.calls.length).toBeLessThan(6);
  asked.mockRestore();
});

describe("a refusal names the status and the operator", () => {
  test("where a job is quoted or funded, a set is made, and to the operator itself", async () => {
    const { of, owners, members, buyer, set, stranger } = market;
    const { offer } = await market.publish("statuses");
    const quote = () =>
      new MarketReader(market.deployment, market.provider).quote({
        ...{ operatorSet: set.id, algorithm, offers: [offer], buyer: buyer.address },
      });
    const another = /another operator set/;
    const everywhere = async (message: string) => {
      await expect(quote()).rejects.toMatchObject(refused(message, another));
      await expect(market.fund([offer])).rejects.toMatchObject(refused(message, another));
      await expect(of(stranger).createSet(members)).rejects.toMatchObject(refused(message));
    };

    await of(owners[1]).pause();
    await everywhere(`operator ${members[1]} is paused, and takes no new jobs`);
    await expect(of(owners[1]).pause()).rejects.toMatchObject(
      refused(`operator ${members[1]} is paused`, /operator resume/),
    );
    await of(owners[1]).resume();
    await expect(of(owners[1]).resume()).rejects.toMatchObject(
      refused(`operator ${members[1]} is not paused`),
    );

    await of(owners[2]).requestUnbond();
    await everywhere(`operator ${members[2]} is leaving, and takes no new jobs`);
    for (const wanted of ["pause", "resume"] as const) {
      await expect(of(owners[2])[wanted]()).rejects.toMatchObject(
        refused(`operator ${members[2]} is leaving`, /register again/),
      );
    }
    await market.pass(settings.unbondingSec);
    await of(owners[2]).withdrawBond();
    await everywhere(`operator ${members[2]} is not registered, and takes no new jobs`);

    // The first member that takes no jobs is the one that is named.
    await slash(1);
    await everywhere(standing(members[0], "Slashed"));
    for (const wanted of ["pause", "resume", "requestUnbond"] as const) {
      await expect(of(owners[0])[wanted]()).rejects.toMatchObject(
        refused(standing(members[0], "Slashed"), /operator claim/),
      );
    }
  });
});

describe("a status", () => {
  test.each(operatorStatuses)("%s has words with the operator in them", (status) => {
    expect(standing("0xA", status)).toMatch(/^operator 0xA (is|was) /);
  });

  const thrown = {
    data: artifact("OperatorRegistry").abi.encodeErrorResult("NotActive", [bytes32("x").slice(0, 42)]),
  };

  test("that has changed meanwhile, or cannot be read, leaves the general words", async () => {
    const general = expect.stringContaining("is paused, leaving or slashed");
    const active = await explainRefusal(thrown, async () => "Active");
    const unread = await explainRefusal(thrown, () => Promise.reject(new Error("no endpoint")));
    for (const error of [active, unread]) expect(error).toMatchObject({ message: general });
  });

  test("is not looked up for other refusals", async () => {
    const lookUp = vi.fn(async () => "Paused" as const);
    const other = new Interface(["error Other()"]).encodeErrorResult("Other");
    const known = new SymbolonError("STATE_INVALID", "in words already", { cause: thrown });
    expect(await explainRefusal({ data: other }, lookUp)).toMatchObject({ code: "CONTRACT_REVERTED" });
    expect(await explainRefusal(known, lookUp)).toBe(known);
    expect(lookUp).not.toHaveBeenCalled();
  });
});
