/**
 * Review and exchange by its commands, each a process of its own, on a chain: five sellers whose labels are wrong to
 * different degrees, and one buyer who finds the best without having seen a row.
 */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getBytes, type JsonRpcProvider, Wallet } from "ethers";
import { afterAll, beforeAll, expect, it } from "vitest";
import { buildContracts } from "../../../contracts/build.ts";
import { deployMarket } from "../../../contracts/deploy.ts";
import { type DevChain, startDevChain } from "../../../contracts/dev-chain.ts";
import { ExchangeMarket } from "../../../contracts/exchange.ts";
import { shardKey } from "../../../contracts/exchange-commitments.ts";
import { openProvider } from "../../../contracts/provider.ts";
import { conform } from "../../../parties/data/conform.ts";
import { readTable } from "../../../parties/data/csv.ts";
import { aloneIn } from "../../../parties/exchange/folder-lock.ts";
import { readSession } from "../../../parties/exchange/session.ts";
import { decryptShard } from "../../../parties/exchange/shards.ts";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { runCli } from "../cli/run-cli.ts";
import { csvOf, type NoisySellers, noisySellers } from "./noisy-sellers.ts";

const noise = [0.3, 0, 0.4, 0.1, 0.2];
const best = noise.indexOf(0);
const eth = 10n ** 18n;
const phaseSec = 600;

let folder = "";
let chain: DevChain;
let provider: JsonRpcProvider;
let market: ExchangeMarket;
let fromBlock = 0;
let data: NoisySellers;
let env: Record<string, string> = {};
/** Everything that any command printed. */
let printed = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-exchange-"));
  await buildContracts();
  chain = await startDevChain();
  provider = openProvider(chain.url, 31337);
  const deployment = await deployMarket(new Wallet(chain.accounts[0]!.privateKey, provider), {
    ...{ challengeWindowSec: 60, graceSec: 0, minBondWei: 1n, unbondingSec: 60 },
    ...{ challengeFeeWei: 1n, responseSec: 60 },
    sampleDelaySec: 30,
  });
  market = new ExchangeMarket(deployment.reviewExchange, provider);
  fromBlock = deployment.blockNumber;
  // Of this seed, the scores of the best and the next were at least 0.11 nats apart in 100 draws of the extractor.
  data = await noisySellers(noise, 4);
  const file = (name: string): string => join(folder, name);
  await writeFile(file("deployment.json"), JSON.stringify(deployment));
  await writeFile(file("schema.json"), JSON.stringify(data.schema));
  await writeFile(file("own.csv"), csvOf(data.validation));
  const account = (index: number) => ({ account: chain.accounts[index]!.privateKey });
  await saveKeys(createKeys("buyer", account(1)), file("buyer.keys"));
  for (const [index, table] of data.sellers.entries()) {
    await writeFile(file(`seller-${index}.csv`), csvOf(table));
    await saveKeys(createKeys("seller", account(2 + index)), file(`seller-${index}.keys`));
  }
  env = {
    SYMBOLON_RPC: chain.url,
    SYMBOLON_DEPLOYMENT: file("deployment.json"),
    SYMBOLON_STORE: file("store"),
  };
});
afterAll(async () => {
  provider?.destroy();
  await chain?.close();
  await rm(folder, { recursive: true, force: true });
});

async function symbolon(line: string) {
  const { status, stdout, stderr } = await runCli([...line.split(" "), "--json"], { cwd: folder, env });
  printed += stdout + stderr;
  return { status, document: JSON.parse(stdout), stderr };
}

async function done(line: string) {
  const { status, document, stderr } = await symbolon(line);
  expect({ status, stderr: status === 0 ? "" : stderr, error: document.error }).toEqual({
    status: 0,
    stderr: "",
  });
  return document;
}

const buyer = (line: string) => done(`buyer exchange ${line} --folder buying --keys buyer.keys`);
const seller = (index: number, line: string) =>
  done(`seller exchange ${line} --folder selling-${index} --keys seller-${index}.keys`);
