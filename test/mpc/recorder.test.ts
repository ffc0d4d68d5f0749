/**
 * Room for security against active parties: the record of an honest run is enough to recheck all of it, and what
 * a party does wrong is found before anything is opened that depends on it.
 */
import { describe, expect, it } from "vitest";
import type { Party } from "../../mpc/party.ts";
import { and, randomBits } from "../../mpc/protocols/bits.ts";
import { convert } from "../../mpc/protocols/convert.ts";
import { checkRange } from "../../mpc/protocols/input-check.ts";
import { reduceDegree } from "../../mpc/protocols/multiply.ts";
import { truncate } from "../../mpc/protocols/truncate.ts";
import { SecureBackend } from "../../mpc/session/secure.ts";
import { Session } from "../../mpc/session/session.ts";
import { createKernel, createReferenceKernel, type FieldArray } from "../../mpc/vector/index.ts";
import { Auditor } from "./auditor.ts";
import { deal, type Parties, threeParties, together } from "./three-parties.ts";

const x = [3n, -5n, 7n, 0n, 1n, -2n].map((v) => v << 8n);

async function audited(): Promise<{ auditor: Auditor; parties: Parties; shares: FieldArray[] }> {
  const auditor = new Auditor();
  const parties = await threeParties(89, {
    kernel: createKernel,
    recorder: (index) => auditor.recorder(index),
  });
  return { auditor, parties, shares: deal(parties, x) };
}

describe("the record of an honest run", () => {
  it("holds all that a recheck of products, openings, comparisons and bits needs", async () => {
    const { auditor, parties, shares } = await audited();
    await together(parties, async (party, i) => {
      const session = new Session(new SecureBackend(party), 89);
      const a = session.input(shares[i], 3, 2, 8, 8);
      const square = await a.transpose().matmul(a);
      const gram = await a.transposedMatmul(a, { fracBits: 16, plus: [{ tensor: square, scale: 0.5 }] });
      const scaled = await gram.truncate(8);
      const [bits] = await a.atLeastEach([0]);
      const hinges = {
        pieces: [
          { from: -1, slope: 0.5, constant: 0.5 },
          { from: 1, slope: -0.5, constant: 0.5 },
        ],
      };
      const bent = await a.piecewise({ ...hinges, bound: 4, resolutionBits: 6 });
      const dots = await bent.columnDots(a);
      await session.together([
        () => dots.multiply(dots),
        () => a.multiply(bits.widen(8)),
        () => bent.atLeast(1),
      ]);
      await a.multiply(dots);
      await scaled.open("result");
      await checkRange(party, shares[i], -(1n << 12n), 1n << 12n, (bytes) =>
        new Uint8Array(bytes).fill(0xa5),
      );
      await convert(party, party.inField(createReferenceKernel(107)), { values: shares[i], bitLength: 12 });
      const random = randomBits(party, "bit-random", party.nextOperation, 2);
      await and(party, random, random);
      await auditor.verify();
    });
    expect(Object.keys(auditor.checked).sort()).toEqual([
      "bit opening",
      "bit sharing",
      "comparison",
      "conjunction",
      "dealt bits",
      "degree reduction",
      "masked opening",
      "opening",
      "outcomes",
      "sum",
      "summand",
    ]);
  });
});

/** A round in which party 2 cheats. */
type Cheat = (party: Party, values: FieldArray) => Promise<FieldArray>;

const product = (party: Party, share: FieldArray): FieldArray => {
  const local = party.kernel.allocate(share.length);
  party.kernel.multiply(local, share, share);
  const [rows, cols] = [share.length, 1];
  const terms = [{ kind: "elementwise", a: share, b: share, rows, cols }];
  party.recorder?.state(party.kernel, { relation: "local product", product: local, terms });
  return local;
};

/** Changes what party 2 sends in its next round by adding 1 to the first byte of the first frame to the peer. */
function sendsAnother(party: Party, to: "next" | "previous"): void {
  const send = party.send.bind(party);
  let done = false;
  party.send = (peer, operation, parts) => {
    if (done || peer !== party[to]) return send(peer, operation, parts);
    done = true;
    const frame = Buffer.concat(parts);
    frame[0] ^= 1;
    send(peer, operation, [frame]);
  };
}

describe("an error that a party slips in", () => {
  const cheats: [string, Cheat][] = [
    [
      // The masks of the next opening are narrower than this: c would show it.
      "into its local product",
      async (party, share) => {
        const local = product(party, share);
        if (party.index === 2) party.kernel.addScalar(local, local, 1n << 80n);
        return reduceDegree(party, local);
      },
    ],
    [
      "into the message of a product",
      async (party, share) => {
        if (party.index === 2) sendsAnother(party, "next");
        return reduceDegree(party, product(party, share));
      },
    ],
    [
      "into the message of a truncation",
      async (party, share) => {
        if (party.index === 2) sendsAnother(party, "previous");
        return truncate(party, { values: share, degree: 1, shift: 4, bitLength: 20 });
      },
    ],
  ];

  it.each(cheats)("%s is found before the next masked opening", async (_, cheat) => {
    const { parties, shares } = await audited();
    const masked = () => parties.map(({ meter }) => meter.openings["masked values"] ?? 0);
    let before: number[] = [];
    const attempt = together(parties, async (party, i) => {
      // The helper of a truncation sends nothing in it: party 2 shall be one of those who open.
      while (party.nextOperation % 3 !== 2) await party.round("nothing", async () => {});
      const values = await cheat(party, shares[i]);
      before = masked();
      await truncate(party, { values, degree: 1, shift: 4, bitLength: 40 });
    });
    await expect(attempt).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
    expect(masked()).toEqual(before);
    for (const party of parties) {
      const late = party.round("late", async (operation) => party.send(party.next, operation, []));
      await expect(late).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
    }
  });
});

describe("a round that was not begun as one that opens", () => {
  it("opens nothing", async () => {
    const parties = await threeParties(61);
    const attempt = together(parties, (party) =>
      party.round("multiply", async () => party.countOpening("weights", 1)),
    );
    await expect(attempt).rejects.toMatchObject({ code: "INTERNAL" });
    for (const { meter } of parties) expect(meter.openings).toEqual({});
  });
});
