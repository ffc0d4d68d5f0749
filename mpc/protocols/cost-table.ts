import { addCost, type Cost } from "../cost.ts";
import { fieldSpecs } from "../vector/index.ts";
import { andCost, openBitsCost, wordsFor } from "./bits.ts";
import { compareCost, compareOpenedCost, gateOpenedCost } from "./compare.ts";
import { comparisonDealtBytes } from "./comparison-dealing.ts";
import { convertCost } from "./convert.ts";
import { floorCost } from "./floor.ts";
import { inputCheckCost } from "./input-check.ts";
import { maskedValuesLabel, openMaskedCost } from "./masked-opening.ts";
import { reduceDegreeCost } from "./multiply.ts";
import { openCost } from "./open.ts";
import { maskedBitsLabel } from "./outcomes.ts";

/** The protocols' declared costs as a table for the documentation, at sizes where rounding does not show. */
export function protocolCostTable(): string {
  const spec = fieldSpecs[127];
  const { elementBytes } = spec;
  const n = 1024;
  const request = { thresholds: [0n], bitLength: 40, coarseBits: 0 };
  const dealt = comparisonDealtBytes(n, request);
  const withDeal = (cost: Cost): Cost => ({ ...cost, bytes: cost.bytes + dealt });
  const rows: [name: string, Cost][] = [
    ["open", openCost(n, elementBytes, "value")],
    ["multiply, inner and matrix products (an output)", reduceDegreeCost(n, elementBytes)],
    ["multiply and truncate", openMaskedCost(n, 2, elementBytes)],
    ["truncate", openMaskedCost(n, 1, elementBytes)],
    ["truncate exactly, 20 bits", floorCost(n, 20, elementBytes)],
    ["convert to another field", convertCost(n, elementBytes)],
    ["compare, 40 bits, exact", compareCost(n, request, elementBytes)],
    ["compare the opening of a truncation, 40 bits", withDeal(compareOpenedCost(n, request, elementBytes))],
    [
      "gate by the opening of a truncation, 40 bits, and truncate",
      withDeal(addCost(gateOpenedCost(n, request, elementBytes), openMaskedCost(n, 2, elementBytes))),
    ],
    ["and of two shared bits", andCost(wordsFor(n))],
    ["open a shared bit", openBitsCost(wordsFor(n), "bit", n)],
    ["check an input (a value)", inputCheckCost([{ rows: n, cols: 1, hasLabel: false }], spec)],
  ];
  return [
    "| protocol | rounds | frames | bytes a value, all links | opened, for each value |",
    "|---|---|---|---|---|",
    ...rows.map(
      ([name, { rounds, frames, bytes, openings }]) =>
        `| ${name} | ${rounds} | ${frames} | ${(bytes / n).toFixed(1)} | ${opened(openings, n)} |`,
    ),
    "",
  ].join("\n");
}

/** Who sees what, where it is not everybody. */
const audience: Readonly<Record<string, string>> = {
  [maskedValuesLabel]: "to two parties",
  [maskedBitsLabel]: "to the third",
};

function opened(openings: Cost["openings"], n: number): string {
  const parts = Object.entries(openings).map(([label, values]) => {
    const seen = audience[label] === undefined ? label : `${label} ${audience[label]}`;
    if (values < n) return `${values} in all: ${seen}`;
    return values === n ? seen : `${values / n} ${seen}`;
  });
  return parts.length === 0 ? "nothing" : parts.join("; ");
}
