import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "./run-cli.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-cli-local-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("symbolon local", () => {
  it("prints and writes the result file, and leaves nothing behind", async () => {
    const [a, b, out] = ["a.csv", "b.csv", "out.json"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(a, "x,y\n1,2\n2,3.5\n3,4\n");
    await writeFile(b, "x,y\n10,2\n-2,3.5\n");
    const temporary = join(folder, "tmp");
    await mkdir(temporary);
    const run = await runCli(["local", "statistics", "--data", a, "--data", b, "--out", out, "--json"], {
      env: { TMPDIR: temporary },
      timeoutMs: 120_000,
    });
    expect(run.status).toBe(0);
    const document = JSON.parse(run.stdout);
    expect(JSON.parse(await readFile(out, "utf8"))).toEqual(document);
    expect(document.model.columns.x.mean).toBeCloseTo(2.8, 6);
    expect(document.model.columns.y.variance).toBeCloseTo(0.875, 6);
    expect(run.stderr).toContain("become public");
    expect(await readdir(temporary)).toEqual([]);
  });

  it("does not start a job whose result could not be written", async () => {
    const run = await runCli([
      "local",
      "statistics",
      "--data",
      "x.csv",
      "--out",
      join(folder, "none", "o.json"),
      "--json",
    ]);
    expect(run.status).toBe(2);
    expect(JSON.parse(run.stdout).error.message).toContain("--out");
  });
});
