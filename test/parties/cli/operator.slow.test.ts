import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { type MarketFixture, startMarket } from "../../contracts/market-fixture.ts";
import { runCli } from "./run-cli.ts";

let market: MarketFixture;
let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  market = await startMarket();
  folder = await mkdtemp(join(tmpdir(), "symbolon-operator-"));
  await writeFile(file("deployment.json"), JSON.stringify(market.deployment));
}, 60_000);
afterAll(async () => {
  await market.close();
  await rm(folder, { recursive: true, force: true });
});

test("an operator registers the keys of its key file, and later those of a new one", async () => {
  const owner = market.chain.accounts[13]!.privateKey;
  const [first, renewed] = [createKeys("operator", { owner }), createKeys("operator", { owner })];
  await saveKeys(first, file("first.json"));
  await saveKeys(renewed, file("renewed.json"));
  const run = async (command: string, keys: string) => {
    const env = { SYMBOLON_DEPLOYMENT: file("deployment.json"), SYMBOLON_RPC: market.chain.url };
    const terms = ["--keys", file(keys), "--endpoint", "127.0.0.1:9600", "--fee", "1gwei"];
    const { status, stdout } = await runCli(["operator", command, ...terms, "--json"], { env });
    return { status, answer: JSON.parse(stdout) };
  };
  const registered = () => market.of(market.stranger).operator(first.owner.address);

  expect(await run("register", "first.json")).toMatchObject({ status: 0 });
  expect(await registered()).toMatchObject({ status: "Active", signer: first.signer.address });
  expect(await run("update", "renewed.json")).toMatchObject({
    status: 0,
    answer: { signer: renewed.signer.address },
  });
  expect(await registered()).toMatchObject({
    signer: renewed.signer.address,
    sealKey: renewed.sealKey.publicKey,
  });
}, 60_000);
