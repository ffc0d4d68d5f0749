/** What the commands of both sides of an exchange have in common: where the session lives, and how it is shown. */
import type { Command } from "commander";
import { Option } from "commander";
import { Wallet } from "ethers";
import { ExchangeMarket } from "../../contracts/exchange.ts";
import type { ExchangeConnection } from "../exchange/connection.ts";
import { openStore } from "../exchange/open-store.ts";
import { phaseTable, type SessionRecord, seatName } from "../exchange/session.ts";
import { keysOf } from "./key-options.ts";
import {
  type AccountOptions,
  addKeyOptions,
  addMarketOptions,
  noteEstimate,
  withConnection,
} from "./market-options.ts";
import { type Output, showEther } from "./output.ts";

export interface ExchangeOptions extends AccountOptions {
  folder: string;
  store: string;
}

/** Adds `--keys`, the options of the market, `--folder` and `--store`. */
export function addExchangeOptions(made: Command, role: "seller" | "buyer"): Command {
  return addMarketOptions(addKeyOptions(made, role))
    .requiredOption("--folder <folder>", "where this side of the session is kept, secrets too")
    .addOption(
      new Option(
        "--store <place>",
        "the store that both sides reach: a folder, or the RPC address of an IPFS node (Kubo)",
      )
        .env("SYMBOLON_STORE")
        .makeOptionMandatory(),
    );
}

/** Connects the account of `role` to the exchange; the gas of each call is shown before it is sent. */
export async function withExchange<T>(
  role: "seller" | "buyer",
  options: ExchangeOptions,
  output: Output,
  body: (connection: ExchangeConnection) => Promise<T>,
): Promise<T> {
  const { account } = await keysOf(role, options);
  return await withConnection(options, output, async ({ deployment, provider }) => {
    const wallet = new Wallet(account.privateKey.hex(), provider);
    const market = new ExchangeMarket(deployment.reviewExchange, wallet);
    market.onEstimate = (estimate) => noteEstimate(output, estimate);
    const { chainId, blockNumber } = deployment;
    const store = openStore(options.store);
    return await body({ market, account: account.address, chainId, fromBlock: blockNumber, store });
  });
}

/** A session in JSON. */
export function sessionDocument(record: SessionRecord) {
  const { id, collector, state, request, times, nowSec, winner } = record;
  return {
    session: id,
    ...{ collector, state, nowSec },
    winner: winner === null ? null : seatName(winner),
    rewardWei: request.reward,
    depositWei: request.deposit,
    samplingBps: request.samplingBps,
    times,
    seats: record.seats.map((seat) => ({
      seat: seatName(seat.seat),
      provider: seat.provider,
      state: seat.state,
      shards: seat.commitment.shardCount,
      featuresRoot: seat.featuresRoot ?? null,
    })),
  };
}

/** A session in words: its phases and seats. */
export function describeSession(record: SessionRecord, output: Output): string {
  const { id, state, request, times, nowSec, seats, winner } = record;
  const phases = phaseTable(times, nowSec).map(({ phase, bySec, current }) => [
    current ? `> ${phase}` : `  ${phase}`,
    new Date(bySec * 1000).toISOString(),
  ]);
  return [
    `session ${id}: ${state}; reward ${showEther(request.reward)}, deposit ${showEther(request.deposit)}`,
    output.table(["phase", "until"], phases),
    `sampling begins ${new Date(times.sampleFromSec * 1000).toISOString()}`,
    seats.length === 0
      ? "no data set is registered"
      : output.table(
          ["seat", "shards", "state"],
          seats.map(({ seat, commitment, state: seatState }) => [
            seatName(seat),
            String(commitment.shardCount),
            seat === winner ? `${seatState}, winner` : seatState,
          ]),
        ),
  ].join("\n");
}
