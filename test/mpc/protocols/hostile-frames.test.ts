/**
 * A party that sends in a round what is no message of it: every party ends the attempt with a named error, in
 * time, and nothing is computed from the bytes.
 */
import { describe, expect, it } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { Party } from "../../../mpc/party.ts";
import { and, openBits, randomBits } from "../../../mpc/protocols/bits.ts";
import { compare, gateOpened, openForComparison } from "../../../mpc/protocols/compare.ts";
import { convert } from "../../../mpc/protocols/convert.ts";
import { checkRange } from "../../../mpc/protocols/input-check.ts";
import { reduceDegree } from "../../../mpc/protocols/multiply.ts";
import { open } from "../../../mpc/protocols/open.ts";
import { truncate } from "../../../mpc/protocols/truncate.ts";
import type { MemoryFrame } from "../../../mpc/transport/memory.ts";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";
import { createReferenceKernel, type FieldArray } from "../../../mpc/vector/index.ts";
import { deal, threeParties } from "../three-parties.ts";

const request = { thresholds: [0n], bitLength: 12, coarseBits: 0 };
const zeros = (bytes: number): Uint8Array => new Uint8Array(bytes);

const protocols: [name: string, (party: Party, x: FieldArray) => Promise<unknown>][] = [
  ["open", (p, x) => open(p, x, "test")],
  ["multiply", (p, x) => reduceDegree(p, x)],
  ["truncate", (p, x) => truncate(p, { values: x, degree: 1, shift: 4, bitLength: 12 })],
  ["multiply and truncate", (p, x) => truncate(p, { values: x, degree: 2, shift: 4, bitLength: 12 })],
  ["convert", (p, x) => convert(p, p.inField(createReferenceKernel(89)), { values: x, bitLength: 12 })],
  ["compare", (p, x) => compare(p, x, request)],
  [
    "gate",
    async (p, x) => {
      const { opening, offset } = await openForComparison(p, x, request);
      return gateOpened(p, opening, offset, request, x);
    },
  ],
  ["check range", (p, x) => checkRange(p, x, -4096n, 4095n, zeros)],
  [
    "and, and open bits",
    async (p) => {
      const bits = randomBits(p, "bit-random", p.nextOperation, 2);
      return openBits(p, await and(p, bits, bits), "bits", 64);
    },
  ],
];

/** Shorter than any message of a protocol here. */
const endMark = new Uint8Array(1);

type Attack = (frame: MemoryFrame) => MemoryFrame[];

const attacks: [name: string, Attack][] = [
  ["a frame that is too short", ({ operation, bytes }) => [{ operation, bytes: bytes.subarray(1) }]],
  ["an empty frame", ({ operation }) => [{ operation, bytes: new Uint8Array() }]],
  [
    "a frame that is too long",
    ({ operation, bytes }) => [{ operation, bytes: Buffer.concat([bytes, Buffer.alloc(4)]) }],
  ],
  ["a frame twice", (frame) => [frame, frame]],
  ["the next round's frame", ({ operation, bytes }) => [{ operation: operation + 1, bytes }]],
  ["an earlier round's frame", ({ operation, bytes }) => [{ operation: operation - 1, bytes }]],
  ["nothing", () => []],
];

/** Every frame of the protocol, by sender, receiver and round. */
async function framesOf(
  protocol: (party: Party, x: FieldArray) => Promise<unknown>,
  attack?: { target: string; change: Attack },
) {
  const frames: { key: string; bytes: Uint8Array }[] = [];
  const parties = await threeParties(61, {
    kernel: createReferenceKernel,
    idleTimeoutMs: attack === undefined ? 10_000 : 150,
    tap: (from, to, operation, bytes) => {
      const key = `${from}>${to} @${operation}`;
      frames.push({ key, bytes });
      return key === attack?.target ? attack.change({ operation, bytes }) : undefined;
    },
  });
  const shares = deal(parties, [5n, -7n, 0n]);
  const endings = await Promise.allSettled(
    parties.map(async (party, i) => {
      await protocol(party, shares[i]);
      // Who has got everything meets the others again: a second frame shows there, and that somebody has gone.
      for (let round = 0; round < 3; round++) {
        await party.round("end", async (operation) => {
          for (const peer of [party.next, party.previous]) party.send(peer, operation, [endMark]);
          for (const peer of [party.next, party.previous]) await party.receive(peer, operation, 1);
        });
      }
    }),
  );
  return { frames, endings };
}

const codeOf = (ending: PromiseSettledResult<unknown>): string =>
  ending.status === "fulfilled"
    ? "finished"
    : ending.reason instanceof SymbolonError
      ? ending.reason.code
      : String(ending.reason);

describe.each(protocols)("a party that, in a round of %s, sends", (name, protocol) => {
  it.each(attacks)("%s ends the attempt by name on every party", async (attack, change) => {
    const { frames } = await framesOf(protocol);
    const targets = frames.filter(({ bytes }) => bytes.length > endMark.length);
    // Of each sender to each receiver the last frame.
    const byLink = new Map(targets.map(({ key }) => [key.slice(0, 3), key]));
    expect(byLink.size).toBeGreaterThan(1);
    await Promise.all(
      Array.from(byLink.values(), async (target) => {
        const { endings } = await framesOf(protocol, { target, change });
        const expected = attack === "nothing" ? ["PEER_TIMEOUT", "PEER_MISBEHAVED"] : ["PEER_MISBEHAVED"];
        for (const ending of endings) expect(expected, `${attack}: ${target}`).toContain(codeOf(ending));
      }),
    );
  });

  // A frame of bits has no wrong values.
  it.skipIf(/bits|range/.test(name))("numbers outside the field ends it by name on every party", async () => {
    const { frames } = await framesOf(protocol);
    const full = frames.filter(({ bytes }) => bytes.length > endMark.length);
    const byLink = new Map(full.map(({ key }) => [key.slice(0, 3), key]));
    for (const target of byLink.values()) {
      const change: Attack = ({ operation, bytes }) => [{ operation, bytes: bytes.fill(0xff) }];
      const { endings } = await framesOf(protocol, { target, change });
      for (const ending of endings) expect(codeOf(ending), target).toBe("PEER_MISBEHAVED");
    }
  });
});

describe("a party that stops in the middle of a round", () => {
  it.each(partyIndices)(
    "is named by the others within the deadline (party %i)",
    async (silent: PartyIndex) => {
      const parties = await threeParties(61, { kernel: createReferenceKernel, idleTimeoutMs: 100 });
      const shares = deal(parties, [5n]);
      const others = parties.filter(({ index }) => index !== silent);
      const endings = await Promise.allSettled(
        others.map((party) => open(party, shares[party.index - 1], "test")),
      );
      expect(endings.map(codeOf)).toEqual(["PEER_TIMEOUT", "PEER_TIMEOUT"]);
      // When it wakes up, it has been told.
      await new Promise((resolve) => setImmediate(resolve));
      const late = open(parties[silent - 1], shares[silent - 1], "test");
      await expect(late).rejects.toMatchObject({ code: "PEER_TIMEOUT" });
    },
  );
});
