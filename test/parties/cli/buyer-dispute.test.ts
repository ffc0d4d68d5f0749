/** What a buyer sees of a dispute: consent, the wait, an interrupt, and the end. The operators are played by hand. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { openChunk } from "../../../parties/result.ts";
import { type AttestedJob, type AttestOptions, attestJob, wideTable } from "../buyer/attested-job.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { interruptCli } from "./interrupt-cli.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let offer: string;

beforeAll(async () => {
  // The tests may have been started by npx.
  vi.stubEnv("npm_lifecycle_event", "");
  world = await MarketWorld.open();
  const schema = deriveSchema([wideTable]);
  offer = (await world.offers([wideTable], schema))[0]!.id;
  await writeFile(join(world.folder, "schema.json"), JSON.stringify(schema));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await world.close();
});

let files = 0;
async function disputable(options: AttestOptions) {
  const attested = await attestJob(world, offer, options);
  const name = `buyer-${files++}.json`;
  const cli = await marketCli(world, { [name]: { role: "buyer", account: attested.connection.buyer } });
  return { attested, cli, name, job: attested.job };
}

const time = (seconds: number): string => new Date(seconds * 1000).toISOString();
/** The options with which a command runs as it stands. */
const given = (cli: MarketCli, name: string): string => [`--keys ${cli.file(name)}`, ...cli.market].join(" ");

/** Anybody may post a chunk for its operator. */
async function post({ connection, job, evidence }: AttestedJob, point: 1 | 2 | 3, chunk: number) {
  const { origin, salt, share } = evidence[point - 1]!;
  const told = await connection.market.attestedJob(job);
  await world.account(1).market.respond(told, point, chunk, openChunk(origin, salt, share, chunk));
}

test("the refusal without consent ends with the whole command that asks", async () => {
  const { cli, name, job } = await disputable({ deliver: [] });
  const line = `buyer dispute ${job} --keys @${name} --schema @schema.json --out @result.json`;
  const { status, stderr } = await cli.run(line);
  expect(status).toBe(3);
  expect(stderr).toContain("the shares of parties 1, 2 and 3 are missing, and asking for them on chain");
  expect(stderr.trim().split(": ").at(-1)).toBe(
    `symbolon buyer dispute ${job} ${given(cli, name)} --schema ${cli.file("schema.json")} --out ${cli.file("result.json")} --disclose`,
  );
});

test("a wait says how long it lasts and how to go on, also when it is interrupted; then the result is named", async () => {
  const { attested, cli, name, job } = await disputable({ deliver: [1, 3] });
  const words = `buyer dispute ${job} ${given(cli, name)}`;
  const { signal, stderr } = await interruptCli([...words.split(" "), "--disclose"], "waiting: ");
  expect(signal).toBe("SIGINT");
  const command = `symbolon ${words} --disclose`;
  expect(stderr).toContain(`the command waits, and may be interrupted; to go on later: ${command}\n`);
  expect(stderr.trim().split("\n").at(-1)).toBe(`to go on with the dispute: ${command}`);
  const asked = (await attested.connection.market.jobEvents(job)).filter(
    ({ type }) => type === "ChunkChallenged",
  ) as { dueSec: number }[];
  expect(asked).toHaveLength(2);
  const due = time(Math.min(...asked.map(({ dueSec }) => dueSec)));
  expect(stderr).toContain(`waiting: for the share of party 2 until ${due}, seconds 0/`);

  for (const chunk of [0, 1]) await post(attested, 2, chunk);
  const accept = `symbolon buyer accept ${job} ${given(cli, name)}`;
  const shown = await cli.run(`buyer dispute ${job} --keys @${name}`);
  expect(shown.stderr).toContain("party 2 has posted what it was asked for");
  expect(shown.stdout).toContain("the result is whole");
  expect(shown.stdout).toContain(`Job ${job}: statistics`);
  expect(shown.stdout.trim().endsWith(accept)).toBe(true);
  const { stdout } = await cli.run(`buyer dispute ${job} --keys @${name} --out @result.json`);
  expect(stdout).toContain(`the result is in ${cli.file("result.json")}\n`);
  expect(JSON.parse(await readFile(cli.file("result.json"), "utf8")).job).toBe(job);
  await attested.connection.market.accept(job);
  expect((await cli.run(`buyer dispute ${job} --keys @${name}`)).stdout).not.toContain("buyer accept");
});

// Last, for it stops the bridge, moves the chain's clock and costs an operator its bond.
test("of each missing share it says what is true: never asked for, or overdue", async () => {
  const { attested, cli, name, job } = await disputable({});
  const { market } = attested.connection;
  await market.challenge(await market.attestedJob(job), 2, 0);
  const { responseSec } = await market.settings();
  await world.bridge.close();
  await world.provider.send("evm_increaseTime", [responseSec + 1]);
  await world.provider.send("evm_mine", []);
  const { stdout, stderr } = await cli.run(`buyer dispute ${job} --keys @${name} --schema @schema.json`);
  for (const point of [1, 3]) expect(stderr).toContain(`party ${point} was not asked for its share\n`);
  expect(stderr).toMatch(/party 2 has posted 0 of 1 chunk .*, and had until .* for it\n/);
  expect(stderr).not.toContain("has posted what it was asked for");
  expect(stderr).not.toContain("waiting");
  expect(stdout).toMatch(
    /^party 2 did not post its share: its bond is gone \(tx 0x\w+\), and the money is back/,
  );
});
