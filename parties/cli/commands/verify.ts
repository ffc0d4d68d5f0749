/** `symbolon bundle` and `symbolon verify`: the public record of a job, and its check without a network. */
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { shortId } from "../../../contracts/use-terms.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { unreadable } from "../../unreadable.ts";
import { command, parseId } from "../command.ts";
import { addMarketOptions, connectChain, type MarketOptions, withConnection } from "../market-options.ts";
import { writeOutFile } from "../out-file.ts";
import type { Output } from "../output.ts";
import { givenSchema, type SchemaOption, schemaOption } from "../schema-option.ts";

export function bundleCommand(output: Output): Command {
  return addMarketOptions(
    command(
      "bundle",
      "export the public record of a finished job",
      "symbolon bundle 0x5c1e --out job.bundle.json",
    ),
  )
    .argument("<job>", "its name, or the first digits of it", parseId)
    .addOption(schemaOption())
    .option("--out <file>", "write it to this file instead of stdout")
    .action((start: string, { out, ...options }: MarketOptions & SchemaOption & { out?: string }) =>
      withConnection(options, output, async ({ bridge, reader }) => {
        const { exportBundle } = await import("../../verify/bundle.ts");
        const id = await reader.jobNamed(start);
        const bundle = await exportBundle({ bridge, market: reader, ...(await givenSchema(options)) }, id);
        if (out === undefined) {
          output.result(bundle, () => JSON.stringify(bundle, null, 2));
          return;
        }
        await writeOutFile(out, bundle);
        output.result({ job: id, file: out }, () => `job ${shortId(id)} is in ${out}`);
      }),
    );
}

export function verifyCommand(output: Output): Command {
  return (
    command(
      "verify",
      "check a bundle: commitments, attestation, roots, payouts",
      "symbolon verify job.bundle.json",
    )
      .argument("<bundle>", "a file that `symbolon bundle` wrote")
      // Not from SYMBOLON_RPC: the check needs no network, and the bundle may be of another chain than one's own market.
      .addOption(
        new Option(
          "--rpc <url>",
          "compare it with its chain too, at this JSON-RPC endpoint; SYMBOLON_RPC is not read",
        ),
      )
      .action(async (file: string, options: { rpc?: string }) => {
        const { parseBundle } = await import("../../verify/bundle.ts");
        const { compareWithChain, verifyBundle } = await import("../../verify/check.ts");
        const bundle = parseBundle(await readJson(file));
        const verification = await verifyBundle(bundle);
        if (options.rpc !== undefined) {
          const { MarketReader } = await import("../../../contracts/market-reader.ts");
          const provider = await connectChain(options.rpc);
          try {
            const found = await compareWithChain(bundle, new MarketReader(bundle.deployment, provider));
            verification.checks.push(...found);
            verification.valid &&= found.every(({ ok }) => ok);
            verification.notChecked = verification.notChecked.filter((item) => !item.includes("--rpc"));
          } finally {
            provider.destroy();
          }
        }
        const { green, red, bold } = output.colors;
        const words = (): string =>
          [
            ...verification.checks.map(
              ({ name, ok, detail }) => `${ok ? green("ok    ") : red("FAILED")}  ${name}: ${detail}`,
            ),
            "",
            bold("Not checked, because a bundle cannot show it:"),
            ...verification.notChecked.map((item) => `        ${item}`),
          ].join("\n");
        if (!verification.valid) {
          output.note(words());
          const failed = verification.checks.filter(({ ok }) => !ok).map(({ name }) => name);
          throw new SymbolonError("COMMITMENT_MISMATCH", `the bundle does not hold: ${failed.join(", ")}`, {
            hint: "it was altered, or it is not of the job that it names",
          });
        }
        output.result(verification, words);
      })
  );
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new SymbolonError("USAGE", `${file} ${unreadable(cause)}`, { cause });
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new SymbolonError("USAGE", `${file} is not JSON`, { cause });
  }
}
