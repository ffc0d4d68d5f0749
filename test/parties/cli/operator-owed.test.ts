/** An operator that was asked for parts of a result on chain, and has not answered: every command that matters tells. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { MarketReader } from "../../../contracts/market-reader.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { describeOwed } from "../../../parties/cli/describe-owed.ts";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { owedChunks } from "../../../parties/owed-chunks.ts";
import { type DisputeFixture, startDisputes } from "../../contracts/dispute-fixture.ts";
import { settings } from "../../contracts/market-fixture.ts";
import { runInProcess } from "./in-process.ts";

let disputes: DisputeFixture;
let market: DisputeFixture["market"];
let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  disputes = await startDisputes();
  ({ market } = disputes);
  folder = await mkdtemp(join(tmpdir(), "symbolon-owed-"));
  await writeFile(file("deployment.json"), JSON.stringify(market.deployment));
  for (const [index, { privateKey }] of market.owners.entries()) {
    await saveKeys(createKeys("operator", { owner: privateKey }), file(`${index + 1}.json`));
  }
}, 60_000);
afterAll(async () => {
  await market.close();
  await rm(folder, { recursive: true, force: true });
});

/** A command of the operator at a point. */
const operator = (command: string, point: number, ...more: string[]) =>
  runInProcess([
    ...["operator", command, "--keys", file(`${point}.json`), ...more],
    ...["--rpc", market.chain.url, "--deployment", file("deployment.json")],
  ]);

test("status and leave tell how much of which jobs is owed, and until when; others hear nothing of it", async () => {
  const first = await disputes.attested();
  const second = await disputes.attested();
  const reader = new MarketReader(market.deployment, market.provider);
  const buying = market.of(market.buyer);
  const dueSec = async (job: string) =>
    (await reader.openChallenges({ job, point: 2, chunks: 2 }).next()).value;
  await buying.challenge(first.told, 2, 0);
  await buying.challenge(first.told, 2, 1);
  await buying.challenge(second.told, 2, 1);
  await market.of(market.stranger).respond(first.told, 2, 1, first.open(2, 1));
  const firstOfSecond = (await dueSec(second.job))?.dueSec;
  await market.pass(10);
  await buying.challenge(second.told, 2, 0);
  // Another operator's debt is not its own.
  await buying.challenge(first.told, 1, 0);
  const owed = {
    chunks: 3,
    jobs: [
      { job: first.job, chunks: 1, dueSec: (await dueSec(first.job))?.dueSec },
      { job: second.job, chunks: 2, dueSec: firstOfSecond },
    ],
  };

  const document = JSON.parse((await operator("status", 2, "--json")).stdout);
  expect(document.owed).toEqual(owed);
  const at = new Date(document.owed.jobs[0].dueSec * 1000).toISOString();
  const told = new RegExp(
    `1 chunk of job ${shortId(first.job)}, until ${at}, in \\d+ (seconds|minutes).*2 chunks of job ${shortId(second.job)}, the first until .*its node posts them`,
    "s",
  );
  expect((await operator("status", 2)).stdout).toMatch(told);
  expect(JSON.parse((await operator("status", 1, "--json")).stdout).owed.chunks).toBe(1);
  expect((await operator("status", 3)).stdout).not.toContain("owes");

  const leaving = await operator("leave", 2, "--json");
  expect(leaving.stderr).toMatch(told);
  expect(JSON.parse(leaving.stdout)).toMatchObject({ owed, txHash: expect.stringMatching(/^0x/) });
  expect((await operator("leave", 3)).stderr).not.toContain("owes");

  await market.pass(settings.responseSec + 60);
  expect((await operator("status", 2)).stdout).toMatch(/was due until .*: anyone can have the bond taken/);
  await market.pass(settings.unbondingSec);
  expect((await operator("withdraw-bond", 2)).stderr).toMatch(/owes buyers parts of results: 1 chunk of job/);
});

test("an endpoint that leaves events out does not hide that something is owed: the contract says it", async () => {
  const reader = new MarketReader(market.deployment, market.provider);
  const events = vi.spyOn(reader, "events");
  const all = await reader.events(market.deployment.blockNumber, await market.provider.getBlockNumber());
  // One that holds the history together, and one that nothing else rests on.
  for (const type of ["SetCreated", "ChunkChallenged"]) {
    events.mockResolvedValueOnce(all.filter((event) => event.type !== type));
    const owed = await owedChunks(reader, market.members[1]);
    expect(owed).toEqual({ chunks: 3, jobs: [] });
    expect(describeOwed(owed, 0)).toEqual(["3 chunks of which this endpoint's events do not tell"]);
  }
});
