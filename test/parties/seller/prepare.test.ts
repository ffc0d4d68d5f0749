import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { createKernel, type Kernel } from "../../../mpc/vector/index.ts";
import { conform } from "../../../parties/data/conform.ts";
import { parseTable, readTable, type Table } from "../../../parties/data/csv.ts";
import { scalingOf, unscaleMatrix } from "../../../parties/data/scaling.ts";
import { type DataSetSchema, deriveSchema, schemaHash } from "../../../parties/data/schema.ts";
import { ciphertextHash, decodeShare, reconstructMatrix } from "../../../parties/data-set.ts";
import { createKeys, type OperatorKeys } from "../../../parties/keys.ts";
import { type InputSealContext, unseal } from "../../../parties/sealing.ts";
import { type PreparedDataSet, prepareDataSet } from "../../../parties/seller/prepare.ts";

const registry = `0x${"1".repeat(40)}`;
const chainId = 31337;
const seller = createKeys("seller").account.address;
const operatorKeys = [1, 2, 3].map(() => createKeys("operator")) as [
  OperatorKeys,
  OperatorKeys,
  OperatorKeys,
];
const operators = operatorKeys.map((keys, index) => ({
  address: keys.owner.address,
  sealKey: keys.sealKey.publicKey,
  point: (index + 1) as 1 | 2 | 3,
}));

const contextOf = (prepared: PreparedDataSet, point: 1 | 2 | 3): InputSealContext => ({
  kind: "input-share",
  chainId,
  registry,
  owner: seller,
  nonce: prepared.nonce,
  schemaHash: prepared.schemaHash,
  rows: prepared.rows,
  columns: prepared.columns,
  operator: operators[point - 1]!.address,
  point,
});

/** Each operator unseals its own share, as it will from the bridge. */
async function unsealAll(prepared: PreparedDataSet): Promise<[Uint8Array, Uint8Array, Uint8Array]> {
  return (await Promise.all(
    operatorKeys.map((keys, index) =>
      unseal(keys.sealKey.privateKey, contextOf(prepared, (index + 1) as 1 | 2 | 3), prepared.sealed[index]!),
    ),
  )) as [Uint8Array, Uint8Array, Uint8Array];
}

