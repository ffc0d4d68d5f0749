import { describe, expect, it } from "vitest";
import { admitInputs } from "../../../mpc/protocols/admit-inputs.ts";
import { Scratch } from "../../../mpc/tables/scratch.ts";
import { createKernel, fieldSpecs } from "../../../mpc/vector/index.ts";
import { deal, type Parties, reveal, threeParties, together } from "../three-parties.ts";

const one = 1n << 16n;

/** Admits one input of values and labels from the field of 89 bits to that of 107, or to its own. */
async function admit(values: bigint[], sameField = false) {
  const parties = await threeParties(89, { kernel: createKernel });
  const kernels = await Promise.all(parties.map(() => createKernel(107)));
  const targets = (sameField ? parties : parties.map((p, i) => p.inField(kernels[i]))) as Parties;
  const shares = deal(parties, values);
  const rows = values.length / 2;
  const scratch = Scratch.inMemory();
  const outcome = together(parties, async (party, i) => {
    const own = await scratch.rows(party.kernel, rows, 2, 3);
    await own.append(shares[i], rows);
    const input = { name: "the input", shares: own, hasLabel: true, fracBits: 16 };
    const [admitted] = await admitInputs(party, targets[i], [input], (n, cols) =>
      scratch.rows(targets[i].kernel, n, cols, 3),
    );
    return admitted.read(0, rows);
  });
  return { parties, targets, outcome };
}

const good = [one, 0n, -one, one, 5n, one, -7n, 0n, 0n, one];

describe("inputs", () => {
  it.each([[true], [false]])("pass unchanged when they are in range (same field: %s)", async (sameField) => {
    const { parties, targets, outcome } = await admit(good, sameField);
    expect(reveal(targets, await outcome)).toEqual(good);
    const { protocols } = parties[0].meter.measurement();
    expect(protocols.convert?.rounds ?? 0).toBe(sameField ? 0 : 1);
  });

  it.each([
    ["a value out of its range", one + 1n, 0],
    ["a value that would overrun every mask", fieldSpecs[89].modulus / 2n, 4],
    ["a label that is none", 2n, 3],
  ])("are not converted when there is %s", async (_, value, at) => {
    const bad = good.with(at, value);
    const { parties, outcome } = await admit(bad);
    await expect(outcome).rejects.toMatchObject({ code: "INPUT_OUT_OF_RANGE" });
    for (const party of parties) expect(party.meter.measurement().protocols).not.toHaveProperty("convert");
  });
});
