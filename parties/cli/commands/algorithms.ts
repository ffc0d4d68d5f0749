/** `symbolon algorithms`: what the market can run, and what a run of given sizes costs. */
import { type Command, Option } from "commander";
import { z } from "zod";
import type { Algorithm, JobShape } from "../../../algorithms/manifest.ts";
import type { FieldBits } from "../../../mpc/vector/index.ts";
import { command, group, wholeNumber } from "../command.ts";
import { rangeLines, rangeTable } from "../describe-ranges.ts";
import { fieldOption } from "../field-option.ts";
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
  field?: FieldBits;
  fracBits?: number;
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
    .addOption(fieldOption())
    .addOption(
      new Option(
        "--frac-bits <number>",
        "fractional bits of the shared data (default: those of a schema that names none)",
      ).argParser(wholeNumber(1, 40)),
    )
    .action(async (id: string, options: Sizes) => {
      const { findAlgorithm, identify, parseParameters } = await import("../../../algorithms/catalog.ts");
      const { planOrAdvise } = await import("../../../algorithms/fit-advice.ts");
      const { rangeReport } = await import("../../../algorithms/range-report.ts");
      const { defaultFracBits } = await import("../../data/schema.ts");
      const { dataFieldBits } = await import("../../data/field.ts");
      const algorithm = findAlgorithm(id);
      const { manifest } = algorithm;
      const parameters = parseParameters(algorithm, await parseJsonOption(options.params, "--params"));
      const { hash } = await identify(manifest);
      const { inputs: dataSets, ...others } = exampleInputs(algorithm, options);
      const fracBits = options.fracBits ?? defaultFracBits;
      const largest = Math.max(...dataSets.map(({ rows, columns }) => rows * columns));
      const fieldBits = options.field ?? dataFieldBits(largest, fracBits);
      const shape: JobShape = { fieldBits, fracBits, inputs: dataSets, ...others };
      const plan = await planOrAdvise(algorithm, shape, parameters);
      const { declaration, parts } = plan;
      const ranges = rangeReport(algorithm, shape, plan);
      const limits = z.toJSONSchema(algorithm.parameters, { io: "input" }) as {
        properties?: Record<string, Record<string, unknown>>;
      };
      const document = {
        ...manifest,
        hash,
        engine: algorithm.engine,
        parameters: limits.properties ?? {},
        run: { shape, parameters, declaration, ranges, result: parts },
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
          output.table(
            ["protocol", "rounds", "bytes"],
            Object.entries(declaration.protocols).map(([name, { rounds, bytes }]) => [
              name,
              String(rounds),
              showBytes(bytes),
            ]),
          ),
          "",
          bold("Its ranges, worst cases"),
          ...rangeLines(ranges).map((line) => `  ${line}`),
          ...(ranges.steps.length > 0 ? [rangeTable(ranges, output)] : []),
        ].join("\n");
      });
    });
}

/** Data sets of the given sizes: rows dealt out evenly, or alike where there is no label and so no row to pool. */
function exampleInputs(
  { manifest, engine }: Algorithm,
  sizes: Sizes,
): Pick<JobShape, "inputs" | "validation"> {
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
