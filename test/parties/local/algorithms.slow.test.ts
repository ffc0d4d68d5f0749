import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ResultFile } from "../../../parties/buyer/result.ts";
import { compareWithPlaintext } from "../../../parties/local/demo.ts";
import { type LocalFiles, readLocalInputs } from "../../../parties/local/inputs.ts";
import { runLocalJob } from "../../../parties/local/run-job.ts";
import { type SharedMarket, sharedMarket } from "./shared-market.ts";

let shared: SharedMarket;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-algorithms-"));
  shared = await sharedMarket();
});
afterAll(async () => {
  await shared?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function file(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

async function run(files: LocalFiles) {
  const inputs = await readLocalInputs(files);
  const { result } = await runLocalJob(shared.market, inputs, {}, new AbortController().signal);
  return { inputs, result };
}

/** Rows of two features on very different scales, a constant column, and a label that depends on both. */
function rows(from: number, count: number): string {
  const lines = Array.from({ length: count }, (_, i) => {
    const k = from + i;
    const a = ((k * 37) % 101) - 50;
    const b = ((k * 53) % 97) * 1e-4;
    const noise = ((k * 71) % 13) - 6;
    return `${a},${b},7,${a / 25 + (b - 0.0048) * 400 + noise / 8 > 0 ? 1 : 0}`;
  });
  return `a,b,constant,y\n${lines.join("\n")}\n`;
}

describe("every algorithm as a paid job", () => {
  it("logistic regression: raw weights as in plaintext, on files of different sizes, held-out accuracy from shares", async () => {
    const data = [
      await file("1.csv", rows(0, 90)),
      await file("2.csv", rows(90, 41)),
      await file("3.csv", rows(131, 7)),
    ];
    const validation = await file("held.csv", rows(200, 60));
    const { inputs, result } = await run({
      algorithm: "logistic-regression",
      data,
      label: "y",
      validation,
      parameters: { epochs: 5, batchSize: 32, momentum: 0.5 },
    });
    const { accuracy, largestWeightDifference } = await compareWithPlaintext(inputs, result);
    expect(largestWeightDifference).toBeLessThan(0.01);
    expect(accuracy.secure).toBeGreaterThan(0.85);
    const { model, metrics, rows: trained } = result.file;
    expect(trained).toBe(138);
    expect(model.features).toEqual(["a", "b", "constant"]);
    expect((model.weights as number[])[2]).toBeCloseTo(0, 5);
    expect(metrics).toEqual({ accuracy: accuracy.secure, rows: 60, over: "validation" });
  });

  it("gradient aggregation: the mean weighted by the rows that the sellers name", async () => {
    const data = [
      await file("1.json", "[0.5,-1.25,3]"),
      await file("2.json", '{"rows":3,"update":[1.5,0.75,-1]}'),
    ];
    const { result } = await run({ algorithm: "gradient-aggregation", data });
    const { model, rows: weight } = result.file;
    expect(weight).toBe(4);
    expect(model.accepted).toEqual([true, true]);
    [1.25, 0.25, 0].forEach((value, i) => {
      expect((model.update as number[])[i]).toBeCloseTo(value, 6);
    });
  });

  it("a JIFF program: the highest bid wins at the price of the second", async () => {
    const bids = [12.5, 99, 40.25];
    const data = await Promise.all(bids.map((bid, i) => file(`bid-${i}.csv`, `bid\n${bid}\n`)));
    const { result } = await run({ algorithm: "jiff-program", data });
    const { model } = result.file as ResultFile;
    expect(model.winner).toBe(1);
    expect(model.price).toBeCloseTo(40.25, 4);
  });
});
