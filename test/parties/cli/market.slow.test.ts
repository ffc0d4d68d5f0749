import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { type SharedMarket, sharedMarket } from "../local/shared-market.ts";
import { runCli } from "./run-cli.ts";

let shared: SharedMarket;
let folder = "";
let env: Record<string, string> = {};
/** Names of the first offer, of the second with more terms, and of the job; how its result is accepted. */
let [offer, strict, job, accepting] = ["", "", "", ""];
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-cli-market-"));
  shared = await sharedMarket();
  const { market } = shared;
  await writeFile(file("deployment.json"), JSON.stringify(market.deployment));
  env = {
    SYMBOLON_RPC: market.rpcUrl,
    SYMBOLON_BRIDGE: market.bridge.url,
    SYMBOLON_DEPLOYMENT: file("deployment.json"),
  };
  for (const role of ["seller", "buyer"] as const) {
    const keys = createKeys(role);
    await saveKeys(keys, file(`${role}.json`));
    await market.fund(keys.account.privateKey.hex());
  }
  await saveKeys(createKeys("buyer"), file("poor.json"));
  await saveKeys(market.operators[0].keys, file("operator.json"));
  await writeFile(file("data.csv"), "x,y\n1,2\n2,3.5\n3,4\n");
});
afterAll(async () => {
  await shared?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command with --json against the market: its status and its document. */
async function symbolon(line: string) {
  const { status, stdout, stderr } = await runCli([...line.split(" "), "--json"], { cwd: folder, env });
  return { status, document: JSON.parse(stdout), stderr };
}

/** The same for a command that must fail. */
async function refused(line: string) {
  const { status, document } = await symbolon(line);
  return [status, document.error?.code];
}

describe("the command line on a running market, from an offer to the last claim", () => {
  it("offers a data set", async () => {
    const { status, document } = await symbolon(
      "seller offer --keys seller.json --data data.csv --price 0.01eth",
    );
    expect(status).toBe(0);
    offer = document.offer;
    expect(document).toMatchObject({
      offer: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      rows: 3,
      columns: 2,
      terms: { priceWei: "10000000000000000" },
    });
    const browsed = await symbolon("buyer browse");
    expect(browsed.document.offers).toMatchObject([
      { offer, rows: 3, schema: { columns: [{ name: "x" }, { name: "y" }] } },
    ]);
  });

  it("refuses what is wrong with an exit status of its kind", async () => {
    expect(await refused("seller offer --keys seller.json --data none.csv --price 1wei")).toEqual([
      2,
      "USAGE",
    ]);
    expect(await refused("seller offer --keys buyer.json --data data.csv --price 1wei")).toEqual([
      2,
      "KEY_INVALID",
    ]);
    expect(await refused(`buyer run nothing --offers ${offer} --keys buyer.json`)).toEqual([
      2,
      "ALGORITHM_UNKNOWN",
    ]);
    expect(
      await refused(`buyer run statistics --offers ${offer} --keys buyer.json --params {"a":1}`),
    ).toEqual([2, "PARAMETER_INVALID"]);
    expect(await refused(`buyer run statistics --offers 0x${"77".repeat(32)} --keys buyer.json`)).toEqual([
      2,
      "NOT_FOUND",
    ]);
    // Names have four digits at least: a number is none.
    expect(await refused("buyer run statistics --offers 7 --keys buyer.json")).toEqual([2, "USAGE"]);
    expect(await refused(`buyer run statistics --offers ${offer} --keys poor.json`)).toEqual([
      3,
      "FUNDS_MISSING",
    ]);
    expect(
      await refused(`buyer run statistics --offers ${offer} --keys buyer.json --max-price 1gwei`),
    ).toEqual([3, "FUNDS_MISSING"]);
    expect(await refused("seller claim --keys seller.json")).toEqual([3, "STATE_INVALID"]);
  });

  it("runs a job and writes its result", async () => {
    const { status, document, stderr } = await symbolon(
      `buyer run statistics --offers ${offer} --keys buyer.json --out result.json`,
    );
    expect(status).toBe(0);
    accepting = /accept it with: (?:npx )?symbolon (.+)/.exec(stderr)?.[1] ?? "";
    job = document.job;
    expect(document.model.columns.x).toMatchObject({ count: 3 });
    expect(document.model.columns.x.mean).toBeCloseTo(2, 4);
    expect(JSON.parse(await readFile(file("result.json"), "utf8"))).toEqual(document);
    expect((await symbolon(`buyer status ${job.slice(0, 10)}`)).document).toMatchObject({
      state: "Attested",
      joins: [1, 2, 3],
      delivered: [1, 2, 3],
    });
  });

  it("opens the result for its key alone, and pays after it is accepted", async () => {
    expect(await refused(`buyer result ${job} --keys poor.json`)).toEqual([2, "KEY_INVALID"]);
    expect(accepting).toContain(job);
    expect((await symbolon(accepting)).status).toBe(0);
    expect((await symbolon("seller earnings --keys seller.json")).document).toMatchObject({
      claimableWei: "10000000000000000",
      jobs: [{ job, state: "claimable" }],
    });
    expect((await symbolon("seller claim --keys seller.json")).document).toMatchObject({
      amountWei: "10000000000000000",
    });
    expect((await symbolon("operator claim --keys operator.json")).document).toMatchObject({ jobs: [job] });
    expect((await symbolon("operator status --keys operator.json")).document).toMatchObject({
      status: "Active",
      claimableWei: "0",
      jobs: 1,
    });
  });

  it("exports the job's record, verifies it offline and with the chain, and catches an altered one", async () => {
    expect((await symbolon(`bundle ${job} --out job.json`)).status).toBe(0);
    expect((await symbolon("verify job.json")).document).toMatchObject({ valid: true });
    expect((await symbolon(`verify job.json --rpc ${env.SYMBOLON_RPC}`)).document.valid).toBe(true);
    const text = await readFile(file("job.json"), "utf8");
    await writeFile(file("altered.json"), text.replace('"rows": 3', '"rows": 4'));
    expect(await refused("verify altered.json")).toEqual([3, "COMMITMENT_MISMATCH"]);
    expect(await refused("verify result.json")).toEqual([2, "USAGE"]);
  });

  it("holds a job against the terms of an offer, before anything is paid, in words", async () => {
    const offered = await symbolon(
      "seller offer --keys seller.json --data data.csv --price 1gwei --min-sellers 2 --budget-rho 0.5 --expires 2099-01-01 --allow-algorithm statistics --allow-purpose teaching",
    );
    strict = offered.document.offer;
    expect(offered).toMatchObject({
      status: 0,
      document: { terms: { minSellers: 2, expirySec: Date.parse("2099-01-01") / 1000 } },
    });
    expect((await symbolon("buyer browse")).document.offers[1]).toMatchObject({
      budgetMicroRho: "500000",
      budgetLeftMicroRho: "500000",
    });
    const words = async (options: string): Promise<string> => {
      const { status, document } = await symbolon(`buyer run statistics --keys buyer.json ${options}`);
      expect([status, document.error.code]).toEqual([3, "TERMS_REFUSED"]);
      return document.error.message;
    };
    expect((await words(`--offers ${strict}`)).split("; ")).toEqual([
      `offer ${strict.slice(0, 12)} has a privacy budget of rho 0.5 left, this job takes exact results`,
      `offer ${strict.slice(0, 12)} is used with data of at least 2 sellers, this job has 1`,
      `offer ${strict.slice(0, 12)} asks for a purpose`,
    ]);
    expect(await words(`--offers ${strict} --purpose teaching`)).not.toContain("purpose");
    // What no option names stays, the lists too.
    const { terms } = offered.document;
    const priced = await symbolon(`seller relist ${strict} --price 2gwei --keys seller.json`);
    expect(priced.document.terms).toEqual({ ...terms, priceWei: "2000000000" });
    expect(await words(`--offers ${strict}`)).toContain("at least 2 sellers");
    const relisted = await symbolon(`seller relist ${strict} --min-sellers 0 --keys seller.json`);
    expect(relisted.document).toMatchObject({ terms: { minSellers: 0 }, budgetLeftMicroRho: "500000" });
    expect((await refused(`seller return-budget ${job} --keys seller.json`))[1]).toBe("STATE_INVALID");
    expect(await words(`--offers ${strict} --purpose teaching`)).toBe(
      `offer ${strict.slice(0, 12)} has a privacy budget of rho 0.5 left, this job takes exact results`,
    );
  });

  it("takes terms that are none for bad usage", async () => {
    for (const option of [
      "--max-rho much",
      "--expires soon",
      "--expires 2001-01-01",
      "--expires 2099-01-01T10:00",
      "--min-sellers -1",
      "--allow-buyer 0x12",
    ]) {
      const line = `seller offer --keys seller.json --data data.csv --price 1gwei ${option}`;
      expect(await refused(line), option).toEqual([2, "USAGE"]);
    }
  });

  it("changes and withdraws the offer, after which nobody can use it", async () => {
    expect(
      (await symbolon(`seller relist ${offer.slice(0, 8)} --price 5gwei --keys seller.json`)).document,
    ).toMatchObject({
      terms: { priceWei: "5000000000" },
    });
    expect((await symbolon(`seller withdraw-offer ${offer} --keys seller.json`)).status).toBe(0);
    expect((await symbolon("seller offers --keys seller.json")).document.offers).toMatchObject([
      { active: false, jobs: 1 },
      { active: true, jobs: 0 },
    ]);
    expect(await refused(`buyer run statistics --offers ${offer} --keys buyer.json`)).toEqual([
      3,
      "TERMS_REFUSED",
    ]);
  });
});
