/**
 * What the contracts' calls cost, measured on a development chain with the compiler settings as shipped.
 *
 *   npm run gas                 a table
 *   npm run gas -- --json       { NAME: gas }
 *   npm run gas -- --check      fails when a figure grew over test/contracts/gas-snapshot.json
 *   npm run gas -- --update     writes the snapshot
 *
 * Every figure is the gas that a transaction used, its base cost and call data included. Nothing is random:
 * hashes come from labels, so that zero bytes of call data do not make the figures flicker. Signatures are
 * deterministic (RFC 6979).
 */
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { z } from "zod";
import { startDevChain } from "../contracts/dev-chain.ts";
import { toSymbolonError } from "../mpc/errors.ts";
import type { StartChain } from "./gas-chain.ts";
import { exchangeGasNames, measureExchangeGas } from "./gas-exchange.ts";
import { marketGasNames, measureMarketGas } from "./gas-market.ts";
import { measureTrainingGas, trainingGasNames } from "./gas-training.ts";

export const gasNames = [...marketGasNames, ...trainingGasNames, ...exchangeGasNames] as const;
export type GasName = (typeof gasNames)[number];
export type GasFigures = Record<GasName, number>;

export const snapshotUrl = new URL("../test/contracts/gas-snapshot.json", import.meta.url);
const snapshotSchema = z.record(z.enum(gasNames), z.int().positive());

/** On a chain of its own for each contract; Hardhat's unless another is given. */
export async function measureGas(start: StartChain = startDevChain): Promise<GasFigures> {
  return {
    ...(await measureMarketGas(start)),
    ...(await measureTrainingGas(start)),
    ...(await measureExchangeGas(start)),
  };
}

export async function readSnapshot(): Promise<GasFigures> {
  return snapshotSchema.parse(JSON.parse(await readFile(snapshotUrl, "utf8")));
}

/** Figures that are higher than in the snapshot, in words. */
export function grown(figures: GasFigures, snapshot: GasFigures): string[] {
  return gasNames
    .filter((name) => figures[name] > snapshot[name])
    .map(
      (name) =>
        `${name} costs ${figures[name]} gas, ${figures[name] - snapshot[name]} more than ${snapshot[name]}`,
    );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: "boolean" }, check: { type: "boolean" }, update: { type: "boolean" } },
  });
  const figures = await measureGas();
  if (values.json) console.log(JSON.stringify(figures, null, 2));
  else
    for (const name of gasNames)
      console.log(name.padEnd(20), figures[name].toLocaleString("en").padStart(12));
  if (values.check) {
    const more = grown(figures, await readSnapshot());
    for (const line of more) console.error(line);
    if (more.length > 0) process.exitCode = 1;
  }
  if (values.update) await writeFile(snapshotUrl, `${JSON.stringify(figures, null, 2)}\n`);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await main().catch((thrown) => {
    const error = toSymbolonError(thrown);
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = error.exitCode;
  });
}
