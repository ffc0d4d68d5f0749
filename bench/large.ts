/**
 * A data set that is larger than the memory that a node may use, through the whole market: one seller shares a
 * CSV file, then a buyer has its statistics computed and a logistic regression trained for one epoch. Prints
 * seconds and the peak memory of every process.
 *
 *     node bench/large.ts [--rows 1000000] [--columns 100] [--memory BYTES] [--batch 128]
 */
import { spawn } from "node:child_process";
import { createWriteStream, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { findAlgorithm } from "../algorithms/catalog.ts";
import { BuyerClient } from "../parties/buyer/client.ts";
import { createKeys, saveKeys } from "../parties/keys.ts";
import { type LocalMarket, withMarket } from "../parties/local/market.ts";
import { localPriceWei } from "../parties/local/run-job.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "1000000" },
    columns: { type: "string", default: "100" },
    memory: { type: "string", default: String(2 ** 30) },
    batch: { type: "string", default: "128" },
  },
});
const rows = Number(values.rows);
const columns = Number(values.columns);
const patienceMs = 3_600_000;

/** Rows whose label follows the first two columns, as lines of CSV. */
function* csvLines(): Generator<string> {
  yield `${[...Array.from({ length: columns }, (_, j) => `x${j}`), "y"].join(",")}\n`;
  let state = 1;
  // A linear congruential sequence: the benchmark needs values, not secrets.
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 12) / 2 ** 20;
  };
  for (let row = 0; row < rows; row++) {
    const cells = Array.from({ length: columns }, () => (100 * next()).toFixed(3));
    const label = Number(cells[0]) + Number(cells[1 % columns]) + 20 * next() > 110 ? 1 : 0;
    yield `${cells.join(",")},${label}\n`;
  }
}

function* blocks(lines: Iterable<string>): Generator<string> {
  let block = "";
  for (const line of lines) {
    block += line;
    if (block.length > 1 << 20) {
      yield block;
      block = "";
    }
  }
  yield block;
}

/** Peak resident memory of a process since it was last asked, in MB. */
function peakMb(pid: number | "self"): number {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(line?.[1]) / 1024);
}

function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;

function report(what: string, line: string): void {
  process.stdout.write(`${what.padEnd(24)} ${line}\n`);
}

/** Shares the file by the command of a seller, in a process of its own. */
async function offer(market: LocalMarket, data: string): Promise<string> {
  const keys = createKeys("seller");
  const keysFile = join(market.folder, "seller.keys.json");
  await saveKeys(keys, keysFile);
  await market.fund(keys.account.privateKey.hex(), "1");
  const cli = join(import.meta.dirname, "..", "parties", "cli", "main.ts");
  const options = { "--keys": keysFile, "--data": data, "--label": "y", "--price": `${localPriceWei}wei` };
  const places = { "--rpc": market.rpcUrl, "--bridge": market.bridge.url };
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [cli, "seller", "offer", ...Object.entries({ ...options, ...places }).flat(), "--json"],
    { stdio: ["ignore", "pipe", "ignore"] },
  );
  let peak = 0;
  const timer = setInterval(() => {
    try {
      peak = Math.max(peak, peakMb(child.pid!));
    } catch {
      // It has just ended.
    }
  }, 200);
  let text = "";
  for await (const part of child.stdout) text += part;
  clearInterval(timer);
  const published = JSON.parse(text) as { offer: string; preview: { sealedBytes: number } };
  report(
    "seller shares, uploads",
    `${seconds(started)}, peak ${peak} MB, ${Math.round(published.preview.sealedBytes / 2 ** 20)} MB sealed, ` +
      `bridge peak ${peakMb(market.bridgeProcess.pid)} MB`,
  );
  return published.offer;
}

async function job(market: LocalMarket, offered: string, id: string, parameters: Record<string, unknown>) {
  const keys = createKeys("buyer");
  const buyer = new BuyerClient({
    bridge: market.bridge,
    market: market.as(await market.fund(keys.account.privateKey.hex())),
    buyer: keys.account.address,
    resultKey: keys.resultKey,
  });
  for (const { node } of market.operators) resetPeak(node.pid);
  const proposal = await buyer.propose({ algorithm: id, parameters, offers: [offered] });
  const started = performance.now();
  const { job: number } = await buyer.fund(proposal, 24 * 3600);
  let phase = "";
  await buyer.waitForResult(number, {
    pollMs: 500,
    onView: ({ progress, state }) => {
      const now = `${state} ${progress?.phase ?? ""}`;
      if (now !== phase) report("", `${seconds(started)} ${now}`);
      phase = now;
    },
  });
  const { file } = await buyer.result(number);
  const peaks = market.operators.map(({ node }) => `${peakMb(node.pid)} MB`);
  report(id, `${seconds(started)}, peaks of the nodes ${peaks.join(", ")}`);
  report("", JSON.stringify(file.metrics ?? {}));
}

const algorithms = ["statistics", "logistic-regression"].map((id) => findAlgorithm(id).manifest);
await withMarket(
  { algorithms, patienceMs, roundMs: 600_000, memoryBytes: Number(values.memory), logLevel: "warn" },
  async (market) => {
    const data = join(market.folder, "data.csv");
    await pipeline(Readable.from(blocks(csvLines())), createWriteStream(data));
    report("size", `${rows} x ${columns}, at most ${values.memory} bytes of rows in a node's memory`);
    const offered = await offer(market, data);
    await job(market, offered, "statistics", {});
    await job(market, offered, "logistic-regression", { epochs: 1, batchSize: Number(values.batch) });
  },
);
