import { describe, expect, it } from "vitest";
import type { Party } from "../../mpc/party.ts";
import { reduceDegree } from "../../mpc/protocols/multiply.ts";
import { open } from "../../mpc/protocols/open.ts";
import type { FieldArray } from "../../mpc/vector/index.ts";
import { deal, type Parties, reveal, threeParties, together } from "./three-parties.ts";

/** Multiplies shares by themselves, again and again. */
async function power(party: Party, a: FieldArray, squarings: number): Promise<FieldArray> {
  let out = a;
  for (let i = 0; i < squarings; i++) {
    const product = party.kernel.allocate(out.length);
    party.kernel.multiply(product, out, out);
    out = await reduceDegree(party, product);
  }
  return out;
}

const values = [3n, 5n, 7n];

/** Squarings of each value in its own task. */
async function powers(parties: Parties, squarings: readonly number[]): Promise<bigint[]> {
  const shares = values.map((v) => deal(parties, [v]));
  const out = await together(parties, (party, i) =>
    party.together(squarings.map((count, task) => () => power(party, shares[task][i], count))),
  );
  return squarings.map((_, task) => reveal(parties, [out[0][task], out[1][task], out[2][task]])[0]);
}

const failures = async (runs: readonly Promise<unknown>[]): Promise<PromiseRejectedResult[]> => {
  const settled = await Promise.allSettled(runs);
  expect(settled.map(({ status }) => status)).toEqual(runs.map(() => "rejected"));
  return settled as PromiseRejectedResult[];
};

