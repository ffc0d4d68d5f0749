import { describe, expect, it } from "vitest";
import { findAlgorithm, parseParameters } from "../../../algorithms/catalog.ts";
import { planJob } from "../../../algorithms/planner.ts";
import { type RangeReport, rangeReport } from "../../../algorithms/range-report.ts";
import { rangeLines, rangeSummary, rangeTable } from "../../../parties/cli/describe-ranges.ts";
import type { Output } from "../../../parties/cli/output.ts";
import { runInProcess } from "./in-process.ts";

async function report(id: string, given: Record<string, unknown> = {}): Promise<RangeReport> {
  const algorithm = findAlgorithm(id);
  const hasLabel = algorithm.manifest.input.label === "required";
  const inputs = [{ rows: 200, columns: hasLabel ? 4 : 1, hasLabel, weight: 200 }];
  const shape = { fieldBits: 89 as const, fracBits: 16, inputs };
  return rangeReport(algorithm, shape, await planJob(algorithm, shape, parseParameters(algorithm, given)));
}

describe("a range report in words", () => {
  it("says formats, worst step, distance and errors", async () => {
    const ranges = await report("statistics");
    const lines = rangeLines(ranges).join("\n");
    expect(lines).toContain(`2^${ranges.fieldBits} - 1 with 16 fractional bits`);
    expect(lines).toContain(`widest value ${ranges.worst.bits} of ${ranges.room} bits, in step "mean"`);
    expect(lines).toMatch(/statistical distance 2\^-\d+(\.\d)? of at most 2\^-40/);
    expect(lines).toMatch(/worst-case error: sum 0, squares \d/);
  });

  it("says where no bound is of use, and what one step can err by", async () => {
    const ranges = await report("logistic-regression", { learningRate: 2, epochs: 50 });
    const lines = rangeLines(ranges).join("\n");
    expect(lines).toContain("no useful worst-case bound on the error of weights");
    expect(lines).toMatch(/one training step from exact values errs by at most 0\.00\d/);
    expect(lines).toContain("against the same training in exact arithmetic");
  });

  it("is one line for who runs a job, without worst cases", async () => {
    const summary = async (id: string) => rangeSummary(findAlgorithm(id), await report(id));
    expect(await summary("logistic-regression")).toMatch(
      /^numerical check: all values fit, masking error 2\^-\d+(\.\d)? of at most 2\^-40; worst-case errors: (npx )?symbolon algorithms show logistic-regression$/,
    );
    expect(await summary("gradient-aggregation")).toContain("all values fit");
  });

  it("names a command for the worst cases that runs as it stands", async () => {
    const summary = rangeSummary(findAlgorithm("statistics"), await report("statistics"));
    const command = summary.split("symbolon ")[1] ?? "";
    const { status, stdout } = await runInProcess(command.split(" "));
    expect([status, stdout]).toEqual([0, expect.stringContaining("worst-case error: sum 0")]);
  });

  it("lists every step in its table", async () => {
    const ranges = await report("logistic-regression");
    const table = (_head: string[], rows: string[][]): string => rows.map(([name]) => name).join(",");
    const shown = rangeTable(ranges, { table } as unknown as Output);
    expect(shown).toBe(ranges.steps.map(({ step }) => step).join(","));
  });
});
