/** `symbolon local`: one real paid job on this machine over the user's own files. */
import type { Command } from "commander";
import { rangeReport } from "../../../algorithms/range-report.ts";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import type { JobResult } from "../../buyer/result.ts";
import { collect, command } from "../command.ts";
import { rangeSummary } from "../describe-ranges.ts";
import { describeResult } from "../describe-result.ts";
import { addDialectOptions, type DialectOptions, dialectOf } from "../dialect-options.ts";
import { fieldOption } from "../field-option.ts";
import { parseJsonOption } from "../json-option.ts";
import { checkOutFile, writeOutFile } from "../out-file.ts";
import { type Output, showBytes, showEther } from "../output.ts";

interface LocalOptions extends DialectOptions {
  data?: string[];
  label?: string;
  schema?: string;
  params?: string;
  validation?: string;
  field?: FieldBits;
  out?: string;
}

export function localCommand(output: Output): Command {
  const made = command(
    "local",
    "run one real paid job on this machine: chain, bridge, three node processes, a seller for each file",
    "symbolon local logistic-regression --data a.csv --data b.csv --label benign --out model.json",
  )
    .argument("<algorithm>", "see: symbolon algorithms list")
    .option(
      "--data <file>",
      'a seller\'s file, once for each seller: CSV, or for gradient-aggregation JSON, [...] or { "rows": n, "update": [...] }',
      collect((file) => file),
    )
    .option("--label <column>", "the column to predict, 0 or 1")
    .option(
      "--schema <file>",
      "columns and bounds; without it they are derived from the data and become public",
    )
    .option("--params <json>", "the algorithm's parameters, or @FILE")
    .option("--validation <file>", "the buyer's own rows, for metrics; shared like the sellers'")
    .addOption(fieldOption())
    .option("--out <file>", "write the result to this file");
  return addDialectOptions(made).action(async (algorithm: string, options: LocalOptions) => {
    const { readLocalInputs } = await import("../../local/inputs.ts");
    const { derivedBoundsNotice } = await import("../../data/schema.ts");
    await checkOutFile(options.out);
    const parameters = await parseJsonOption(options.params, "--params");
    const inputs = await readLocalInputs({
      algorithm,
      data: options.data ?? [],
      ...(options.label !== undefined && { label: options.label }),
      ...(options.schema !== undefined && { schema: options.schema }),
      ...(options.validation !== undefined && { validation: options.validation }),
      ...(options.field !== undefined && { field: options.field }),
      parameters,
      dialect: dialectOf(options),
    });
    if (inputs.derived) output.note(derivedBoundsNotice);
    const result = await runWithProgress(output, inputs);
    await writeOutFile(options.out, result.file);
    output.result(result.file, () => describeResult(result.file, output, options.out));
  });
}

async function runWithProgress(
  output: Output,
  inputs: Awaited<ReturnType<typeof import("../../local/inputs.ts").readLocalInputs>>,
): Promise<JobResult> {
  const { withMarket } = await import("../../local/market.ts");
  const { runLocalJob } = await import("../../local/run-job.ts");
  const progress = output.progress("running");
  const onStep = (step: string): void => output.note(step);
  try {
    const { result } = await withMarket(
      { algorithms: [inputs.algorithm.manifest], onStep },
      (market, signal) =>
        runLocalJob(
          market,
          inputs,
          {
            offered: (seller, { offer, rows, preview }) => {
              onStep(`seller ${seller + 1} shared ${rows} ${rows === 1 ? "row" : "rows"} as offer ${offer}`);
              for (const [column, cells] of Object.entries(preview.clipped)) {
                if (cells > 0) onStep(`  ${column}: ${cells} clipped to the schema's bounds`);
              }
            },
            proposed: ({ algorithm, shape, amountWei, plan }) => {
              onStep(
                `the job costs ${showEther(amountWei)}; ${plan.declaration.rounds} rounds, ${showBytes(plan.declaration.bytes)} between the parties`,
              );
              onStep(rangeSummary(algorithm, rangeReport(algorithm, shape, plan)));
            },
            funded: (job) => onStep(`the buyer funded job ${job}`),
            view: (view) => {
              if (view.progress !== null)
                progress.update(view.progress.done, view.progress.total, view.progress.phase);
            },
            attested: () => {
              progress.stop();
              onStep("the three parties attested the result");
            },
            accepted: () => onStep("the buyer checked and accepted the result"),
          },
          signal,
        ),
    );
    return result;
  } finally {
    progress.stop();
  }
}
