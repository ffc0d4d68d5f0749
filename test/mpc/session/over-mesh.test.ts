import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { softmax } from "../../../mpc/functions/softmax.ts";
import { sortBy } from "../../../mpc/functions/sort.ts";
import { Party } from "../../../mpc/party.ts";
import { SecureBackend } from "../../../mpc/session/secure.ts";
import { Session, type Tensor } from "../../../mpc/session/session.ts";
import { createKernel, type FieldArray } from "../../../mpc/vector/index.ts";
import { deal, type Parties, together } from "../three-parties.ts";
import { MeshWorld } from "../transport/mesh-world.ts";

/** Shared rounds where frames really travel: encrypted, cut into blocks and read as they come. */
describe("shared rounds over the mesh", () => {
  let world: MeshWorld;
  let parties: Parties;
  let close: () => void;

  beforeAll(async () => {
    world = await MeshWorld.start();
    const outcomes = await world.connect(world.newContext());
    parties = (await Promise.all(
      outcomes.map(async (outcome) => {
        if (outcome instanceof Error) throw outcome;
        return new Party(await createKernel(127), outcome.transport, outcome.pairSecrets);
      }),
    )) as Parties;
    close = () => {
      for (const outcome of outcomes) if (!(outcome instanceof Error)) outcome.transport.close();
    };
  });

  afterAll(async () => {
    close();
    await world.stop();
  });

  async function opened(
    values: readonly number[],
    cols: number,
    program: (x: Tensor<FieldArray>) => Promise<Tensor<FieldArray>>,
  ): Promise<Float64Array> {
    const unit = 2 ** 16;
    const shares = deal(
      parties,
      values.map((v) => BigInt(v * unit)),
    );
    const [one, two, three] = await together(parties, async (party, i) => {
      const session = new Session(new SecureBackend(party), 127);
      const x = session.input(shares[i], values.length / cols, cols, 16, 16);
      return (await program(x)).open("test");
    });
    expect(two).toEqual(one);
    expect(three).toEqual(one);
    return one;
  }

  it("take frames of many sizes, small and beyond a block", async () => {
    for (const rows of [1, 4_000]) {
      const values = Array.from({ length: 3 * rows }, (_, i) => ((i * 7) % 33) / 2 - 8);
      const out = await opened(values, 3, (x) => softmax(x));
      for (const row of [0, rows - 1]) {
        const weights = [0, 1, 2].map((j) => Math.exp(values[3 * row + j]));
        const sum = weights.reduce((a, b) => a + b);
        weights.forEach((w, j) => {
          expect(Math.abs(out[3 * row + j] - w / sum)).toBeLessThan(2 ** -12);
        });
      }
    }
  });

  it("keep every task's messages apart", async () => {
    const keys = Array.from({ length: 50 }, (_, i) => ((i * 31) % 53) / 4);
    const out = await opened(keys, 1, async (x) => {
      const { payload } = await sortBy(x, x.timesInteger(-1));
      return payload;
    });
    expect(Array.from(out)).toEqual([...keys].sort((a, b) => a - b).map((key) => 0 - key));
  });
});
