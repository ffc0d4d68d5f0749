import { id } from "ethers";
import { describe, expect, it } from "vitest";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import type { Job } from "../../../contracts/market-views.ts";
import { noResult } from "../../../parties/buyer/finished-job.ts";

const job = id("job 3");

describe("a job without a result", () => {
  const market = { settings: async () => ({ graceSec: 60 }) } as unknown as MarketReader;
  const told = (state: Job["state"]) => noResult(market, { job, state, deadlineSec: 1000 } as Job);

  it.each([
    ["Funded", 1000],
    ["Joined", 1060],
  ] as const)("that is %s has until a time, after which its money can come back", async (state, endSec) => {
    const { code, message, hint } = await told(state);
    expect([code, message]).toEqual(["STATE_INVALID", `job ${job} has no result: it is ${state}`]);
    expect(hint).toContain(`it has until ${new Date(endSec * 1000).toISOString()};`);
    expect(hint).toContain(`symbolon buyer result ${job} --wait`);
    expect(hint).toContain(`symbolon buyer refund ${job}`);
  });

  it("that failed has its money to give back, until that is done", async () => {
    expect((await told("Failed")).hint).toBe(`to get the money back: symbolon buyer refund ${job}`);
    const { message, hint } = await told("Refunded");
    expect(message).toContain("the money is back");
    expect(hint).not.toContain(job);
  });
});
