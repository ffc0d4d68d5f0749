import type { Cost } from "../cost.ts";
import { fieldSpecs } from "../vector/index.ts";
import { compareCost, compareOpenedCost, comparisonDealtBytes, gateOpenedCost } from "./compare.ts";
import { inputCheckCost } from "./input-check.ts";
import { openMaskedCost } from "./masked-opening.ts";
import { reduceDegreeCost } from "./multiply.ts";
import { openCost } from "./open.ts";

/** The protocols' declared costs as a table for the documentation, at sizes where rounding does not show. */
export function protocolCostTable(): string {
  const spec = fieldSpecs[127];
  const n = 1024;
  const request = { thresholds: [0n], bitLength: 40, coarseBits: 0 };
  const dealt = comparisonDealtBytes(n, request);
  const withDeal = (cost: Cost): Cost => ({ ...cost, bytes: cost.bytes + dealt });
  const rows: [string, Cost, string][] = [
    ["open", openCost(n, spec.elementBytes), "the value"],
    ["multiply, inner and matrix products (an output)", reduceDegreeCost(n, spec.elementBytes), "nothing"],
    ["multiply and truncate", openMaskedCost(n, 2, spec.elementBytes), "masked value, to two parties"],
    ["truncate", openMaskedCost(n, 1, spec.elementBytes), "masked value, to two parties"],
    [
      "compare, 40 bits, exact",
      compareCost(n, request, spec.elementBytes),
      "masked value, to two parties; masked bit, to the third",
    ],
    [
      "compare the opening of a truncation, 40 bits",
      withDeal(compareOpenedCost(n, request, spec.elementBytes)),
      "masked bit, to one party",
    ],
    [
      "gate by the opening of a truncation, 40 bits, without the last product",
      withDeal(gateOpenedCost(n, request, spec.elementBytes)),
      "masked bit, to one party",
    ],
    [
      "input check (a value)",
      inputCheckCost([{ rows: n, cols: 1, hasLabel: false }], spec).cost,
      "random combinations and parities, known when all is well",
    ],
  ];
  const lines = rows.map(
    ([name, { rounds, bytes }, opened]) => `| ${name} | ${rounds} | ${(bytes / n).toFixed(1)} | ${opened} |`,
  );
  return [
    "| protocol | rounds | bytes a value, all links | opened |",
    "|---|---|---|---|",
    ...lines,
    "",
  ].join("\n");
}
