/** What a buyer is told in each state of a job, also without a bridge; the operators are played by hand. */
import { readFile, writeFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { payoutPlan } from "../../../parties/payout-plan.ts";
import { openChunk } from "../../../parties/result.ts";
import { type AttestedJob, type AttestOptions, attestJob, wideTable } from "../buyer/attested-job.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { runInProcess } from "./in-process.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let offer: string;
/** A bridge that a test has stopped is started again after it. */
let stopped = false;

beforeAll(async () => {
  world = await MarketWorld.open();
  offer = (await world.offers([wideTable], deriveSchema([wideTable])))[0]!.id;
});
afterEach(async () => {
  delete process.env.SYMBOLON_KEYS;
  if (stopped) await world.restartBridge();
  stopped = false;
});
afterAll(() => world.close());

async function stopBridge(): Promise<void> {
  await world.bridge.close();
  stopped = true;
}

let files = 0;
/** The command line of a buyer, with its key file. */
async function cliOf(account: string): Promise<{ cli: MarketCli; keys: string; file: string }> {
  const name = `state-${files++}.json`;
  const cli = await marketCli(world, { [name]: { role: "buyer", account } });
  return { cli, keys: `--keys @${name}`, file: cli.file(name) };
}

async function attested(options: AttestOptions = {}) {
  const made = await attestJob(world, offer, options);
  return { made, job: made.job, market: made.connection.market, ...(await cliOf(made.connection.buyer)) };
}

let durations = 0;
/** A job that nobody joined yet. */
async function funded() {
  const { client, market, address } = world.buyer();
  const proposal = await client.propose({ algorithm: "statistics", offers: [offer] });
  const { job, deadlineSec } = await client.fund(proposal, 90_000 + durations++);
  return { job, market, deadlineSec, ...(await cliOf(address)) };
}

/** Posts what party 2 was asked for, and reads what the chain says of it. */
async function answer({ evidence, job, connection: { market } }: AttestedJob, chunks: readonly number[]) {
  const told = await market.attestedJob(job);
  const { origin, salt, share } = evidence[1];
  for (const chunk of chunks) await market.respond(told, 2, chunk, openChunk(origin, salt, share, chunk));
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
/** A row of a table. */
const row = (stdout: string, name: string): string | undefined =>
  stdout
    .split("\n")
    .find((line) => line.startsWith(name))
    ?.slice(name.length)
    .trim();

test("status takes from the chain who joined, and says where only the bridge would know", async () => {
  const { job, cli } = await attested();
  const open = await funded();
  await expect.poll(async () => (await cli.run(`buyer status ${open.job}`)).stdout).toContain("nobody yet");
  await stopBridge();
  const { stdout } = await cli.run(`buyer status ${job}`);
  expect(row(stdout, "joined")).toBe("1, 2, 3");
  expect(row(stdout, "progress")).toBe(undefined);
  expect((await cli.json(`buyer status ${job}`)).document.joins).toEqual([1, 2, 3]);
  const unjoined = (await cli.run(`buyer status ${open.job}`)).stdout;
  expect(row(unjoined, "joined")).toBe("the bridge does not tell");
  expect(row(unjoined, "escrowed")).toBe(row(unjoined, "price"));
});

test("status shows what is escrowed now beside the price", async () => {
  const { job, market, cli } = await attested();
  const known = await market.job(job);
  const shown = async () => (await cli.run(`buyer status ${job}`)).stdout;
  const whole = `${known.amountWei} wei`;
  expect([row(await shown(), "price"), row(await shown(), "escrowed")]).toEqual([whole, whole]);
  await market.accept(job);
  const { offers, operators } = await market.jobPrices(known);
  const fees = operators.map(({ operator, feeWei }) => ({ address: operator, feeWei }));
  const { tree } = payoutPlan({ amountWei: known.amountWei, offers, operators: fees });
  for (const payout of tree.payouts) await market.claim({ job, ...payout });
  expect([row(await shown(), "price"), row(await shown(), "escrowed")]).toEqual([whole, "nothing"]);
});

test("status looks at the key file of SYMBOLON_KEYS too, and needs no passphrase for it", async () => {
  const { job, cli, made } = await attested();
  const account = world.chain.accounts.find(({ address }) => address === made.connection.buyer)!.privateKey;
  const resultKey = world.resultKey.privateKey.hex();
  const file = cli.file(`locked-${files++}.json`);
  await saveKeys(createKeys("buyer", { account, resultKey }), file, { passphrase: "of nobody" });
  process.env.SYMBOLON_KEYS = file;
  const { status, stdout } = await cli.run(`buyer status ${job}`);
  expect(status).toBe(0);
  expect(row(stdout, "these keys")).toBe("bought the job, and can read its result");
  const seller = cli.file(`seller-${files++}.json`);
  await saveKeys(createKeys("seller"), seller);
  process.env.SYMBOLON_KEYS = seller;
  expect(row((await cli.run(`buyer status ${job}`)).stdout, "these keys")).toBe(
    "did not buy the job, and cannot read its result",
  );
});

test("status promises a result only where there is one", async () => {
  const open = await funded();
  const shown = async (line: string) => row((await open.cli.run(line)).stdout, "these keys");
  expect(await shown(`buyer status ${open.job} ${open.keys}`)).toBe(
    "bought the job; its result will be sealed to them",
  );
  const { made, job, market, cli, keys } = await attested({ deliver: [1, 3] });
  const told = await market.attestedJob(job);
  await market.challenge(told, 2, 0);
  await answer(made, [0]);
  const state = async () => (await cli.run(`buyer status ${job} ${keys}`)).stdout;
  expect(row(await state(), "these keys")).toBe("bought the job; its result is sealed to them");
  await market.challenge(told, 2, 1);
  await answer(made, [1]);
  const after = await state();
  expect(row(after, "these keys")).toBe("bought the job, and can read its result");
  const heldUntilSec = await market.heldUntilSec(job);
  expect(row(after, "held up")).toBe(`only the buyer can settle it until ${time(heldUntilSec!)}`);
  expect((await cli.json(`buyer status ${job}`)).document.heldUntilSec).toBe(heldUntilSec);
});

test("accepting or reading a job without a result says what comes next", async () => {
  const { job, cli, keys, deadlineSec } = await funded();
  for (const line of [`accept ${job}`, `accept ${job} --unread`, `result ${job}`, `dispute ${job}`]) {
    const { status, document } = await cli.json(`buyer ${line} ${keys}`);
    expect([status, document.error.code]).toEqual([3, "STATE_INVALID"]);
    expect(document.error.message).toContain("it is Funded");
    expect(document.error.hint).toContain(`it has until ${time(deadlineSec)}`);
    expect(document.error.hint).toMatch(
      /buyer result 0x\w+ --keys .* --wait;.*buyer status 0x.*buyer refund 0x/,
    );
  }
});

test("a share that is missing is asked for on chain only while it can be", async () => {
  const { job, market, cli, keys } = await attested({ deliver: [1, 3] });
  const { windowEndSec } = await market.job(job);
  const accept = async () => (await cli.json(`buyer accept ${job} ${keys}`)).document.error;
  const before = await accept();
  expect(before.message).toBe("party 2 has not delivered its share of the result");
  expect(before.hint).toMatch(
    new RegExp(
      `on chain until ${time(windowEndSec!)}: (npx )?symbolon buyer dispute ${job} --keys .* --disclose$`,
    ),
  );
  await market.challenge(await market.attestedJob(job), 2, 0);
  const asked = await accept();
  expect(asked.hint).toMatch(/^party 2 has posted 0 of 1 chunk .* has until .*buyer dispute .* --disclose$/);
  // Waiting is of no use once the share was asked for.
  const { stderr, status } = await cli.run(`buyer result ${job} ${keys}`);
  expect(status).toBe(4);
  expect(stderr).toContain("party 2 has posted 0 of 1 chunk");
});

test("a settled job is accepted already, and what is missing of its result is so for good", async () => {
  const { job, market, cli, keys } = await attested({ deliver: [1, 3] });
  await market.accept(job);
  const { status, document } = await cli.json(`buyer accept ${job} ${keys}`);
  expect([status, document]).toEqual([0, { job, txHash: null }]);
  const { error } = (await cli.json(`buyer result ${job} ${keys}`)).document;
  expect(error.message).toMatch(/^job 0x\w+ is settled; party 2 has not delivered/);
  expect(error.hint).not.toContain("dispute");
});

test("a result that was overturned is not accepted, and reading it says where its money is", async () => {
  const spoil: AttestOptions["spoil"] = (shares) => {
    shares[1][3]! += 1n;
  };
  const { job, market, cli, keys } = await attested({ spoil });
  const wrong = (await cli.json(`buyer result ${job} ${keys}`)).document.error;
  expect(wrong.code).toBe("RESULT_TAMPERED");
  expect(wrong.hint).toMatch(/^do not accept the result; until .*symbolon buyer dispute 0x/);
  expect((await cli.json(`buyer dispute ${job} ${keys}`)).document.outcome).toBe("contested");
  expect(await market.jobState(job)).toBe("Refunded");
  for (const line of [`accept ${job}`, `accept ${job} --unread`, `result ${job}`]) {
    const { error } = (await cli.json(`buyer ${line} ${keys}`)).document;
    expect(error.message).toMatch(/^the money of job 0x\w+ is back/);
    expect(error.hint).toBe(null);
  }
});

test("without a bridge, results are read with the schema from a file, of what was posted", async () => {
  const { made, job, market, cli, keys } = await attested({ deliver: [] });
  await writeFile(cli.file("schema.json"), JSON.stringify(deriveSchema([wideTable])));
  const told = await market.attestedJob(job);
  await stopBridge();
  for (const name of ["accept", "result"]) {
    const { error } = (await cli.json(`buyer ${name} ${job} ${keys}`)).document;
    expect(error.code).toBe("BRIDGE_UNREACHABLE");
    expect(error.hint).toContain("is the bridge running there?");
    expect(error.hint).toContain("--schema FILE");
    expect(error.hint.includes("--unread")).toBe(name === "accept");
    const offline = (await cli.json(`buyer ${name} ${job} ${keys} --schema @schema.json`)).document.error;
    expect(offline.hint).toMatch(
      /on chain until .*: .*symbolon buyer dispute 0x.* --schema \S+schema\.json --disclose/,
    );
  }
  for (const point of [1, 2, 3]) for (const chunk of [0, 1]) await market.challenge(told, point, chunk);
  for (const [i, { origin, salt, share }] of made.evidence.entries()) {
    for (const chunk of [0, 1]) {
      await market.respond(told, i + 1, chunk, openChunk(origin, salt, share, chunk));
    }
  }
  const read = await cli.json(`buyer result ${job} ${keys} --schema @schema.json`);
  expect([read.status, read.document.job]).toEqual([0, job]);
  const { status } = await cli.json(`buyer accept ${job} ${keys} --schema @schema.json`);
  expect(status).toBe(0);
});

test("without a bridge and a deployment file, the error says that the file will do", async () => {
  const { job, cli, file } = await attested();
  await stopBridge();
  const words = ["buyer", "accept", job, "--keys", file, ...cli.market.slice(0, 4), "--json"];
  const { stdout } = await runInProcess(words);
  expect(JSON.parse(stdout).error.hint).toContain("--deployment FILE");
});

test("a refund of a disputed job says whether something is owed, and what can be done when nothing is", async () => {
  const { made, job, market, cli, keys } = await attested({ deliver: [1, 3] });
  const told = await market.attestedJob(job);
  const refused = async () => (await cli.json(`buyer refund ${job} ${keys}`)).document.error;
  await market.challenge(told, 2, 0);
  expect((await refused()).hint).toMatch(/^party 2 has posted 0 of 1 chunk .*; to go on .* buyer dispute 0x/);
  await answer(made, [0]);
  const half = await refused();
  expect(half.message).toContain("all that was asked for was posted");
  expect(half.hint).toMatch(/the rest of it: .*buyer dispute 0x.* --disclose/);
  await market.challenge(told, 2, 1);
  await answer(made, [1]);
  const { hint } = await refused();
  expect(hint).not.toContain("buyer dispute");
  expect(hint).toMatch(/buyer result 0x.*buyer accept 0x/);
  const { windowEndSec } = await market.job(job);
  const last = Math.max((await market.heldUntilSec(job))!, windowEndSec!);
  expect(hint).toContain(`nobody but you can settle it until ${time(last)}`);
});

test("the words of a result say that it was written to the file", async () => {
  const { job, cli, keys } = await attested();
  const { stdout } = await cli.run(`buyer result ${job} ${keys} --out @model.json`);
  expect(stdout.trim().split("\n").at(-1)).toBe(`written to ${cli.file("model.json")}`);
  const file = JSON.parse(await readFile(cli.file("model.json"), "utf8"));
  expect(file).toEqual((await cli.json(`buyer result ${job} ${keys}`)).document);
});
