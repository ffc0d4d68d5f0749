import { describe, expect, it } from "vitest";
import { runCli } from "./run-cli.ts";

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe("symbolon demo", () => {
  it("trains on shares as well as in plaintext, pays everybody, and catches tampering", async () => {
    const { status, stdout, stderr } = await runCli(["demo", "--json"], { timeoutMs: 200_000 });
    expect(stderr).toMatch(
      /1 {2}Sellers.*2 {2}The buyer.*3 {2}The bridge.*4 {2}The parties.*5 {2}Each party.*6 {2}The buyer.*7 {2}The buyer.*8 {2}Sellers/s,
    );
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    const { accuracy, largestWeightDifference, rows } = report.comparison;
    expect(rows).toBe(113);
    expect(accuracy.secure).toBeGreaterThan(0.95);
    expect(Math.abs(accuracy.secure - accuracy.exactSigmoid)).toBeLessThanOrEqual(0.005);
    expect(largestWeightDifference).toBeLessThan(0.01);
    expect(report.result.metrics).toMatchObject({ accuracy: accuracy.secure, over: "validation" });
    expect(report.result.payouts).toHaveLength(6);
    expect(report.result.run.rounds).toBe(report.result.run.declared.rounds);
    expect(report.result.run.bytesSent).toBe(report.result.run.declared.bytes);
    expect(report.result.run.openings).toEqual(report.result.run.declared.openings);
    expect(report.tampering.map((t: { caught: { code: string } }) => t.caught.code)).toEqual(
      Array(3).fill("RESULT_TAMPERED"),
    );
    // For each party another cell: two shares of one would be the cell.
    const cells = report.parties.map(
      (p: { offer: string; row: number; column: string }) => `${p.offer} ${p.row} ${p.column}`,
    );
    expect(new Set(cells).size).toBe(3);
    expect(report.processes).toHaveLength(4);
    for (const { pid } of report.processes) expect(alive(pid)).toBe(false);
  });

  it("ends with a named error and a refund when a node is killed in the middle", async () => {
    const { status, stdout } = await runCli(["demo", "--chaos", "kill-node", "--json"], {
      timeoutMs: 200_000,
    });
    expect(status).toBe(0);
    const { error, state, refund, killed } = JSON.parse(stdout);
    expect(error.code).toBe("PEER_LOST");
    expect(state).toBe("Refunded");
    expect(refund).toMatch(/^0x[0-9a-f]{64}$/);
    expect(alive(killed)).toBe(false);
  });
});
