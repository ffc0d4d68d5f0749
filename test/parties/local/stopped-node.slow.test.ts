/**
 * A node process that stops in the middle of a round: the job ends by name on every node within the deadline, and
 * the same processes go on with other jobs.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { findAlgorithm } from "../../../algorithms/catalog.ts";
import { openTerms } from "../../../contracts/use-terms.ts";
import { BuyerClient } from "../../../parties/buyer/client.ts";
import { parseTable } from "../../../parties/data/csv.ts";
import { deriveSchema } from "../../../parties/data/schema.ts";
import { createKeys } from "../../../parties/keys.ts";
import { startChild } from "../../../parties/local/child-process.ts";
import { withMarket } from "../../../parties/local/market.ts";
import { localPriceWei } from "../../../parties/local/run-job.ts";
import { publishDataSet } from "../../../parties/seller/client.ts";

const roundMs = 4_000;
const rows = Array.from({ length: 60 }, (_, i) => `${i % 7},${(i * 13) % 11},${i % 7 > 3 ? 1 : 0}`);

it("ends its job by name on every node, and no other", async () => {
  const { manifest } = findAlgorithm("logistic-regression");
  await withMarket({ algorithms: [manifest], roundMs }, async (market) => {
    const { bridge } = market;
    const account = async () => {
      const keys = createKeys("buyer");
      return { keys, wallet: await market.fund(keys.account.privateKey.hex()) };
    };
    const table = await parseTable(["a,b,y", ...rows].join("\n"), {}, "rows.csv");
    const seller = createKeys("seller");
    const sellerWallet = await market.fund(seller.account.privateKey.hex());
    const { offer } = await publishDataSet(
      { bridge, market: market.as(sellerWallet), seller: seller.account.address },
      {
        table,
        schema: deriveSchema([table], { label: "y" }),
        operatorSet: market.operatorSet,
        terms: openTerms(localPriceWei),
      },
    );
    const train = async (epochs: number) => {
      const { keys, wallet } = await account();
      const { address } = keys.account;
      const client = new BuyerClient({
        ...{ bridge, market: market.as(wallet), buyer: address, resultKey: keys.resultKey },
      });
      const parameters = { epochs, batchSize: 16 };
      const proposal = await client.propose({ algorithm: manifest.id, parameters, offers: [offer] });
      const { job } = await client.fund(proposal, 600);
      return { client, job };
    };
    const training = (job: string) =>
      expect
        .poll(async () => (await bridge.job(job)).progress?.phase, { timeout: 60_000, interval: 50 })
        .toBe("training");
    /** The codes with which a node's log says that the job failed. */
    const failures = async (point: number, job: string): Promise<string[]> =>
      (await readFile(join(market.folder, `node-${point}.log`), "utf8"))
        .split("\n")
        .filter((line) => line.includes(`"job":"${job}"`))
        .flatMap((line) => Array.from(line.matchAll(/PEER_TIMEOUT|PEER_LOST/g), ([code]) => code));
    const failed = (point: number, job: string, code: string) =>
      expect.poll(() => failures(point, job), { timeout: 30_000 }).toContain(code);
    const pids = market.operators.map(({ node }) => node.pid);

    // Node 3 falls silent in the middle of a round, and wakes up when the others have given the job up.
    const silent = await train(1000);
    await training(silent.job);
    process.kill(pids[2]!, "SIGSTOP");
    try {
      await Promise.all([1, 2].map((point) => failed(point, silent.job, "PEER_TIMEOUT")));
      await expect(silent.client.waitForResult(silent.job)).rejects.toMatchObject({ kind: "aborted" });
    } finally {
      process.kill(pids[2]!, "SIGCONT");
    }
    await failed(3, silent.job, "PEER_TIMEOUT");
    const second = await train(1);
    expect((await second.client.waitForResult(second.job)).state).toBe("Attested");

    // Node 3 is killed in the middle of a round, and started again.
    const killed = await train(1000);
    await training(killed.job);
    market.operators[2].node.kill();
    await Promise.all([1, 2].map((point) => failed(point, killed.job, "PEER_LOST")));
    await expect(killed.client.waitForResult(killed.job)).rejects.toMatchObject({ kind: "aborted" });
    const again = await startChild({
      name: "node 3",
      args: ["node", "--config", join(market.folder, "node-3.json")],
      logFile: join(market.folder, "node-3.log"),
      readyTimeoutMs: 60_000,
    });
    try {
      const last = await train(1);
      expect((await last.client.waitForResult(last.job)).state).toBe("Attested");
    } finally {
      await again.stop();
    }
    expect(market.operators.slice(0, 2).map(({ node }) => [node.pid, node.running])).toEqual([
      [pids[0], true],
      [pids[1], true],
    ]);
  });
});
