import { Contract } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import { type JobState, jobStates, jobTransitions } from "../../contracts/job-states.ts";
import { type MarketFixture, startMarket } from "./market-fixture.ts";

let market: MarketFixture;
beforeAll(async () => {
  market = await startMarket();
}, 60_000);
afterAll(() => market.close());

describe("the table of job states", () => {
  test("is the contract's, for all pairs", async () => {
    const escrow = new Contract(market.deployment.jobEscrow, artifact("JobEscrow").abi, market.provider);
    const arrows = async (allowed: (from: number, to: number) => boolean | Promise<boolean>) => {
      const found: string[] = [];
      for (const [from, fromName] of jobStates.entries()) {
        for (const [to, toName] of jobStates.entries()) {
          if (await allowed(from, to)) found.push(`${fromName} -> ${toName}`);
        }
      }
      return found;
    };
    const here = await arrows((from, to) => jobTransitions[jobStates[from]!].includes(jobStates[to]!));
    const there = await arrows((from, to) => escrow.getFunction("transitionAllowed")(from, to));
    expect(there).toEqual(here);
    expect(there).toHaveLength(13);
  });

  test("has no state beyond the last", async () => {
    const escrow = new Contract(market.deployment.jobEscrow, artifact("JobEscrow").abi, market.provider);
    await expect(escrow.getFunction("transitionAllowed")(jobStates.length, 0)).rejects.toThrow();
    await expect(escrow.getFunction("transitionAllowed")(0, jobStates.length)).rejects.toThrow();
  });

  test("never leads back: from each state, itself cannot be reached", () => {
    const reached = (from: JobState): Set<JobState> => {
      const seen = new Set<JobState>();
      const visit = (state: JobState) => {
        for (const next of jobTransitions[state]) {
          if (seen.has(next)) continue;
          seen.add(next);
          visit(next);
        }
      };
      visit(from);
      return seen;
    };
    for (const state of jobStates) expect(reached(state)).not.toContain(state);
    expect(reached("Funded")).toEqual(
      new Set<JobState>(["Joined", "Attested", "Disputed", "Settled", "Failed", "Refunded"]),
    );
  });
});