describe("shared rounds", () => {
  it("compute what each task computes alone, in as many rounds as the longest has", async () => {
    const parties = await threeParties(127);
    expect(await powers(parties, [2, 0, 3])).toEqual([3n ** 4n, 5n, 7n ** 8n]);
    for (const party of parties) {
      const { rounds, framesSent, bytesSent, protocols } = party.meter.measurement();
      expect([rounds, framesSent, bytesSent]).toEqual([3, 5, 5 * 20]);
      expect(Object.values(protocols).map((p) => [p.rounds, p.framesSent, p.bytesReceived])).toEqual([
        [3, 5, 5 * 20],
      ]);
    }
  });

  it("number every task's part of a round by itself: no pseudo-random stream serves two", async () => {
    const seen = new Set<string>();
    const parties = await threeParties(61, {
      tap: (from, to, operation) => {
        expect(seen.has(`${from} ${to} ${operation}`)).toBe(false);
        seen.add(`${from} ${to} ${operation}`);
        return undefined;
      },
    });
    await powers(parties, [1, 1, 1]);
    expect(seen.size).toBe(9);
    expect(parties.map((p) => p.nextOperation)).toEqual([4, 4, 4]);
  });

  it("leave no stream of a past round to be drawn, shared or not", async () => {
    const parties = await threeParties(61);
    await powers(parties, [1, 1]);
    const shares = deal(parties, [2n]);
    await together(parties, (party, i) => power(party, shares[i], 1));
    const [party] = parties;
    for (const operation of [1, 2, 3]) {
      expect(() => party.pairVector(party.next, "mask", operation, 1)).toThrow(/backwards/);
    }
    expect(() => party.pairVector(party.next, "mask", party.nextOperation, 1)).not.toThrow();
  });

  it("nest", async () => {
    const parties = await threeParties(127);
    const shares = values.map((v) => deal(parties, [v]));
    const out = await together(parties, async (party, i) => {
      let inner: FieldArray[] = [];
      const [one, two] = await party.together([
        () => power(party, shares[0][i], 2),
        async () => {
          inner = await party.together<FieldArray>([
            () => power(party, shares[1][i], 1),
            () => power(party, shares[2][i], 2),
          ]);
          return power(party, inner[0], 1);
        },
      ]);
      const three = inner[1];
      return [one, two, three, await power(party, one, 1)];
    });
    const results = [0, 1, 2, 3].map((t) => reveal(parties, [out[0][t], out[1][t], out[2][t]])[0]);
    expect(results).toEqual([3n ** 4n, 5n ** 4n, 7n ** 4n, 3n ** 8n]);
    expect(parties.map((p) => p.meter.rounds)).toEqual([4, 4, 4]);
  });

  it("send everything before they wait for anything", async () => {
    const sent = new Set<number>();
    const parties = await threeParties(61, {
      idleTimeoutMs: 50,
      tap: (_from, _to, operation) => {
        sent.add(operation);
        return [];
      },
    });
    await expect(powers(parties, [1, 1, 1])).rejects.toMatchObject({ code: "PEER_TIMEOUT" });
    expect([...sent].sort()).toEqual([1, 2, 3]);
  });

  it("end the attempt when frames come in another order", async () => {
    const held: { operation: number; bytes: Uint8Array }[] = [];
    const parties = await threeParties(61, {
      tap: (from, to, operation, bytes) => {
        if (from !== 1 || to !== 2) return undefined;
        held.push({ operation, bytes });
        return held.length === 2 ? held.reverse() : [];
      },
    });
    await expect(powers(parties, [1, 1])).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
  });

  it("refuse two rounds of one task at once, at every party and without hanging", async () => {
    const parties = await threeParties(61);
    const shares = deal(parties, [2n]);
    const runs = parties.map((party, i) =>
      party.together<unknown>([
        () => Promise.all([power(party, shares[i], 1), power(party, shares[i], 1)]),
        () => power(party, shares[i], 1),
      ]),
    );
    for (const { reason } of await failures(runs)) expect(reason.code).toBe("INTERNAL");
  });

  it("are what lets two rounds run at once: without a shared round the second is refused", async () => {
    const parties = await threeParties(61);
    const shares = deal(parties, [2n]);
    const runs = parties.map(async (party, i) => {
      const first = power(party, shares[i], 1);
      await expect(power(party, shares[i], 1)).rejects.toMatchObject({ code: "INTERNAL" });
      return first;
    });
    expect(reveal(parties, await Promise.all(runs))).toEqual([4n]);
  });

  it("refuse a task that ends without waiting for its round", async () => {
    const parties = await threeParties(61);
    const shares = deal(parties, [2n]);
    const ignored: unknown[] = [];
    const runs = parties.map((party, i) =>
      party.together<unknown>([
        async () => {
          power(party, shares[i], 1).catch((error) => ignored.push(error));
        },
        () => power(party, shares[i], 1),
      ]),
    );
    for (const { reason } of await failures(runs)) expect(reason.code).toBe("INTERNAL");
    expect(ignored).toHaveLength(3);
  });

  it("refuse a body that sends after it has received", async () => {
    const parties = await threeParties(61);
    const late = (party: Party) =>
      party.round("late", async (operation) => {
        party.send(party.next, operation, [new Uint8Array(4)]);
        await party.receive(party.previous, operation, 4);
        party.send(party.next, operation, [new Uint8Array(4)]);
        await party.receive(party.previous, operation, 4);
      });
    await together(parties, late);
    const shares = deal(parties, [2n]);
    const run = together(parties, (party, i) =>
      party.together<unknown>([() => late(party), () => power(party, shares[i], 1)]),
    );
    await expect(run).rejects.toMatchObject({ code: "INTERNAL" });
  });

  it("end all tasks with the error of one, which leaves the party able to go on", async () => {
    const parties = await threeParties(61);
    const shares = deal(parties, [2n]);
    const ended: unknown[] = [];
    const out = await together(parties, async (party, i) => {
      const failing = party.together<unknown>([
        () => power(party, shares[i], 3).catch((error) => ended.push(error)),
        async () => {
          await power(party, shares[i], 1);
          throw new Error("a task fails");
        },
      ]);
      await expect(failing).rejects.toThrow("a task fails");
      return open(party, shares[i], "test");
    });
    expect(ended).toHaveLength(3);
    expect(out.map((a, i) => parties[i].kernel.toBigints(a))).toEqual([[2n], [2n], [2n]]);
  });

  it("are one round where nothing is shared", async () => {
    const parties = await threeParties(61);
    expect(await together(parties, (party) => party.together([]))).toEqual([[], [], []]);
    expect(parties[0].meter.rounds).toBe(0);
  });
});
