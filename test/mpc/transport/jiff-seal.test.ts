import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type JiffLabel, looksSealed, SealedLink } from "../../../mpc/transport/jiff-seal.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import type { PartyIndex } from "../../../mpc/transport/transport.ts";
import { mersenne127 } from "./jiff-fixture.ts";

interface Change {
  computationId?: string;
  modulus?: bigint;
  pairSecret?: Uint8Array;
}

const statics = { 1: generateX25519(), 2: generateX25519(), 3: generateX25519() };
const ephemerals = { 1: generateX25519(), 2: generateX25519(), 3: generateX25519() };

function link(partyIndex: PartyIndex, peer: PartyIndex, change: Change = {}): SealedLink {
  return new SealedLink({
    computationId: "job:1",
    modulus: mersenne127,
    partyIndex,
    peer,
    staticPrivateKey: statics[partyIndex].privateKey,
    ephemeralPrivateKey: ephemerals[partyIndex].privateKey,
    peerPublicKey: statics[peer].publicKey,
    peerEphemeralKey: ephemerals[peer].publicKey,
    ...change,
  });
}

const text = (value: string) => Buffer.from(value, "utf8");
const refused = expect.objectContaining({ code: "CHANNEL_AUTH" });

describe("sealed links", () => {
  test("both ways, any content, in order", () => {
    const labels = fc.constantFrom<JiffLabel>("share", "open", "custom");
    const message = fc.tuple(fc.boolean(), labels, fc.string(), fc.uint8Array({ maxLength: 200 }));
    fc.assert(
      fc.property(fc.array(message), (messages) => {
        const [one, two] = [link(1, 2), link(2, 1)];
        for (const [forth, label, operation, content] of messages) {
          const [from, to] = forth ? [one, two] : [two, one];
          const sealed = from.seal(label, operation, content);
          expect(looksSealed(sealed)).toBe(true);
          expect(new Uint8Array(to.open(label, operation, sealed))).toEqual(content);
        }
      }),
      { numRuns: 50 },
    );
  });

  test("any change of any character is refused", () => {
    const sealed = link(1, 2).seal("share", "share:1", text("content"));
    for (let at = 0; at < sealed.length; at++) {
      const character = sealed[at] === "x" ? "y" : "x";
      const changed = sealed.slice(0, at) + character + sealed.slice(at + 1);
      // The last character of base64url holds unused bits.
      if (
        Buffer.from(changed.slice(4), "base64url").equals(Buffer.from(sealed.slice(4), "base64url")) &&
        at > 3
      )
        continue;
      expect(() => link(2, 1).open("share", "share:1", changed)).toThrow(refused);
    }
  });

  test.each([
    { what: "another label", open: (l: SealedLink, s: string) => l.open("open", "a", s) },
    { what: "another operation", open: (l: SealedLink, s: string) => l.open("share", "b", s) },
    { what: "not sealed", open: (l: SealedLink) => l.open("share", "a", "12345678901234567890123456") },
    { what: "no text", open: (l: SealedLink) => l.open("share", "a", { cipher: "[1]", nonce: "[2]" }) },
    { what: "nothing", open: (l: SealedLink) => l.open("share", "a", undefined) },
    { what: "too short", open: (l: SealedLink) => l.open("share", "a", "sb1.AAAA") },
  ])("$what is refused", ({ open }) => {
    expect(() => open(link(2, 1), link(1, 2).seal("share", "a", text("x")))).toThrow(refused);
  });

  test("label and operation cannot run into each other", () => {
    const sealed = link(1, 2).seal("share", "ab", text("x"));
    expect(() => link(2, 1).open("share", "a", sealed)).toThrow(refused);
  });

  test("a message twice, out of order, or back to its sender is refused", () => {
    const [one, two] = [link(1, 2), link(2, 1)];
    const [first, second] = ["m", "m"].map((content) => one.seal("share", "a", text(content))) as [
      string,
      string,
    ];
    expect(first).not.toBe(second);
    expect(() => link(2, 1).open("share", "a", second)).toThrow(refused);
    expect(() => link(1, 2).open("share", "a", first)).toThrow(refused);
    two.open("share", "a", first);
    expect(() => two.open("share", "a", first)).toThrow(refused);
  });

  test.each([
    { what: "another computation", change: { computationId: "job:2" } },
    { what: "another modulus", change: { modulus: 2n ** 61n - 1n } },
    { what: "a secret of the attempt on one side only", change: { pairSecret: new Uint8Array(32) } },
  ])("keys of $what do not fit", ({ change }) => {
    expect(() => link(2, 1, change).open("share", "a", link(1, 2).seal("share", "a", text("x")))).toThrow(
      refused,
    );
  });

  test("keys of another pair do not fit, though one party is the same", () => {
    const sealed = link(1, 2).seal("share", "a", text("x"));
    expect(() => link(3, 1).open("share", "a", sealed)).toThrow(refused);
    expect(() => link(2, 3).open("share", "a", sealed)).toThrow(refused);
  });

  test("an erased link seals and opens nothing", () => {
    const erased = link(1, 2);
    const sealed = link(2, 1).seal("share", "a", text("x"));
    erased.erase();
    const over = expect.objectContaining({ code: "RUN_ABORTED" });
    expect(() => erased.seal("share", "a", text("x"))).toThrow(over);
    expect(() => erased.open("share", "a", sealed)).toThrow(over);
  });

  test("wrong keys are refused", () => {
    expect(() => link(1, 2, { pairSecret: new Uint8Array(31) })).toThrow(
      expect.objectContaining({ code: "KEY_INVALID" }),
    );
  });
});
