/** What a payee sees and draws where the bridge, which settles jobs, is down; the operators are played by hand. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { shortId } from "../../../contracts/use-terms.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { attestJob, wideTable } from "../buyer/attested-job.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let cli: MarketCli;
let offer: string;
/** Jobs with a result: one that nobody looks at, and one that its buyer disputes. */
let [quiet, disputed] = ["", ""];
const keys = "--keys @seller.json";

beforeAll(async () => {
  world = await MarketWorld.open();
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
  cli = await marketCli(world, { "seller.json": { role: "seller", account: world.account(5).address } });
});
afterAll(() => world.close());

const states = async (): Promise<Record<string, string>> => {
  const { jobs } = (await cli.json(`seller earnings ${keys}`)).document;
  return Object.fromEntries(jobs.map(({ job, state }: { job: string; state: string }) => [job, state]));
};

test("within the challenge window nothing is drawn", async () => {
  quiet = (await attestJob(world, offer)).job;
  const { connection, job } = await attestJob(world, offer);
  disputed = job;
  await connection.market.challenge(await connection.market.attestedJob(job), 2, 0);
  await world.bridge.close();
  expect(await states()).toEqual({ [quiet]: "window", [disputed]: "window" });
  const { status, document } = await cli.json(`seller claim ${keys}`);
  expect([status, document.error.code]).toEqual([3, "STATE_INVALID"]);
  expect(document.error.hint).toContain("when its challenge window is over and nobody disputes it");
});

test("after it a claim settles first, says that this costs gas, and leaves alone what is disputed", async () => {
  const { market } = world.account(5);
  const { challengeWindowSec } = await market.settings();
  await world.provider.send("evm_increaseTime", [challengeWindowSec + 1]);
  await world.provider.send("evm_mine", []);
  expect(await states()).toEqual({ [quiet]: "settleable", [disputed]: "window" });
  expect((await cli.run(`seller earnings ${keys}`)).stdout).toContain("window over: claim settles it");
  const { status, stdout, stderr } = await cli.run(`seller claim ${keys} --json`);
  expect([status, JSON.parse(stdout)]).toMatchObject([
    0,
    { amountWei: "1000", jobs: [quiet], settled: [quiet] },
  ]);
  expect(stderr).toContain(
    `the challenge window of job ${shortId(quiet)} is over and nobody has settled it: it is settled first, at your cost`,
  );
  expect(stderr).toMatch(/^settle: about \d+ gas/m);
  expect(await states()).toEqual({ [quiet]: "claimed", [disputed]: "window" });
});
