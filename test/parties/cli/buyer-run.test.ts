/** What a buyer is told while nothing happens to a job that is paid: no node runs in this market. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { MarketWorld, tables } from "../compute/market-world.ts";
import { interruptCli } from "./interrupt-cli.ts";
import { marketCli } from "./market-cli.ts";

let world: MarketWorld;

beforeAll(async () => {
  // The tests may have been started by npx.
  vi.stubEnv("npm_lifecycle_event", "");
  world = await MarketWorld.open();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await world.close();
});

test("for whom and until when it waits, and after an interrupt how to go on", async () => {
  const [offer] = await world.offers([tables[0]!], world.schema);
  const cli = await marketCli(world, { "buyer.json": { role: "buyer", account: world.buyer().address } });
  const options = [`--keys ${cli.file("buyer.json")}`, ...cli.market].join(" ");
  const out = `--out ${cli.file("model.json")}`;
  const words = `buyer run statistics --offers ${offer!.id} ${options} ${out}`;
  const { signal, stderr } = await interruptCli(words.split(" "), "to join");
  expect(signal).toBe("SIGINT");
  const [, job] = /job (0x\w+) is funded/.exec(stderr) ?? [];
  const { deadlineSec } = await world.account(1).market.job(job!);
  const deadline = new Date(deadlineSec * 1000).toISOString();
  expect(stderr).toContain(`waiting for parties 1, 2 and 3 to join, until ${deadline}`);
  const result = `buyer result ${job} ${options} ${out} --wait`;
  const goOn = `the job goes on by itself; for its result: symbolon ${result}`;
  expect(stderr.trim().split("\n").at(-1)).toBe(goOn);
  // Which says so again.
  const again = await interruptCli(result.split(" "), "to join");
  expect(again.signal).toBe("SIGINT");
  expect(again.stderr.trim().split("\n").at(-1)).toBe(goOn);
});
