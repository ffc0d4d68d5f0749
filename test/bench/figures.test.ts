import { describe, expect, it } from "vitest";
import { findJiffWork } from "../../bench/jiff/stock.ts";
import { fillSection } from "../../bench/markdown.ts";
import { engineResult, jiffResult, markdownTables, median, terminalTables } from "../../bench/report.ts";
import { selfTimes } from "../../bench/self-times.ts";
import { chart } from "../../bench/svg.ts";
import { findWorkload, workloadNames } from "../../bench/workloads.ts";

const machine = { cpu: "a processor", cores: 2, kernel: "1.2.3", node: "v24.0.0" };

function engine(name: string, ms: readonly (readonly [number, number, number])[]) {
  const workload = findWorkload(name);
  const parties = [0, 1, 2].map((party) =>
    ms.map((run) => ({
      ms: run[party] * workload.steps,
      cpuMs: 2 * workload.steps,
      waitingMs: (run[party] * workload.steps) / 2,
      rounds: 3 * workload.steps,
      bytesSent: 100 * workload.steps,
    })),
  );
  const outcome = { maxError: 0, parties, profiles: [], firstMs: 1 };
  return engineResult(workload, outcome, { field: 61, rttMs: 0 });
}

describe("figures of a benchmark", () => {
  it("are medians over the runs of the party that was last, of a step", () => {
    const result = engine("lr-569x30-b128", [
      [1, 2, 3],
      [9, 1, 1],
      [4, 5, 1],
    ]);
    expect(result).toMatchObject({ ms: 5, msMin: 3, msMax: 9, runs: 3, rounds: 3, bytes: 300 });
    expect(result.cpuMs).toEqual([2, 2, 2]);
    expect(result.waitingShare).toBeCloseTo(0.5);
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  it("give stock JIFF's time for the same amount of work", () => {
    const work = findJiffWork("less-than-1e5")!;
    const count = work.expected.length;
    const ours = engine("less-than-1e5", [[10, 10, 10]]);
    const { factor, name } = jiffResult("less-than-1e5", { work, ms: [500 * count], maxError: 0 }, ours);
    expect(name).toBe("jiff-less-than-1e5");
    // Half a second each, a hundred thousand of them, against ten milliseconds.
    expect(factor).toBeCloseTo((0.5 * 1e5) / 0.01);
  });

  it("stand in the tables with every name", () => {
    const timing = { work: findJiffWork("multiply-1e6")!, ms: [3], maxError: 0 };
    const results = [engine("multiply-1e6", [[1, 1, 1]]), jiffResult("multiply-1e6", timing)];
    for (const text of [terminalTables({ machine, results }), markdownTables({ machine, results })]) {
      for (const word of ["a processor", "multiply-1e6", "jiff-multiply-1e6"]) expect(text).toContain(word);
    }
  });

  it("replace a section of a text and nothing else", () => {
    const text = "a <!-- begin x -->old<!-- end x --> b";
    expect(fillSection(text, "x", "new")).toBe("a <!-- begin x -->\n\nnew\n\n<!-- end x --> b");
    expect(() => fillSection(text, "y", "new")).toThrow("no section");
  });
});

describe("stock JIFF's part of the work", () => {
  it("exists for every workload and is a fraction", () => {
    for (const name of workloadNames) {
      const part = findJiffWork(name)!.part(name);
      expect(part).toBeGreaterThan(0);
      expect(part).toBeLessThan(0.02);
    }
  });

  it("counts a training step by its products that are cut: one a row and one a feature", () => {
    const { part } = findJiffWork("lr-569x30-b128")!;
    expect(part("lr-569x30-b128")).toBe(2 / (128 + 30));
    expect(part("lr-10000x100-full")).toBe(2 / 10_100);
  });
});

describe("self times", () => {
  const frame = (functionName: string, url: string) => ({
    functionName,
    url,
    scriptId: "0",
    lineNumber: 4,
    columnNumber: 0,
  });
  const nodes = [
    { id: 1, callFrame: frame("(root)", ""), children: [2, 3, 5] },
    { id: 2, callFrame: frame("(idle)", "") },
    { id: 3, callFrame: frame("update", "node:internal/crypto/cipher"), children: [4] },
    { id: 4, callFrame: frame("update", "") },
    {
      id: 5,
      callFrame: frame("multiply", new URL("../../mpc/vector/wasm.ts", import.meta.url).href),
      children: [6],
    },
    { id: 6, callFrame: frame("wasm-function[1]", "wasm://wasm/1") },
  ];

  it("belong to the group of the function, and of its caller where it is native", () => {
    const samples = [2, 4, 5, 6, 2];
    const times = selfTimes({
      nodes,
      samples,
      timeDeltas: [0, 1000, 2000, 3000, 4000],
      startTime: 0,
      endTime: 0,
    });
    expect(times.map(({ group, milliseconds }) => [group, milliseconds])).toEqual([
      ["kernel", 4],
      ["project", 3],
      ["crypto", 2],
      ["waiting", 1],
    ]);
    expect(times[1].name).toBe("multiply mpc/vector/wasm.ts:5");
  });
});

describe("a chart", () => {
  const points = [
    [10, 1],
    [1000, 100],
  ] as const;
  const svg = chart([
    { title: "a < b", xLabel: "x", yLabel: "y", lines: [{ name: "l", colour: "red", points }] },
  ]);

  it("is well formed, with its text escaped", () => {
    const open: string[] = [];
    for (const [, closing, name, empty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
      if (closing) expect(open.pop()).toBe(name);
      else if (!empty) open.push(name);
    }
    expect(open).toEqual([]);
    expect(svg).toContain("a &lt; b");
  });

  it("draws a cost in proportion to the size as rising with it, inside the frame", () => {
    const [low, high] = Array.from(svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g), (m) =>
      m.slice(1).map(Number),
    );
    expect(high[0]).toBeGreaterThan(low[0]);
    expect(high[1]).toBeLessThan(low[1]);
    for (const [x, y] of [low, high]) {
      expect(x).toBeGreaterThan(0);
      expect(x).toBeLessThan(460);
      expect(y).toBeGreaterThan(0);
      expect(y).toBeLessThan(340);
    }
  });
});
