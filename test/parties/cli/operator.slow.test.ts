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

test("an operator registers the signing key of its key file, or one of another machine by its proof", async () => {
  const own = createKeys("operator", { owner: market.chain.accounts[13]!.privateKey });
  const node = createKeys("operator");
  await saveKeys(own, file("own.json"));
  await saveKeys(node, file("node.json"));
  const run = async (command: string, ...options: string[]) => {
    const env = { SYMBOLON_DEPLOYMENT: file("deployment.json"), SYMBOLON_RPC: market.chain.url };
    const { status, stdout } = await runCli(["operator", command, ...options, "--json"], { env });
    return { status, answer: JSON.parse(stdout) };
  };
  const terms = ["--keys", file("own.json"), "--endpoint", "127.0.0.1:9600", "--fee", "1gwei"];
  const registered = () => market.of(market.stranger).operator(own.owner.address);

  expect(await run("register", ...terms)).toMatchObject({ status: 0 });
  expect(await registered()).toMatchObject({ status: "Active", signer: own.signer.address });

  const prove = (operator: string, out: string) =>
    run("prove-signer", operator, "--keys", file("node.json"), "--out", file(out));
  expect(await prove(market.stranger.address, "another.json")).toMatchObject({ status: 0 });
  const refused = await run("update", ...terms, "--signer-proof", file("another.json"));
  expect(refused.answer.error).toMatchObject({
    code: "NOT_AUTHORISED",
    message: expect.stringContaining(`is for operator ${market.stranger.address}`),
  });
  expect(await prove(own.owner.address, "proof.json")).toMatchObject({ status: 0 });
  expect(await run("update", ...terms, "--signer-proof", file("proof.json"))).toMatchObject({ status: 0 });
  expect(await registered()).toMatchObject({
    signer: node.signer.address,
    sealKey: own.sealKey.publicKey,
  });
}, 60_000);
