import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const bench = (...options: string[]) => promisify(execFile)(process.execPath, ["bench/run.ts", ...options]);

describe("npm run bench", () => {
  it("prints the documented JSON, with results that were right", async () => {
    const names = "lr-300x7-b100,less-than-1e5,aggregate-10x1e6,jiff-multiply-1e6";
    const { stdout } = await bench("--json", "--quick", "--only", names);
    const { machine, results } = JSON.parse(stdout);
    expect(machine).toEqual({
      cpu: expect.any(String),
      cores: expect.any(Number),
      kernel: expect.any(String),
      node: process.version,
    });
    expect(results.map((r: { name: string }) => r.name)).toEqual(names.split(","));
    for (const r of results) {
      expect(r.ms).toBeGreaterThan(0);
      expect(r.msMin).toBeLessThanOrEqual(r.ms);
      expect(r.msMax).toBeGreaterThanOrEqual(r.ms);
      expect(r.runs).toBeGreaterThan(0);
      expect(r.rttMs).toBe(0);
      expect(r.size).toEqual(expect.any(String));
      if (!r.name.startsWith("jiff-")) {
        expect(r.rounds).toBeGreaterThan(0);
        expect(r.bytes).toBeGreaterThan(0);
        expect([61, 89, 107, 127]).toContain(r.field);
      }
    }
  });

  it("runs with an emulated round trip", async () => {
    const { stdout } = await bench("--json", "--quick", "--only", "lr-300x7-b100", "--rtt", "4");
    const [result] = JSON.parse(stdout).results;
    expect(result.rttMs).toBe(4);
    expect(result.maxError).toBeLessThan(0.01);
  });

  it.each([
    ["--only", "nothing"],
    ["--field", "64"],
    ["--rtt", "soon"],
  ])("refuses %s %s", async (...options) => {
    await expect(bench(...options)).rejects.toMatchObject({ code: 2 });
  });
});