const each = <T>(body: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(noise.map((_, index) => body(index)));

async function jump(timeSec: number): Promise<void> {
  await provider.send("evm_setNextBlockTimestamp", [timeSec]);
  await provider.send("evm_mine", []);
}

const journalOf = async (side: string) =>
  JSON.parse(await readFile(join(folder, side, "journal.json"), "utf8"));
const balance = (index: number) => provider.getBalance(chain.accounts[index]!.address);

it("finds the seller with the fewest wrong labels, pays it, and brings its rows", {
  timeout: 600_000,
}, async () => {
  const terms =
    "open --title Tumours --schema schema.json --validation own.csv --deposit 0.2eth --sampling-share 10 --rows-per-shard 8";
  const opening = `${terms} --reward 1eth --phase`;
  const short = await symbolon(`buyer exchange ${opening} 75 --folder buying --keys buyer.keys`);
  expect([short.status, short.document.error]).toEqual([
    2,
    expect.objectContaining({
      code: "PARAMETER_INVALID",
      hint: "give --sample-for 90 --review-for 120 or more, or all phases at least --phase 120",
    }),
  ]);
  const opened = await buyer(`${opening} ${phaseSec}`);
  expect(await buyer(`${opening} ${phaseSec}`)).toEqual({ ...opened, txHash: null });
  const session: string = opened.session;
  expect(opened.next).toMatchObject({ command: "buyer exchange sample", note: expect.any(String) });
  // In a token there is another money, which is said before anything is looked for.
  const inToken = await symbolon(
    `buyer exchange ${terms} --reward 1eth --token ${market.address} --folder other --keys buyer.keys`,
  );
  expect([inToken.status, inToken.document.error.message]).toEqual([
    2,
    `there is no ERC-20 token at ${market.address}`,
  ]);
  const registered = await each((index) => seller(index, `register ${session} --data seller-${index}.csv`));
  for (const { rows, shards } of registered) expect({ rows, shards }).toEqual({ rows: 91, shards: 12 });
  const seats = registered.map(({ seat }) => seat as string);
  const { times } = await readSession(market, session, fromBlock);

  // Too early: the secret must not leave the machine.
  const early = await symbolon("buyer exchange sample --folder buying --keys buyer.keys");
  expect([early.status, early.document.error.code]).toEqual([3, "STATE_INVALID"]);
  const nothing = await symbolon(
    "buyer exchange score --validation own.csv --folder buying --keys buyer.keys",
  );
  expect([nothing.status, nothing.document.error]).toEqual([
    3,
    expect.objectContaining({ hint: expect.stringMatching(/^buyer exchange sample does so/) }),
  ]);
  await jump(times.sampleFromSec);
  const first = await buyer("sample");
  expect(first.sampled.sort()).toEqual([...seats].sort());
  const again = await buyer("sample");
  expect([again.sampled.sort(), again.txHashes]).toEqual([first.sampled, []]);
  const said = await runCli("buyer exchange sample --folder buying --keys buyer.keys".split(" "), {
    ...{ cwd: folder, env },
  });
  expect(said.stdout).toMatch(
    /^sampled 5 data sets already: .*\nnext: symbolon buyer exchange score until \d{4}-.*\n$/,
  );
  expect(again.next).toMatchObject({ command: "buyer exchange score", bySec: times.reviewBySec });

  await each((index) => seller(index, "features"));
  const { ranking, refused } = await buyer("score --validation own.csv");
  expect(refused).toEqual([]);
  expect(ranking).toHaveLength(noise.length);
  expect(ranking[0].seat).toBe(seats[best]);
  const worst = [seats[noise.indexOf(0.3)], seats[noise.indexOf(0.4)]];
  expect(worst).toContain(ranking.at(-1).seat);

  const { asked } = await buyer("review --top 3");
  const reviewed = asked.map(({ seat }: { seat: string }) => seats.indexOf(seat));
  expect(reviewed).toHaveLength(3);
  expect(reviewed[0]).toBe(best);
  await jump(times.reviewBySec + 1);
  const answers = () => Promise.all(reviewed.map((index: number) => seller(index, "answer")));
  const answered = await answers();
  expect(await answers()).toEqual(answered.map((answer) => ({ ...answer, txHash: null })));

  await jump(times.answerBySec + 1);
  const seen = await buyer("choose --dry-run");
  expect(seen.reviews.map(({ problems }: { problems: unknown[] }) => problems)).toEqual([[], [], []]);
  const chosen = await buyer("choose");
  expect(chosen.winner).toBe(seats[best]);
  expect(await buyer("choose")).toEqual({ ...chosen, txHash: null });
  const secretStill = await journalOf(`selling-${best}`);
  expect(printed).not.toContain(secretStill.masterKey);

  const before = await balance(2 + best);
  const paid = await seller(best, "claim");
  // The reward less one compensation of a tenth to each of the two others.
  expect(paid).toMatchObject({ rewardWei: String((eth * 8n) / 10n), depositWei: String(eth / 5n) });
  expect((await balance(2 + best)) - before).toBeGreaterThan((eth * 99n) / 100n);

  for (let i = 0; i < 2; i++) await buyer("collect --out bought.csv");
  const bought = await readTable(join(folder, "bought.csv"));
  const sold = conform(data.sellers[best]!, data.schema);
  const width = data.schema.columns.length;
  expect(bought.columns).toEqual([...data.schema.columns.map(({ name }) => name), data.schema.label!.name]);
  expect(bought.rows).toBe(sold.rows);
  for (let row = 0; row < sold.rows; row++) {
    const cells = [...sold.features.subarray(row * width, (row + 1) * width), sold.label![row]];
    expect([...bought.values.subarray(row * (width + 1), (row + 1) * (width + 1))]).toEqual(cells);
  }

  for (const index of noise.keys()) {
    if (index === best) continue;
    if (!reviewed.includes(index)) {
      expect(await seller(index, "withdraw")).toMatchObject({ amountWei: String(eth / 5n) });
      continue;
    }
    const side = `--folder selling-${index} --keys seller-${index}.keys`;
    await aloneIn(join(folder, `selling-${index}`), async () => {
      expect(await symbolon(`seller exchange follow ${side}`)).toMatchObject({
        status: 2,
        document: {
          error: { code: "USAGE", message: expect.stringContaining("another command is at work") },
        },
      });
      expect((await seller(index, "status")).own.state).toBe("Answered");
    });
    const followed = await seller(index, "follow --poll 1");
    expect(followed).toMatchObject({
      steps: [{ command: "withdraw", amountWei: String(eth / 5n + eth / 10n) }],
      next: null,
    });
  }
  expect(await provider.getBalance(market.address)).toBe(0n);
  const { state, winner } = await buyer("status");
  expect({ state, winner }).toEqual({ state: "Claimed", winner: seats[best] });
  expect((await seller(best, "status")).own).toEqual({ state: "Ended", heldWei: "0" });
});

it("leaves nothing in the store that the keys open that are public now", async () => {
  const { session, masterKey, ciphertextHashes, number } = await journalOf(`selling-${best}`);
  const seat = (BigInt(chain.accounts[2 + best]!.address) << 64n) | BigInt(number);
  const place = (index: number) => ({ session, seat, index, shardCount: ciphertextHashes.length });
  const keys = ciphertextHashes.map((_: string, index: number) => shardKey(getBytes(masterKey), index));
  // What lies at the seller's does decrypt, so that the attempts below are worth something.
  const own = await readFile(join(folder, `selling-${best}`, "blobs", ciphertextHashes[0].slice(2)));
  expect(decryptShard(keys[0], place(0), own, data.schema).rows).toBe(8);
  const names = await readdir(join(folder, "store"));
  // Two documents, and of each seller a list and twelve shards with features.
  expect(names).toHaveLength(2 + noise.length * (1 + 2 * 12));
  for (const name of names) {
    const blob = await readFile(join(folder, "store", name));
    for (const [index, key] of keys.entries()) {
      expect(() => decryptShard(key, place(index), blob, data.schema)).toThrow(/does not decrypt/);
    }
    expect(ciphertextHashes).not.toContain(`0x${name}`);
  }
});

it("keeps its journals to their owner, and prints no secret of them", async () => {
  for (const side of ["buying", ...noise.map((_, index) => `selling-${index}`)]) {
    expect((await stat(join(folder, side, "journal.json"))).mode & 0o777).toBe(0o600);
    const journal = await journalOf(side);
    for (const secret of [journal.secret, journal.sealPrivateKey, journal.masterKey].filter(Boolean)) {
      expect(secret).toMatch(/^0x[0-9a-f]{64}$/);
      expect(printed).not.toContain(secret.slice(2));
    }
  }
});
