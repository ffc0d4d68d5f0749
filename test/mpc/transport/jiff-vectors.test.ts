import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { JiffNumber } from "../../../mpc/jiff-program.ts";
import { Party } from "../../../mpc/party.ts";
import { SecureBackend } from "../../../mpc/session/secure.ts";
import { Session } from "../../../mpc/session/session.ts";
import type { JiffSession } from "../../../mpc/transport/jiff.ts";
import { extendByVectors, type JiffWithVectors } from "../../../mpc/transport/jiff-vectors.ts";
import { createMemoryChannels } from "../../../mpc/transport/memory.ts";
import { createKernel } from "../../../mpc/vector/index.ts";
import { closeAll, connectThree, mersenne127, type RelayHost, startRelay } from "./jiff-fixture.ts";

let host: RelayHost;
let sessions: JiffSession[];
let handles: JiffWithVectors[];

beforeAll(async () => {
  host = await startRelay();
  sessions = await connectThree(host.url);
  handles = await Promise.all(
    createMemoryChannels().map(async ({ transport, pairSecrets }, i) => {
      const party = new Party(await createKernel(127), transport, pairSecrets);
      return extendByVectors(sessions[i]!.jiff, new Session(new SecureBackend(party), 127), party);
    }),
  );
});

afterAll(async () => {
  await closeAll(sessions);
  await host.close();
});

const signed = (value: JiffNumber): number => {
  const integer = BigInt(value.toString(10));
  return Number(integer > mersenne127 / 2n ? integer - mersenne127 : integer);
};

describe("JIFF shares and vectors", () => {
  test("JIFF's shares lift into a vector, which the vector engine multiplies and truncates", async () => {
    const results = await Promise.all(
      handles.map(async (jiff, i) => {
        // Party 1 puts in 1.5, party 2 puts in 2.25, with 16 fractional bits.
        const { 1: a, 2: b } = jiff.share([1.5, 2.25, 0][i]! * 65536);
        const column = { rows: 2, cols: 1, fracBits: 16, bound: 8 };
        const left = await jiff.lift([a!, b!.ssub(a!)], column);
        const right = await jiff.lift([b!, b!], column);
        return Array.from(await (await left.multiply(right)).open("test"));
      }),
    );
    for (const [x, y] of results) {
      expect(Math.abs(x! - 1.5 * 2.25)).toBeLessThan(2 ** -15);
      expect(Math.abs(y! - 0.75 * 2.25)).toBeLessThan(2 ** -15);
    }
    expect(results[1]).toEqual(results[0]);
  });

  test("a vector's elements are JIFF's shares, which JIFF multiplies and opens", async () => {
    const results = await Promise.all(
      handles.map(async ({ vectors, lower, share, id }) => {
        const { 1: secret } = share(id === 1 ? 7 : 0);
        const row = vectors.constant(5, 1, 3, 0).subtract(vectors.constant(8, 1, 3, 0));
        const opened = await Promise.all(lower(row).map((x) => x.smult(secret!).open()));
        return opened.map(signed);
      }),
    );
    expect(results).toEqual([
      [-21, -21, -21],
      [-21, -21, -21],
      [-21, -21, -21],
    ]);
  });

  test("there and back changes nothing", async () => {
    const results = await Promise.all(
      handles.map(async (jiff, i) => {
        const { 3: c } = jiff.share([0, 0, 12345][i]!);
        const vector = await jiff.lift([c!], { rows: 1, cols: 1, fracBits: 0, bound: 20000 });
        const again = await jiff.lift(jiff.lower(vector), { rows: 1, cols: 1, fracBits: 0, bound: 20000 });
        return Array.from(await again.open("test"));
      }),
    );
    expect(results).toEqual([[12345], [12345], [12345]]);
  });

  test("a shape that does not fit is refused", async () => {
    const [jiff] = handles;
    const shares = jiff!.lower(jiff!.vectors.constant(1, 2, 2, 0));
    await expect(jiff!.lift(shares, { rows: 3, cols: 1, fracBits: 0, bound: 1 })).rejects.toMatchObject({
      code: "SHAPE_MISMATCH",
    });
  });
});
