/** What every command says where the market is not, on a chain that was started anew. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type DevChain, startDevChain } from "../../../contracts/dev-chain.ts";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { runInProcess } from "./in-process.ts";

let chain: DevChain;
let folder: string;
const address = (digit: string): string => `0x${digit.repeat(40)}`;
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  chain = await startDevChain();
  folder = await mkdtemp(join(tmpdir(), "symbolon-no-market-"));
  const [operatorRegistry, jobEscrow, disputes] = ["1", "2", "3"].map(address);
  const [reviewExchange, gradientRounds] = ["4", "5"].map(address);
  const addresses = { operatorRegistry, jobEscrow, disputes, reviewExchange, gradientRounds };
  await writeFile(file("deployment.json"), JSON.stringify({ chainId: 31337, blockNumber: 0, ...addresses }));
  await saveKeys(createKeys("seller"), file("seller.json"));
  await saveKeys(createKeys("operator"), file("operator.json"));
  await writeFile(file("data.csv"), "x\n1\n2\n");
});
afterAll(async () => {
  await chain.close();
  await rm(folder, { recursive: true, force: true });
});

test.each([
  "buyer browse",
  "buyer status 0x5c1e",
  "seller offer --data @data.csv --price 1gwei --keys @seller.json",
  "seller offers --keys @seller.json",
  "operator status --keys @operator.json",
])("%s says that the contracts are not there", async (line) => {
  const words = line.split(" ").map((word) => (word.startsWith("@") ? file(word.slice(1)) : word));
  const market = ["--rpc", chain.url, "--deployment", file("deployment.json"), "--json"];
  const { status, stdout } = await runInProcess([...words, ...market]);
  const { error } = JSON.parse(stdout);
  expect([status, error.code]).toEqual([2, "CONFIG_INVALID"]);
  expect(error.message).toContain("there is no contract of this market at that address");
  expect(error.message).toContain(address("2"));
  expect(error.hint).toContain("deploy again");
});
