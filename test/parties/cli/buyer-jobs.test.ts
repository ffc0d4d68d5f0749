/** A buyer finds its own jobs again, and is told how; the operators are played by hand. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { shortId } from "../../../contracts/use-terms.ts";
import { BuyerClient } from "../../../parties/buyer/client.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { attestJob, wideTable } from "../buyer/attested-job.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let offer: string;
/** Of a buyer without jobs. */
let other: MarketCli;

beforeAll(async () => {
  world = await MarketWorld.open();
  other = await marketCli(world, { "other.json": { role: "buyer", account: world.account(15).address } });
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
});
afterAll(() => world.close());

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();

test("jobs of a buyer are listed with what each waits for, and those of others are not", async () => {
  const { connection, job, amountWei } = await attestJob(world, offer);
  await attestJob(world, offer);
  const { market, buyer } = connection;
  const client = new BuyerClient(connection);
  const funded = await client.fund(await client.propose({ algorithm: "statistics", offers: [offer] }), 1800);
  const cli = await marketCli(world, { "buyer.json": { role: "buyer", account: buyer } });
  const { windowEndSec, deadlineSec } = await market.job(job);
  const same = { algorithm: "statistics", amountWei: String(amountWei) };
  expect((await cli.json("buyer jobs --keys @buyer.json")).document).toMatchObject({
    buyer,
    jobs: [
      { ...same, job, state: "Attested", deadlineSec, windowEndSec },
      { ...same, job: funded.job, state: "Funded", deadlineSec: funded.deadlineSec, windowEndSec: null },
    ],
  });
  const lines = (await cli.run("buyer jobs --keys @buyer.json")).stdout.trimEnd().split("\n");
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
    ["job", "algorithm", "state", "price", "until"],
    [shortId(job), "statistics", "Attested", `${amountWei} wei`, `window ${time(windowEndSec!)}`],
    [shortId(funded.job), "statistics", "Funded", `${amountWei} wei`, `deadline ${time(funded.deadlineSec)}`],
  ]);
  expect((await other.run("buyer jobs --keys @other.json")).stdout).toContain("has bought nothing");
});

test.each([
  ["buyer status 0x1111", "symbolon buyer jobs"],
  [`buyer status 0x${"11".repeat(32)}`, "symbolon buyer jobs"],
  ["buyer run statistics --offers 0xffff --keys @other.json", "symbolon buyer browse"],
  [`buyer run statistics --offers 0x${"ff".repeat(32)} --keys @other.json`, "symbolon buyer browse"],
  ["buyer browse --set 0xeeee", "symbolon buyer browse"],
])("%s: what is not there is followed by where to find what is", async (line, listing) => {
  const { status, document } = await other.json(line);
  expect([status, document.error.code]).toEqual([2, "NOT_FOUND"]);
  expect(document.error.hint).toContain(listing);
});
