import { describe, expect, it } from "vitest";
import { checkInputs, inputCheckCost, inputCheckProtocol } from "../../../mpc/protocols/input-check.ts";
import { storeOf } from "../../../mpc/tables/row-store.ts";
import { createKernel, type FieldBits, fieldBits, fieldSpecs } from "../../../mpc/vector/index.ts";
import { expectDeclared } from "../measured-cost.ts";
import { deal, type Parties, threeParties, together } from "../three-parties.ts";

const one = 1n << 16n;

/** 7 rows of two values and a label, then 5 rows of three values. */
function inputs(): { values: bigint[]; rows: number; cols: number; hasLabel: boolean }[] {
  const edge = [one, -one, 0n, 1n, -1n, one - 1n, 1n - one];
  return [
    { values: edge.flatMap((x, i) => [x, -x, i % 2 ? one : 0n]), rows: 7, cols: 3, hasLabel: true },
    {
      values: Array.from({ length: 15 }, (_, i) => BigInt(i - 7) * 9000n),
      rows: 5,
      cols: 3,
      hasLabel: false,
    },
  ];
}

async function run(
  bits: FieldBits,
  change: (data: ReturnType<typeof inputs>) => void,
  tamper?: (parties: Parties, shares: ReturnType<typeof deal>[]) => void,
) {
  const parties = await threeParties(bits, { kernel: createKernel });
  const data = inputs();
  change(data);
  const shares = data.map((d) => deal(parties, d.values));
  tamper?.(parties, shares);
  await together(parties, (party, i) =>
    checkInputs(
      party,
      data.map(({ rows, cols, hasLabel }, j) => ({
        name: `data set ${j + 1}`,
        shares: storeOf(shares[j][i], rows, cols, (start, length) =>
          party.kernel.slice(shares[j][i], start, length),
        ),
        hasLabel,
        fracBits: 16,
      })),
    ),
  );
  return parties;
}

describe.each(fieldBits.map((bits) => [bits]))("input checks over p = 2^%i - 1", (bits: FieldBits) => {
  it("accept values at both bounds, at the declared cost", async () => {
    const parties = await run(bits, () => {});
    const cost = inputCheckCost(inputs(), fieldSpecs[bits]);
    const measured = parties.map((p) => p.meter.measurement());
    expectDeclared(measured, { ...cost, protocols: { [inputCheckProtocol]: cost } });
  });

  const { modulus } = fieldSpecs[bits];
  it.each([
    ["one above the bound", one + 1n],
    ["one below the bound", -one - 1n],
    ["the middle of the field", modulus / 2n],
    ["far above", modulus / 3n],
    ["twice the range", 2n * one],
    ["the range below", -2n * one - 1n],
  ])("refuse a value %s", async (_, value) => {
    const attempt = run(bits, (data) => {
      data[1].values[11] = value;
    });
    await expect(attempt).rejects.toMatchObject({ code: "INPUT_OUT_OF_RANGE" });
  });

  it.each([1n, -one, 2n * one, one - 1n])("refuse the label %s", async (value) => {
    const attempt = run(bits, (data) => {
      data[0].values[5] = value;
    });
    await expect(attempt).rejects.toMatchObject({
      code: "INPUT_OUT_OF_RANGE",
      message: expect.stringContaining("data set 1"),
    });
  });

  it("refuse shares that are not on a line", async () => {
    const attempt = run(
      bits,
      () => {},
      (parties, shares) => {
        const { kernel } = parties[1];
        kernel.addScalar(kernel.slice(shares[1][1], 4, 1), kernel.slice(shares[1][1], 4, 1), 1n);
      },
    );
    await expect(attempt).rejects.toMatchObject({
      code: "SHARES_INCONSISTENT",
      message: expect.stringContaining("2 of 2"),
    });
  });
});
