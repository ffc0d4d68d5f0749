import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { relu } from "../../../mpc/functions/relu.ts";
import type { JiffNumber, SecretShare } from "../../../mpc/jiff-program.ts";
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
        const column = { fracBits: 16, bound: 8 };
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

  test("there and back changes nothing: one share, a list, rows", async () => {
    const format = { fracBits: 0, bound: 20000 };
    const results = await Promise.all(
      handles.map(async (jiff, i) => {
        const shared = jiff.share([7, 11, 12345][i]!);
        const [a, b, c] = [shared[1]!, shared[2]!.cmult(-1), shared[3]!];
        const scalar = await jiff.lift(c, format);
        const column = await jiff.lift([a, b, c], format);
        const rows = [
          [a, b, c],
          [c, a, b],
        ];
        const matrix = await jiff.lift(rows, format);
        const back = [
          await jiff.lift(jiff.lower(scalar), format),
          await jiff.lift(jiff.lower(column), format),
          await jiff.lift(jiff.lowerRows(matrix), format),
        ];
        const opened = [];
        for (const tensor of back) opened.push(Array.from(await tensor.open("test")));
        return { shapes: back.map(({ rows, cols }) => [rows, cols]), opened };
      }),
    );
    for (const { shapes, opened } of results) {
      expect(shapes).toEqual([
        [1, 1],
        [3, 1],
        [2, 3],
      ]);
      expect(opened).toEqual([[12345], [7, -11, 12345], [7, -11, 12345, 12345, 7, -11]]);
    }
  });

  test("a matrix goes from JIFF through the vector engine and back with its fixed point", async () => {
    const unit = 2 ** 12;
    const results = await Promise.all(
      handles.map(async (jiff, i) => {
        const shared = jiff.share([1.5, 2.25, 3][i]! * unit);
        const [a, b, c] = [shared[1]!, shared[2]!.cmult(-1), shared[3]!];
        const X = await jiff.lift(
          [
            [a, b],
            [b, c],
          ],
          { fracBits: 12, bound: 3 },
        );
        const positive = await relu(await X.matmul(X));
        const [[first], [, last]] = jiff.lowerRows(positive) as [SecretShare[], SecretShare[]];
        const opened = await Promise.all([first!.sadd(last!).open(), jiff.lower(positive)[1]!.open()]);
        return { fracBits: positive.fracBits, opened: opened.map((x) => signed(x) / unit) };
      }),
    );
    // X X = [[7.3125, -10.125], [-10.125, 14.0625]].
    for (const { fracBits, opened } of results) {
      expect(fracBits).toBe(12);
      expect(Math.abs(opened[0]! - 21.375)).toBeLessThan(3 / unit);
      expect(opened[1]).toBe(0);
    }
  });

  test("shapes that do not fit are refused, and shares of another instance", async () => {
    const [jiff, other] = handles as [JiffWithVectors, JiffWithVectors];
    const format = { fracBits: 0, bound: 1 };
    const shares = jiff.lower(jiff.vectors.constant(1, 2, 2, 0));
    for (const ragged of [[], [[]], [shares.slice(0, 2), shares.slice(2, 3)], [shares, []]]) {
      await expect(jiff.lift(ragged, format)).rejects.toMatchObject({ code: "SHAPE_MISMATCH" });
    }
    await expect(other.lift(shares, format)).rejects.toMatchObject({ code: "STATE_INVALID" });
  });
});
