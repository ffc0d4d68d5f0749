/** Sessions on a chain with a collector and providers, each side with a folder of its own and one store for all. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Wallet } from "ethers";
import { ExchangeCollector } from "../../../parties/exchange/collector.ts";
import type { OpenRequest } from "../../../parties/exchange/collector-opening.ts";
import type { ExchangeConnection } from "../../../parties/exchange/connection.ts";
import { FolderStore } from "../../../parties/exchange/folder-store.ts";
import { ExchangeProvider } from "../../../parties/exchange/provider.ts";
import { readSession } from "../../../parties/exchange/session.ts";
import { phaseSec, startExchange } from "../../contracts/exchange-fixture.ts";
import { noisySellers } from "./noisy-sellers.ts";

export const reward = 1_000_000n;
export const deposit = 7000n;
export const compensation = reward / 10n;
export const rowsPerShard = 16;

export type SessionFixture = Awaited<ReturnType<typeof startSessions>>;

/** @param noise share of each seller's labels, 0 to 1, that are turned */
export async function startSessions(noise: readonly number[]) {
  const exchange = await startExchange();
  const folder = await mkdtemp(join(tmpdir(), "symbolon-sides-"));
  const store = new FolderStore(join(folder, "store"));
  const data = await noisySellers(noise, 4);
  let session = 0;

  const connection = (wallet: Wallet): ExchangeConnection => ({
    market: exchange.of(wallet),
    account: wallet.address,
    chainId: 31337,
    fromBlock: 0,
    store,
  });

  /** What is asked for when nothing else is said. */
  const request = (change: Partial<OpenRequest> = {}): OpenRequest => {
    const phases = { register: phaseSec, sample: phaseSec, features: phaseSec, review: phaseSec };
    return {
      ...{ title: "Tumours", schema: data.schema, validation: data.validation },
      ...{ rewardWei: reward, depositWei: deposit },
      ...{ samplingBps: 1000, minShards: 4, shardsPerSample: 2, rowsPerShard, hidden: 48 },
      phases: { ...phases, answer: phaseSec, optimal: phaseSec, claim: phaseSec },
      ...change,
    };
  };

  /** A session of its own, opened, with its times. */
  const open = async (change: Partial<OpenRequest> = {}) => {
    const name = `session-${session++}`;
    const collector = new ExchangeCollector(connection(exchange.collector), join(folder, name));
    // A fixture's chain runs ahead of the clock once it has jumped.
    await exchange.provider.send("evm_mine", []);
    const { session: id } = await collector.open(request(change));
    const record = () => readSession(exchange.of(exchange.collector), id, 0);
    const { times } = await record();
    const provider = (index: number) =>
      new ExchangeProvider(connection(exchange.providers[index]!), join(folder, `${name}-${index}`));
    const journal = async (side: string) =>
      JSON.parse(await readFile(join(folder, `${name}${side}`, "journal.json"), "utf8"));
    return { id, collector, request: request(change), times, provider, journal, record, name };
  };

  return {
    ...{ exchange, folder, store, data, connection, request, open },
    close: async (): Promise<void> => {
      await exchange.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