describe("preparing a data set", () => {
  let table: Table;
  let schema: DataSetSchema;
  let prepared: PreparedDataSet;
  let kernel: Kernel;

  beforeAll(async () => {
    const file = fileURLToPath(new URL("../../../parties/data/examples/breast-cancer.csv", import.meta.url));
    table = await readTable(file);
    schema = deriveSchema([table], { label: "benign" });
    kernel = await createKernel(schema.fieldBits);
    prepared = await prepareDataSet({ table, schema, operators, seller, chainId, registry, kernel });
  });

  it("says what goes on chain", () => {
    expect(prepared).toMatchObject({ schemaHash: schemaHash(schema), rows: 569, columns: 31 });
    expect(prepared.nonce).toMatch(/^0x[0-9a-f]{64}$/);
    expect(prepared.ciphertextHashes).toEqual(prepared.sealed.map(ciphertextHash));
    expect(new Set(prepared.ciphertextHashes).size).toBe(3);
    expect(prepared.preview.clipped).toEqual({});
  });

  it("gives the operators shares of the scaled features and the label", async () => {
    const matrix = reconstructMatrix(kernel, await unsealAll(prepared), {
      rows: 569,
      cols: 31,
      fracBits: 16,
      seeded: true,
    });
    const { features, label } = conform(table, schema);
    const scaled = matrix.filter((_, at) => at % 31 !== 30);
    const raw = unscaleMatrix(scaled, scalingOf(schema));
    raw.forEach((value, at) => {
      const { min, max } = schema.columns[at % 30]!;
      expect(Math.abs(value - features[at]!)).toBeLessThanOrEqual(((max - min) / 2) * 2 ** -17 * 1.0001);
    });
    expect(matrix.filter((_, at) => at % 31 === 30)).toEqual(label);
  });

  it("lets no operator open another's share", async () => {
    await expect(
      unseal(operatorKeys[0].sealKey.privateKey, contextOf(prepared, 1), prepared.sealed[1]),
    ).rejects.toThrow(expect.objectContaining({ code: "SEAL_INVALID" }));
    await expect(
      unseal(operatorKeys[0].sealKey.privateKey, contextOf(prepared, 2), prepared.sealed[1]),
    ).rejects.toThrow(expect.objectContaining({ code: "SEAL_INVALID" }));
  });

  it("orders the operators by their points", async () => {
    const small = await parseTable("x\n1\n0\n");
    const result = await prepareDataSet({
      table: small,
      schema: deriveSchema([small]),
      operators: [operators[2]!, operators[0]!, operators[1]!],
      seller,
      chainId,
      registry,
    });
    const [, two] = await unsealAll(result);
    decodeShare(kernel, two, { rows: 2, cols: 1, fracBits: 16, point: 2 });
  });

  it("is another data set each time", async () => {
    const small = await parseTable("x\n1\n0\n");
    const options = {
      table: small,
      schema: deriveSchema([small]),
      operators,
      seller,
      chainId,
      registry,
      kernel,
    };
    const twice = [await prepareDataSet(options), await prepareDataSet(options)];
    expect(new Set(twice.map(({ nonce }) => nonce)).size).toBe(2);
    expect(new Set(twice.flatMap(({ ciphertextHashes }) => ciphertextHashes)).size).toBe(6);
  });

  it("refuses operators that are not three distinct ones at their points", async () => {
    const [one, two, three] = operators as [
      (typeof operators)[0],
      (typeof operators)[0],
      (typeof operators)[0],
    ];
    for (const wrong of [
      [one, two],
      [one, two, { ...three, point: 2 as const }],
      [one, two, { ...three, address: one.address }],
      [one, two, { ...three, address: one.address.toLowerCase() }],
      [one, two, { ...three, sealKey: two.sealKey }],
      [one, two, three, three],
      [one, two, { ...three, address: "nobody" }],
    ]) {
      await expect(
        prepareDataSet({ table, schema, operators: wrong, seller, chainId, registry, kernel }),
      ).rejects.toThrow(expect.objectContaining({ code: "USAGE" }));
    }
  });

  it("refuses a kernel of another field, and rows that do not fit", async () => {
    await expect(
      prepareDataSet({
        table,
        schema: { ...schema, fieldBits: 107 },
        operators,
        seller,
        chainId,
        registry,
        kernel,
      }),
    ).rejects.toThrow(expect.objectContaining({ code: "FIELD_ENCODING" }));
    const bad = await parseTable("a,y\n1,0\n31337,1\n", {}, "bad.csv");
    const small: DataSetSchema = {
      ...schema,
      columns: [{ name: "a", min: 0, max: 2 }],
      label: { name: "y", kind: "binary" },
    };
    const error = await prepareDataSet({
      table: bad,
      schema: small,
      operators,
      seller,
      chainId,
      registry,
    }).catch((thrown) => thrown);
    expect(error.code).toBe("CSV_OUT_OF_RANGE");
    expect(inspect(error, { depth: 9, showHidden: true })).not.toContain("31337");
  });

  it("writes no value of a row into anything that leaves the seller", async () => {
    const marked = await parseTable("a,b\n31337.5,2\n1,66642.25\n");
    const markedSchema: DataSetSchema = {
      ...schema,
      columns: [
        { name: "a", min: 0, max: 1e5 },
        { name: "b", min: 0, max: 1e5 },
      ],
      label: undefined,
    };
    const result = await prepareDataSet({
      table: marked,
      schema: markedSchema,
      operators,
      seller,
      chainId,
      registry,
      kernel,
    });
    const out = [
      inspect(result, { depth: 9, maxArrayLength: null }),
      ...result.sealed.map((bytes) => Buffer.from(bytes).toString("latin1")),
    ].join("\n");
    expect(out).not.toMatch(/31337\.5|66642\.25/);
    for (const share of await unsealAll(result)) {
      for (const sealed of result.sealed) {
        expect(Buffer.from(sealed).includes(Buffer.from(share.subarray(16, 36)))).toBe(false);
      }
    }
  });
});
