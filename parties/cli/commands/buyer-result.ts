/** What a buyer does about a result: read it, accept it, dispute it, or get the money back. */
import type { Command } from "commander";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import type { Job } from "../../../contracts/market-views.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { noResult } from "../../buyer/finished-job.ts";
import { withBuyer } from "../buyer-connection.ts";
import { parseId } from "../command.ts";
import { describeResult } from "../describe-result.ts";
import { DisputeProgress, endWords } from "../follow-dispute.ts";
import { awaitResult, followToResult } from "../follow-job.ts";
import { type AccountOptions, accountCommand } from "../market-options.ts";
import { checkOutFile, writeOutFile } from "../out-file.ts";
import type { Output } from "../output.ts";
import { runnable } from "../runnable.ts";
import { type SchemaOption, schemaOption } from "../schema-option.ts";
import { heardWhenInterrupted } from "../until-stopped.ts";

export function result(output: Output): Command {
  return accountCommand(
    "buyer",
    "result",
    "fetch, check, decrypt and decode the result of a job",
    "symbolon buyer result 0x5c1e --keys buyer.keys.json --out model.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .addOption(schemaOption())
    .option("--wait", "wait until the job has a result")
    .option("--out <file>", "write the result to this file")
    .action((start: string, options: AccountOptions & SchemaOption & { wait?: boolean; out?: string }) =>
      withBuyer(options, output, async (buyer, { reader }) => {
        await checkOutFile(options.out);
        const id = await reader.jobNamed(start);
        const read = options.wait === true ? followToResult : awaitResult;
        const { file } = await read(buyer, id, output, options);
        await writeOutFile(options.out, file);
        output.result(file, () => describeResult(file, output, options.out));
      }),
    );
}

export function accept(output: Output): Command {
  return accountCommand(
    "buyer",
    "accept",
    "accept a result: sellers and operators are paid at once instead of after the challenge window",
    "symbolon buyer accept 0x5c1e --keys buyer.keys.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .addOption(schemaOption())
    .option("--unread", "also when the result cannot be read: nothing of it can be disputed any more")
    .action((start: string, options: AccountOptions & SchemaOption & { unread?: boolean }) =>
      withBuyer(options, output, async (buyer, { reader }, connection) => {
        const id = await reader.jobNamed(start);
        const job = await reader.job(id);
        if (job.state === "Settled") {
          output.result({ job: id, txHash: null }, () => `job ${shortId(id)} is settled already`);
          return;
        }
        await requireAcceptable(reader, job);
        const { readJobResult } = await import("../../buyer/read-result.ts");
        if (options.unread !== true) await readJobResult(connection, id, { accepting: true });
        const { txHash } = await buyer.accept(id);
        output.result({ job: id, txHash }, () => `job ${shortId(id)} is accepted  tx ${txHash}`);
      }),
    );
}

/** @throws STATE_INVALID when there is no result, or its price is the buyer's again */
async function requireAcceptable(reader: MarketReader, job: Job): Promise<void> {
  if (job.attestation === null) throw await noResult(reader, job);
  const name = `job ${shortId(job.job)}`;
  if (job.state === "Refunded") {
    throw new SymbolonError("STATE_INVALID", `the money of ${name} is back: there is nothing to accept`);
  }
  if (job.state !== "Failed") return;
  throw new SymbolonError("STATE_INVALID", `the result of ${name} was overturned in a dispute`, {
    hint: `to get the money back: symbolon buyer refund ${job.job}`,
  });
}

export function refund(output: Output): Command {
  return accountCommand(
    "buyer",
    "refund",
    "take the money of a failed or expired job back",
    "symbolon buyer refund 0x5c1e --keys buyer.keys.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .action((start: string, options: AccountOptions) =>
      withBuyer(options, output, async (buyer, { reader }) => {
        const id = await reader.jobNamed(start);
        if ((await reader.jobState(id)) === "Refunded") {
          output.result(
            { job: id, state: "Refunded", txHash: null },
            () => `the money of job ${shortId(id)} is back already`,
          );
          return;
        }
        const { txHash } = await buyer.refund(id);
        output.result(
          { job: id, state: "Refunded", txHash },
          () => `the money of job ${shortId(id)} is back  tx ${txHash}`,
        );
      }),
    );
}

export function dispute(output: Output): Command {
  return accountCommand(
    "buyer",
    "dispute",
    "check the result of a job, and prove on chain what is wrong with it: the money comes back",
    "symbolon buyer dispute 0x5c1e --keys buyer.keys.json",
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .option(
      "--disclose",
      "ask on chain for a share that was not delivered: each operator can then put the result together",
    )
    .addOption(schemaOption())
    .option("--out <file>", "write the result to this file, when there is one in the end")
    .addHelpText(
      "after",
      [
        "",
        "Shares that contradict each other are shown to the chain, with up to 64 numbers of the result around the",
        "contradiction. A share that was not delivered is asked for on chain, for a fee a chunk of 64 numbers; an",
        "operator that does not post it in time loses its bond.",
      ].join("\n"),
    )
    .action((start: string, options: AccountOptions & SchemaOption & { disclose?: boolean; out?: string }) =>
      withBuyer(options, output, async (_buyer, { reader }, connection) => {
        await checkOutFile(options.out);
        const id = await reader.jobNamed(start);
        const { disputeResult } = await import("../../buyer/dispute-steps.ts");
        const disclose = options.disclose === true;
        const goOn = runnable(`symbolon buyer dispute ${id}${disclose ? " --disclose" : ""}`, options);
        const progress = new DisputeProgress(output, goOn);
        const end = await heardWhenInterrupted(
          () => progress.interrupted(),
          () =>
            disputeResult(connection, id, {
              disclose,
              onStep: (line) => progress.step(line),
              onWait: (waiting, nowSec) => progress.wait(waiting, nowSec),
            }),
        ).finally(() => progress.stop());
        if (end.result !== null) await writeOutFile(options.out, end.result.file);
        const { outcome, txHash } = end;
        const document = { job: id, outcome, txHash, result: end.result?.file ?? null };
        output.result(document, () => endWords(end, options, output));
      }),
    );
}
