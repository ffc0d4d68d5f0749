/** A range report in words and a table. */
import type { Algorithm } from "../../algorithms/manifest.ts";
import type { RangeReport } from "../../algorithms/range-report.ts";
import type { Output } from "./output.ts";
import { programName } from "./runnable.ts";

/** In one line each: the formats, the worst step, the distance, the errors. */
export function rangeLines(report: RangeReport): string[] {
  const { fieldBits, fracBits, inputs, room, worst, statisticalDistance, results } = report;
  const unknown = results.filter(({ error }) => error === null).map(({ name }) => name);
  const known = results.flatMap(({ name, error }) => (error === null ? [] : [`${name} ${showError(error)}`]));
  return [
    `computed in the field 2^${fieldBits} - 1 with ${fracBits} fractional bits; inputs shared in 2^${inputs.fieldBits} - 1 with ${inputs.fracBits}`,
    ...(worst.bits > 0
      ? [`widest value ${worst.bits} of ${room} bits${worst.step === "" ? "" : `, in step "${worst.step}"`}`]
      : []),
    `statistical distance ${showPower(statisticalDistance)} of at most ${showPower(report.statisticalLimit)}`,
    ...(known.length > 0 ? [`worst-case error: ${known.join(", ")}`] : []),
    ...(unknown.length > 0 ? [`no useful worst-case bound on the error of ${unknown.join(", ")}`] : []),
    ...targetLines(report),
    ...(report.errorBasis === undefined ? [] : [`errors: ${report.errorBasis}`]),
  ];
}

/**
 * What who runs a job wants to know of its report. The worst cases of a training lie far above what it does, and
 * read like a fault where they come on every run; the result file has them.
 */
export function rangeSummary(
  { manifest }: Pick<Algorithm, "manifest">,
  { statisticalDistance, statisticalLimit }: RangeReport,
): string {
  const distance = `${showPower(statisticalDistance)} of at most ${showPower(statisticalLimit)}`;
  return `numerical check: all values fit, masking error ${distance}; worst-case errors: ${programName()} algorithms show ${manifest.id}`;
}

/** All steps of a report. */
export function rangeTable({ steps, room }: RangeReport, output: Output): string {
  return output.table(
    ["step", `bits of ${room}`, "distance", "error"],
    steps.map(({ step, bits, statisticalDistance, error }) => [
      step,
      String(bits),
      showPower(statisticalDistance),
      error === null ? "no useful bound" : showError(error),
    ]),
  );
}

/** Errors of repeated steps may grow, where no proof says otherwise; that of one step is always known. */
function targetLines({ target, steps }: RangeReport): string[] {
  const error = steps.find(({ step }) => step === target?.step)?.error;
  if (target === undefined || error === undefined || error === null) return [];
  const missed = error > target.error ? `; ${showError(target.error)} was wanted` : "";
  return [`one ${target.step} from exact values errs by at most ${showError(error)}${missed}`];
}

const showError = (error: number): string => (error === 0 ? "0" : error.toPrecision(2));

/** 2^-54.5 */
function showPower(value: number): string {
  if (value === 0) return "0";
  const exponent = Math.log2(value);
  return `2^${Number.isInteger(exponent) ? exponent : exponent.toFixed(1)}`;
}
