/** What a buyer is told of a job with a result; the operators are played by hand. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { shortId } from "../../../contracts/use-terms.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { type AttestedJob, attestJob, wideTable } from "../buyer/attested-job.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let offer: string;

beforeAll(async () => {
  world = await MarketWorld.open();
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
});
afterAll(() => world.close());

let files = 0;
/** A job whose share of party 2 was not delivered, the command line, and the options of its buyer. */
async function withheld(): Promise<{ attested: AttestedJob; cli: MarketCli; keys: string; job: string }> {
  const attested = await attestJob(world, offer, { deliver: [1, 3] });
  const name = `buyer-${files++}.json`;
  const cli = await marketCli(world, { [name]: { role: "buyer", account: attested.connection.buyer } });
  return { attested, cli, keys: `--keys @${name}`, job: attested.job };
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
/** A row of a table. */
const row = (stdout: string, name: string): string =>
  stdout
    .split("\n")
    .find((line) => line.startsWith(name))
    ?.slice(name.length)
    .trim() ?? "";

test("status says who has not delivered, until when to dispute, and what was asked for", async () => {
  const { attested, cli, keys, job } = await withheld();
  const { market } = attested.connection;
  const { windowEndSec } = await market.job(job);
  const before = (await cli.run(`buyer status ${job}`)).stdout;
  expect(row(before, "delivered")).toBe("1, 3; not 2");
  expect(row(before, "challenge window")).toBe(`open until ${time(windowEndSec!)}`);
  expect(before).not.toContain("these keys");
  await market.challenge(await market.attestedJob(job), 2, 0);
  const { document } = await cli.json(`buyer status ${job} ${keys}`);
  expect(document).toMatchObject({
    ...{ state: "Disputed", delivered: [1, 3], keys: { bought: true, reads: true } },
    asked: [{ point: 2, asked: 1, posted: 0, exposed: false }],
  });
  const after = (await cli.run(`buyer status ${job} ${keys}`)).stdout;
  expect(row(after, "asked for")).toMatch(/^party 2 has posted 0 of 1 chunk /);
  expect(row(after, "asked for")).toContain(`has until ${time(document.asked[0].dueSec)}`);
  expect(row(after, "held up")).toBe("nobody can settle it until what was asked for is posted");
  expect(row(after, "these keys")).toBe("bought the job; its result is sealed to them");
  expect(after).not.toContain("progress");
  await attested.deliver(2);
  expect(row((await cli.run(`buyer status ${job} ${keys}`)).stdout, "these keys")).toBe(
    "bought the job, and can read its result",
  );
  expect((await cli.json(`buyer status ${job}`)).document.delivered).toEqual([1, 2, 3]);
});

test("status says of other keys that they are", async () => {
  const { cli, keys } = await withheld();
  const other = await attestJob(world, offer);
  const { document } = await cli.json(`buyer status ${other.job} ${keys}`);
  expect(document.keys).toEqual({ bought: false, reads: true });
});

test("a result whose share comes late is waited for, and stderr says for whose", async () => {
  const { attested, cli, keys, job } = await withheld();
  const reading = cli.run(`buyer result ${job} ${keys}`);
  setTimeout(() => void attested.deliver(2), 2500);
  const { status, stderr } = await reading;
  expect(status).toBe(0);
  expect(stderr).toContain(`job ${shortId(job)}: waiting for the share of party 2, seconds 1/60`);
});

test("there is no refund of a job with a result, but other things to do, by commands that run", async () => {
  const { attested, cli, keys, job } = await withheld();
  const { market } = attested.connection;
  const { windowEndSec } = await market.job(job);
  const refused = async () => {
    const { status, document } = await cli.json(`buyer refund ${job} ${keys}`);
    expect([status, document.error.code]).toEqual([3, "STATE_INVALID"]);
    return document.error as { message: string; hint: string };
  };
  const { hint } = await refused();
  expect(hint).toContain(`until ${time(windowEndSec!)}`);
  const options = [keys.replace(/@(.*)/, (_, name) => cli.file(name)), ...cli.market].join(" ");
  for (const name of ["dispute", "accept"]) {
    expect(hint).toContain(`symbolon buyer ${name} ${job} ${options}`);
  }
  await market.challenge(await market.attestedJob(job), 2, 0);
  const disputed = await refused();
  expect(disputed.message).toContain("is disputed");
  expect(disputed.hint).toContain(`symbolon buyer dispute ${job}`);
  const settled = await withheld();
  await settled.attested.connection.market.accept(settled.job);
  expect(
    (await settled.cli.json(`buyer refund ${settled.job} ${settled.keys}`)).document.error.message,
  ).toContain("is settled");
});

// Last, for it moves the chain's clock, and stops the bridge, which would settle the job.
test("after the challenge window there is no refund either, and a bridge that is silent hides nothing else", async () => {
  const { attested, cli, keys, job } = await withheld();
  const { market } = attested.connection;
  const { windowEndSec } = await market.job(job);
  const { challengeWindowSec } = await market.settings();
  await world.bridge.close();
  await world.provider.send("evm_increaseTime", [challengeWindowSec + 1]);
  await world.provider.send("evm_mine", []);
  const { document } = await cli.json(`buyer refund ${job} ${keys}`);
  expect(document.error.message).toContain(`nobody disputed until ${time(windowEndSec!)}`);
  expect(document.error.hint).toContain(`symbolon buyer accept ${job} --keys`);
  const { stdout } = await cli.run(`buyer status ${job}`);
  expect(row(stdout, "delivered")).toBe("the bridge does not tell");
  expect(row(stdout, "challenge window")).toBe(`ended at ${time(windowEndSec!)}`);
  // Nothing can be asked for any more: what is left is to pay.
  await writeFile(cli.file("schema.json"), JSON.stringify(deriveSchema([wideTable])));
  const accept = `buyer accept ${job} ${keys}`;
  const { error } = (await cli.json(`${accept} --schema @schema.json`)).document;
  expect(error.message).toContain(
    `the challenge window of job ${shortId(job)} ended at ${time(windowEndSec!)}`,
  );
  expect(error.hint).toContain(`symbolon buyer accept ${job} --keys`);
  expect(error.hint).toMatch(/ --unread$/);
  expect(error.hint).not.toContain("dispute 0x");
  expect((await cli.json(`${accept} --unread`)).status).toBe(0);
});
