/** `symbolon operator status`: where an operator stands. */
import type { Command } from "commander";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { describeOwed, whatOwedIsAnsweredBy } from "../describe-owed.ts";
import { type AccountOptions, withConnection } from "../market-options.ts";
import { operatorAddress, operatorCommand } from "../operator-account.ts";
import { type Output, showEther, showSpan } from "../output.ts";
import { runnable } from "../runnable.ts";

/** A document for programs, and what it says as rows of a table. */
interface Shown {
  document: object;
  rows: string[][];
}

export function status(output: Output): Command {
  return operatorCommand(
    "status",
    "registration, bond, what is owed to buyers, algorithms and earnings",
    "symbolon operator status --keys operator.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async ({ reader }) => {
      const address = await operatorAddress(options);
      const here = (await reader.operatorStatus(address)) !== "None";
      const record = await (here ? registered(reader, address, options) : left(reader, address, options));
      const owed = await debts(reader, address);
      const earned = await earnings(reader, address);
      output.result({ ...record.document, ...owed.document, ...earned.document }, () =>
        output.table(["operator", address], [...record.rows, ...owed.rows, ...earned.rows]),
      );
    }),
  );
}

async function registered(reader: MarketReader, address: string, options: AccountOptions): Promise<Shown> {
  const { identify, listAlgorithms } = await import("../../../algorithms/catalog.ts");
  const operator = await reader.operator(address);
  const known = await Promise.all(listAlgorithms().map(({ manifest }) => identify(manifest)));
  const own = (await reader.sets()).filter(({ members }) => members.includes(address));
  const operatorSets = await Promise.all(
    own.map(async ({ id, members }) => ({
      id,
      members,
      algorithms: (await reader.approvals(address, id)).map((hash) => ({
        hash,
        id: known.find((a) => a.hash === hash)?.id ?? null,
      })),
    })),
  );
  const release = await bondRelease(reader, operator.withdrawableAtSec, options);
  return {
    document: { ...operator, operatorSets },
    rows: [
      ["status", operator.status],
      ["endpoint", operator.endpoint],
      ["signer", operator.signer],
      ["fee", showEther(operator.feeWei)],
      ["bond", showEther(operator.bondWei)],
      ...(release === undefined ? [] : [["bond is free", release]]),
      ...operatorSets.map(({ id, algorithms }) => [
        `set ${shortId(id)}`,
        algorithms.map((a) => a.id ?? shortId(a.hash)).join(", ") || "runs nothing",
      ]),
    ],
  };
}

/** From when on a bond can be withdrawn, in words; undefined where the operator is not leaving. */
async function bondRelease(
  reader: MarketReader,
  withdrawableAtSec: number | null,
  options: AccountOptions,
): Promise<string | undefined> {
  if (withdrawableAtSec === null) return undefined;
  const { chainTimeSec } = await import("../../chain-time.ts");
  const leftSec = withdrawableAtSec - (await chainTimeSec(reader));
  const at = isoTime(withdrawableAtSec);
  return leftSec > 0
    ? `from ${at} on, in ${showSpan(leftSec)}`
    : `since ${at}: ${runnable("symbolon operator withdraw-bond", options)}`;
}

/** An operator that is gone with its bond: what its jobs pay is its own all the same. @throws NOT_FOUND for one that never came */
async function left(reader: MarketReader, address: string, options: AccountOptions): Promise<Shown> {
  const back = await reader.bondReturn(address);
  if (back === undefined) {
    throw new SymbolonError("NOT_FOUND", `account ${address} never registered as an operator`, {
      hint: "`symbolon operator register` registers it",
    });
  }
  const { amountWei, timestampSec: atSec, txHash } = back;
  return {
    document: { address, status: "None", bondReturn: { amountWei, atSec, txHash }, operatorSets: [] },
    rows: [
      ["status", "left"],
      ["bond", `${showEther(amountWei)} came back at ${isoTime(atSec)}`],
      ["its jobs", `still pay once they are settled: ${runnable("symbolon operator claim", options)}`],
      ["to come back", "symbolon operator register, with the same keys or new ones"],
    ],
  };
}

async function debts(reader: MarketReader, address: string): Promise<Shown> {
  const { owedChunks } = await import("../../owed-chunks.ts");
  const { chainTimeSec } = await import("../../chain-time.ts");
  const owed = await owedChunks(reader, address);
  const phrases = describeOwed(owed, await chainTimeSec(reader));
  const rows = phrases.map((phrase) => ["owes", phrase]);
  return { document: { owed }, rows: rows.length === 0 ? [] : [...rows, ["", whatOwedIsAnsweredBy]] };
}

async function earnings(reader: MarketReader, address: string): Promise<Shown> {
  const { earningsOf } = await import("../../seller/earnings.ts");
  const { claimableWei, claimedWei, jobs } = await earningsOf(reader, address);
  return {
    document: { claimableWei, claimedWei, jobs: jobs.length },
    rows: [
      ["jobs", String(jobs.length)],
      ["can be claimed", showEther(claimableWei)],
      ["claimed", showEther(claimedWei)],
    ],
  };
}

const isoTime = (seconds: number): string => new Date(seconds * 1000).toISOString();
