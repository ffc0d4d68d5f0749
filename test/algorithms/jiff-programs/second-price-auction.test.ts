import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  auctionCost,
  secondPriceAuction,
  secondPriceAuctionPlain,
} from "../../../algorithms/jiff-programs/second-price-auction.ts";
import type { SymbolonError } from "../../../mpc/errors.ts";
import type { JiffSession } from "../../../mpc/transport/jiff.ts";
import {
  closeAll,
  connectThree,
  type RelayHost,
  runThree,
  startRelay,
} from "../../mpc/transport/jiff-fixture.ts";

let host: RelayHost;
let sessions: JiffSession[] = [];

beforeAll(async () => {
  host = await startRelay();
});

afterEach(() => closeAll(sessions));

afterAll(() => host.close());

/** The auction over bids that party 1 shares, opened at the end. */
async function auction(bids: readonly number[], bidBits = 16, modulus?: bigint): Promise<string[]> {
  sessions = await connectThree(host.url, modulus === undefined ? {} : { modulus });
  const results = await runThree(sessions, async (jiff) => {
    const share = (bid: number) => jiff.share(jiff.id === 1 ? bid : null, 2, [1, 2, 3], [1])[1]!;
    const result = await secondPriceAuction(
      jiff,
      bids.map((bid) => [share(bid)]),
      { bidBits },
    );
    return (await Promise.all(result.map((value) => value.open()))).map(String);
  });
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
  return results[0]!;
}

const plain = (bids: readonly number[]) => secondPriceAuctionPlain(bids.map(BigInt)).map(String);

describe("second-price auction", () => {
  test.each([
    { bids: [5, 9, 7], what: "three bids" },
    { bids: [65535, 0, 65535, 3], what: "the largest bids, equal: the first wins" },
    { bids: [0, 0], what: "two bids of nothing" },
    { bids: [1, 2], what: "the second wins" },
  ])("$what", async ({ bids }) => {
    expect(await auction(bids)).toEqual(plain(bids));
  });

  test("equals the plain auction on any bids", async () => {
    const bids = fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 2, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(bids, async (values) => {
        expect(await auction(values, 4)).toEqual(plain(values));
        await closeAll(sessions);
      }),
      { numRuns: 12 },
    );
  });

  test("works over the smallest field that masks it, and refuses a smaller one", async () => {
    expect(await auction([3, 14, 15], 4, 2n ** 61n - 1n)).toEqual(["2", "14"]);
    await expect(auction([3, 14, 15], 20, 2n ** 61n - 1n)).rejects.toMatchObject({ code: "RANGE_EXCEEDED" });
  });

  test.each([
    { bids: [7], code: "PARAMETER_INVALID" },
    { bids: Array.from({ length: 17 }, () => 1), code: "PARAMETER_INVALID" },
  ])("$bids.length bidders are refused", async ({ bids, code }) => {
    await expect(auction(bids)).rejects.toMatchObject({
      code: code satisfies SymbolonError["code"] | string,
    });
  });

  test.each([
    [2, 4],
    [3, 5],
    [5, 3],
  ])("%i bidders of %i bits cost what is declared", async (bidders, bidBits) => {
    sessions = await connectThree(host.url);
    const costs = await Promise.all(
      sessions.map((session) =>
        session.run(async (jiff) => {
          const inputs = Array.from({ length: bidders }, () => [jiff.share(jiff.id)[1]!]);
          const before = { ...session.operations };
          const result = await secondPriceAuction(jiff, inputs, { bidBits });
          await Promise.all(result.map((share) => share.value));
          const counted = Object.entries(session.operations);
          return Object.fromEntries(counted.map(([name, value]) => [name, value - before[name as "shares"]]));
        }),
      ),
    );
    for (const cost of costs) expect(cost).toEqual(auctionCost(bidders, bidBits));
  });

  test("a seller that gives two values is refused", async () => {
    sessions = await connectThree(host.url);
    const run = runThree(sessions, async (jiff) => {
      const share = jiff.share(1)[1]!;
      return secondPriceAuction(jiff, [[share], [share, share]], { bidBits: 16 });
    });
    await expect(run).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
  });

  test("the plain twin: ties go to the lower index, the price is the second bid", () => {
    expect(secondPriceAuctionPlain([4n, 8n, 8n, 1n])).toEqual([1, 8n]);
    expect(secondPriceAuctionPlain([4n, 8n, 9n, 1n])).toEqual([2, 8n]);
  });
});
