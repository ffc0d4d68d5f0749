/** `symbolon algorithms`: what the market can run, and what a run of given sizes costs. */
import { type Command, Option } from "commander";
import { z } from "zod";
import type { Algorithm, JobShape } from "../../../algorithms/manifest.ts";
import { command, group, wholeNumber } from "../command.ts";
import { parseJsonOption } from "../json-option.ts";
import { type Output, showBytes } from "../output.ts";

export function algorithmCommands(output: Output): Command {
  return group("algorithms", "the algorithms of the market", "symbolon algorithms list", [
    list(output),
    show(output),
  ]);
}

function list(output: Output): Command {
  return command("list", "list the algorithms", "symbolon algorithms list").action(async () => {
    const { identify, listAlgorithms } = await import("../../../algorithms/catalog.ts");
    const all = await Promise.all(
      listAlgorithms().map(async ({ manifest, engine }) => ({
        ...(await identify(manifest)),
        engine,
        title: manifest.title,
      })),
    );
    output.result({ algorithms: all }, () =>
      output.table(
        ["id", "version", "engine", "what it does", "hash"],
        all.map((a) => [a.id, a.version, a.engine, a.title, a.hash]),
      ),
    );
  });
}

interface Sizes {
  rows?: number;
  features?: number;
  sellers: number;
  validationRows?: number;
  params?: string;
  fieldBits: string;
}

function show(output: Output): Command {
  return command(
    "show",
    "show an algorithm: parameters, openings, and what a run of given sizes costs",
    "symbolon algorithms show logistic-regression --rows 455 --features 30 --sellers 3",
  )
    .argument("<id>", "its name")
    .addOption(
      new Option(
        "--rows <number>",
        "rows of all data sets together, or of each where they must be alike (default: 1000; 1 for a bid)",
      ).argParser(wholeNumber(1, 2 ** 30)),
    )
    .addOption(
      new Option(
        "--features <number>",
        "columns without the label (default: 10; 1 where one is all)",
      ).argParser(wholeNumber(1, 65534)),
    )
    .addOption(new Option("--sellers <number>", "data sets").argParser(wholeNumber(1, 1000)).default(3))
    .addOption(
      new Option("--validation-rows <number>", "the buyer's own rows").argParser(wholeNumber(1, 2 ** 30)),
    )
    .option("--params <json>", "parameters, or @FILE")
    .addOption(
      new Option("--field-bits <number>", "exponent of the field's modulus")
        .choices(["61", "89", "107", "127"])
        .default("127"),
    )
    .action(async (id: string, options: Sizes) => {
      const { findAlgorithm, identify, parseParameters } = await import("../../../algorithms/catalog.ts");
      const { planJob } = await import("../../../algorithms/planner.ts");
      const { defaultFracBits } = await import("../../data/schema.ts");
      const algorithm = findAlgorithm(id);
      const { manifest } = algorithm;
      const parameters = parseParameters(algorithm, await parseJsonOption(options.params, "--params"));
      const { hash } = await identify(manifest);
      const shape = exampleShape(algorithm, options, defaultFracBits);
      const { fieldBits, declaration, parts } = await planJob(algorithm, shape, parameters);
      const limits = z.toJSONSchema(algorithm.parameters, { io: "input" }) as {
        properties?: Record<string, Record<string, unknown>>;
      };
      const document = {
        ...manifest,
        hash,
        engine: algorithm.engine,
        parameters: limits.properties ?? {},
        run: { shape, parameters, fieldBits, declaration, result: parts },
      };
      output.result(document, () => {
        const { bold } = output.colors;
        const rows = Object.entries(limits.properties ?? {}).map(([name, limit]) => [
          name,
          describeLimit(limit),
          limit.default === undefined ? "" : JSON.stringify(limit.default),
        ]);
        const openings = Object.entries(manifest.openings).map(([label, why]) => `  ${label}: ${why}`);
        const inputs = `${options.sellers} data sets, ${shape.inputs.reduce((sum, s) => sum + s.rows, 0)} rows, ${shape.inputs[0]!.columns} columns`;
        return [
          `${bold(manifest.title)}  ${manifest.id} ${manifest.version}`,
          manifest.description,
          `hash     ${hash}`,
          `input    label ${manifest.input.label}; ${manifest.input.description}`,
          `output   ${manifest.output}`,
          `privacy  ${manifest.privacy}`,
          "",
          ...(rows.length === 0
            ? ["It has no parameters."]
            : [output.table(["parameter", "range", "default"], rows)]),
          "",
          openings.length === 0
            ? "The program opens nothing to the parties; what the checks of the inputs open stands below."
            : `Opened to the parties:\n${openings.join("\n")}`,
          "",
          bold(`A run over ${inputs}`),
          `  rounds                ${declaration.rounds}`,
          `  bytes of all parties  ${showBytes(declaration.bytes)} (${declaration.bytes})`,
          ...Object.entries(declaration.openings).map(
            ([label, count]) => `  opened                ${count} ${label}`,
          ),
          `  statistical distance  ${declaration.statisticalDistance === 0 ? "0" : `2^${Math.log2(declaration.statisticalDistance).toFixed(1)}`} (limit 2^-40)`,
          `  widest masked value   ${declaration.worstBits} bits in a field of ${fieldBits}${declaration.worstStep === "" ? "" : `, in step "${declaration.worstStep}"`}`,
        ].join("\n");
      });
    });
}

/** Data sets of the given sizes: rows dealt out evenly, or alike where there is no label and so no row to pool. */
function exampleShape({ manifest, engine }: Algorithm, sizes: Sizes, fracBits: number): JobShape {
  const { label } = manifest.input;
  const hasLabel = label === "required";
  const alike = label === "none";
  const columns = (sizes.features ?? (alike ? 1 : 10)) + (hasLabel ? 1 : 0);
  const rows = sizes.rows ?? (engine === "jiff" ? 1 : 1000);
  const input = (count: number) => ({ rows: count, columns, hasLabel, weight: count });
  const upTo = (seller: number): number => Math.floor((seller * rows) / sizes.sellers);
  const inputs = Array.from({ length: sizes.sellers }, (_, i) =>
    input(alike ? rows : Math.max(1, upTo(i + 1) - upTo(i))),
  );
  return {
    fieldBits: Number(sizes.fieldBits) as JobShape["fieldBits"],
    fracBits,
    inputs,
    ...(sizes.validationRows === undefined ? {} : { validation: input(sizes.validationRows) }),
  };
}

/** A JSON schema's limits in words. */
function describeLimit(limit: Record<string, unknown>): string {
  if (Array.isArray(limit.enum)) return limit.enum.join(", ");
  const low = limit.exclusiveMinimum === undefined ? limit.minimum : `above ${limit.exclusiveMinimum}`;
  const high = limit.exclusiveMaximum === undefined ? limit.maximum : `below ${limit.exclusiveMaximum}`;
  const range = [low, high].filter((side) => side !== undefined).join(" to ");
  return `${limit.type ?? "any"}${range === "" ? "" : ` ${range}`}`;
}
