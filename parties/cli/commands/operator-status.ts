/** `symbolon operator status`: where an operator stands. */
import type { Command } from "commander";
import type { Operator } from "../../../contracts/market.ts";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { describeOwed, whatOwedIsAnsweredBy } from "../describe-owed.ts";
import { type AccountOptions, withConnection } from "../market-options.ts";
import { operatorAddress, operatorCommand } from "../operator-account.ts";
import { type Output, showEther, showSpan } from "../output.ts";
import { runnable } from "../runnable.ts";

export function status(output: Output): Command {
  return operatorCommand(
    "status",
    "registration, bond, what is owed to buyers, algorithms and earnings",
    "symbolon operator status --keys operator.keys.json",
  ).action((options: AccountOptions) =>
    withConnection(options, output, async ({ reader }) => {
      const { earningsOf } = await import("../../seller/earnings.ts");
      const { owedChunks } = await import("../../owed-chunks.ts");
      const { chainTimeSec } = await import("../../buyer/client.ts");
      const { identify, listAlgorithms } = await import("../../../algorithms/catalog.ts");
      const address = await operatorAddress(options);
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
      const { claimableWei, claimedWei, jobs } = await earningsOf(reader, address);
      const release = await bondRelease(reader, operator, options);
      const owed = await owedChunks(reader, address);
      const owes = describeOwed(owed, await chainTimeSec(reader));
      output.result(
        {
          ...operator,
          owed,
          operatorSets,
          claimableWei,
          claimedWei,
          jobs: jobs.length,
        },
        () =>
          output.table(
            ["operator", address],
            [
              ["status", operator.status],
              ["endpoint", operator.endpoint],
              ["signer", operator.signer],
              ["fee", showEther(operator.feeWei)],
              ["bond", showEther(operator.bondWei)],
              ...(release === undefined ? [] : [["bond is free", release]]),
              ...owes.map((phrase) => ["owes", phrase]),
              ...(owes.length === 0 ? [] : [["", whatOwedIsAnsweredBy]]),
              ...operatorSets.map(({ id, algorithms }) => [
                `set ${shortId(id)}`,
                algorithms.map((a) => a.id ?? shortId(a.hash)).join(", ") || "runs nothing",
              ]),
              ["jobs", String(jobs.length)],
              ["can be claimed", showEther(claimableWei)],
              ["claimed", showEther(claimedWei)],
            ],
          ),
      );
    }),
  );
}

/** From when on a bond can be withdrawn, in words; undefined where the operator is not leaving. */
async function bondRelease(
  reader: MarketReader,
  { withdrawableAtSec }: Operator,
  options: AccountOptions,
): Promise<string | undefined> {
  if (withdrawableAtSec === null) return undefined;
  const { chainTimeSec } = await import("../../buyer/client.ts");
  const leftSec = withdrawableAtSec - (await chainTimeSec(reader));
  const at = new Date(withdrawableAtSec * 1000).toISOString();
  return leftSec > 0
    ? `from ${at} on, in ${showSpan(leftSec)}`
    : `since ${at}: ${runnable("symbolon operator withdraw-bond", options)}`;
}
