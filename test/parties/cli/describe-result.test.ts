import { id } from "ethers";
import { describe, expect, it } from "vitest";
import type { ResultFile } from "../../../parties/buyer/result.ts";
import { describeResult } from "../../../parties/cli/describe-result.ts";
import { Output } from "../../../parties/cli/output.ts";

const file = {
  job: id("job 1"),
  algorithm: { id: "jiff-program", version: "1.0.0", hash: "0x00" },
  rows: 3,
  inputs: { outOfRange: "refuse", bounds: {} },
  model: { winner: 1, price: 7.25 },
  metrics: {},
  payouts: [],
  run: { rounds: 0, bytesSent: 0, seconds: 1, protocols: [] },
  receipts: { fund: "0x00", attest: null, settle: null },
} as unknown as ResultFile;

describe("a result in words", () => {
  it("counts the winner as it counts the sellers, from 1", () => {
    const shown = describeResult(file, new Output(false, process, {}));
    expect(shown).toMatch(/^winner +seller 2$/m);
    expect(shown).toMatch(/^price +7\.25000$/m);
  });
});
