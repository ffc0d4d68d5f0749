/** A result file in words and tables. */
import { ZeroAddress } from "ethers";
import type { ResultFile } from "../buyer/result.ts";
import { type Output, showBytes, showEther } from "./output.ts";

/** Rows of a long list that are shown. */
const shownRows = 40;

/** @param out where it was written, if it was */
export function describeResult(file: ResultFile, output: Output, out?: string): string {
  const { bold } = output.colors;
  const { run } = file;
  return [
    bold(`Job ${file.job}: ${file.algorithm.id} ${file.algorithm.version} over ${file.rows} rows`),
    describeModel(file.model, output),
    ...(file.inputs.outOfRange === "clip"
      ? [
          "values outside the schema's bounds were clipped: clip features likewise before the model is applied",
        ]
      : []),
    ...describeMetrics(file.metrics),
    `${run.rounds} rounds, ${showBytes(run.bytesSent)} between the parties, ${run.seconds.toFixed(2)} s of computing`,
    describeCost(run, output),
    ...file.payouts.map(
      ({ party, address, amountWei }) =>
        `${party} ${address} ${file.receipts.settle === null ? "will be" : "is"} paid ${file.token === ZeroAddress ? showEther(BigInt(amountWei)) : `${amountWei} units of ${file.token}`}`,
    ),
    ...(out === undefined ? [] : [`written to ${out}`]),
  ].join("\n");
}

/** What each protocol cost; the openings stand in the JSON. */
function describeCost({ protocols }: ResultFile["run"], output: Output): string {
  return output.table(
    ["protocol", "rounds", "sent", "computing", "waiting"],
    protocols.map(({ protocol, rounds, bytesSent, localMs, waitingMs }) => [
      protocol,
      String(rounds),
      showBytes(bytesSent),
      `${localMs.toFixed(1)} ms`,
      `${waitingMs.toFixed(1)} ms`,
    ]),
  );
}

function describeMetrics({ rows, over, ...metrics }: Record<string, unknown>): string[] {
  const where = rows === undefined ? "" : ` over the ${showValue(rows)} ${String(over)} rows`;
  return Object.entries(metrics).map(([name, value]) => `${name} ${showValue(value)}${where}`);
}

function describeModel(model: Record<string, unknown>, output: Output): string {
  const { features, weights, intercept } = model;
  if (Array.isArray(features) && Array.isArray(weights)) {
    const rows = features.map((name, i) => [String(name), showValue(weights[i])]);
    return output.table(["feature", "weight"], [...rows, ["(intercept)", showValue(intercept)]]);
  }
  const { columns } = model;
  if (typeof columns === "object" && columns !== null) {
    const entries = Object.entries(columns as Record<string, Record<string, unknown>>);
    const head = Object.keys(entries[0]?.[1] ?? {});
    return output.table(
      ["column", ...head],
      entries.map(([name, values]) => [name, ...head.map((key) => showValue(values[key]))]),
    );
  }
  return output.table(
    ["result", "value"],
    Object.entries(model).map(([name, value]) => [
      name,
      // The file counts data sets from 0, as programs do; people read of sellers 1, 2, 3.
      name === "winner" && typeof value === "number" ? `seller ${value + 1}` : showValue(value),
    ]),
  );
}

function showValue(value: unknown): string {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toPrecision(6);
  if (!Array.isArray(value)) return String(value);
  const shown = value.slice(0, shownRows).map(showValue).join(" ");
  return value.length > shownRows ? `${shown} … (${value.length} in all)` : shown;
}
