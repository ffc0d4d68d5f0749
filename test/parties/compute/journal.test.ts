import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Journal } from "../../../parties/compute/journal.ts";

const address = (digit: string) => `0x${digit.repeat(40)}`;
const deployment = {
  chainId: 31337,
  operatorRegistry: address("1"),
  jobEscrow: address("3"),
  gradientRounds: address("4"),
  reviewExchange: address("5"),
  disputes: address("4"),
  blockNumber: 1,
};
const operator = address("a");
const [one, two, three] = [id("job 1"), id("job 2"), id("job 3")];
const refused = expect.objectContaining({ code: "STATE_INVALID" });

let folder: string;
let journal: Journal;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "symbolon-journal-"));
  journal = new Journal(folder, deployment, operator);
});
afterEach(() => {
  journal.close();
  rmSync(folder, { recursive: true });
});

function restart(): void {
  journal.close();
  journal = new Journal(folder, deployment, operator);
}

const attestation = (digest: string) => ({ kind: "attestation" as const, digest, post: { digest } });
const failure = (digest: string) => ({ kind: "failure" as const, digest, post: { digest } });
const joining = { kind: "join" as const, digest: "spec", post: { of: "join" } };

describe("the journal", () => {
  test("takes one attestation digest a job, ever", () => {
    journal.record(one, attestation("first"));
    expect(() => journal.record(one, attestation("second"))).toThrow(refused);
    restart();
    expect(() => journal.record(one, attestation("second"))).toThrow(refused);
    journal.end(one);
    expect(() => journal.record(one, attestation("second"))).toThrow(refused);
    expect(journal.word(one, "attestation")?.digest).toBe("first");
    journal.record(two, attestation("second"));
  });

  test("takes no word of a job that was disowned, ever", () => {
    journal.record(one, joining);
    journal.disown(one);
    restart();
    expect([journal.disowned(one), journal.disowned(two)]).toEqual([true, false]);
    for (const word of [attestation("first"), failure("INTERNAL")]) {
      expect(() => journal.record(one, word)).toThrow(refused);
    }
    expect(() => journal.record(two, joining)).not.toThrow();
  });

  test("keeps the first post of a word that is given again", () => {
    journal.record(one, attestation("same"));
    journal.record(one, { kind: "attestation", digest: "same", post: { other: true } });
    expect(journal.word(one, "attestation")?.post).toEqual({ digest: "same" });
  });

  test("takes no attestation or join after a failure notice, and no notice after an attestation", () => {
    journal.record(one, failure("PEER_LOST"));
    expect(() => journal.record(one, attestation("a"))).toThrow(refused);
    expect(() => journal.record(one, joining)).toThrow(refused);
    expect(() => journal.record(one, failure("INTERNAL"))).toThrow(refused);
    journal.record(two, joining);
    journal.record(two, attestation("a"));
    expect(() => journal.record(two, failure("PEER_LOST"))).toThrow(refused);
    journal.record(three, joining);
    journal.record(three, failure("PEER_LOST"));
  });

  test("knows after a restart what the bridge does not have yet", () => {
    journal.record(one, joining);
    journal.record(one, attestation("a"));
    journal.record(two, joining);
    journal.record(three, joining);
    journal.delivered(one, "join");
    journal.end(two);
    restart();
    expect(journal.undelivered().map(({ jobId, kind }) => [jobId, kind])).toEqual([
      [one, "attestation"],
      [three, "join"],
    ]);
    expect(journal.undelivered()[0]).toMatchObject({ digest: "a", post: { digest: "a" }, delivered: false });
  });

  test("knows after a restart which answers were sent, and where the last one stands", () => {
    expect(journal.lastPlace()).toBeUndefined();
    const place = (nonce: number, maxFeePerGas: bigint) => ({
      nonce,
      maxFeePerGas,
      maxPriorityFeePerGas: 1n,
    });
    journal.answer("first", place(7, 10n));
    journal.answer("second", place(8, 10n));
    // In the place of the second, and beyond what a number holds.
    journal.answer("first", place(8, 2n ** 70n));
    restart();
    expect(journal.lastPlace()).toEqual(place(8, 2n ** 70n));
    expect(["first", "second", "third"].map((name) => journal.answered(name))).toEqual([true, true, false]);
  });

  test("begins an attempt once", () => {
    expect([journal.begin(one, 1), journal.begin(one, 1), journal.begin(one, 2)]).toEqual([
      true,
      false,
      true,
    ]);
    restart();
    expect([journal.begin(one, 1), journal.begin(two, 1)]).toEqual([false, true]);
  });

  test("is of one operator in one market, and of one node at a time", () => {
    const wrong = expect.objectContaining({ code: "CONFIG_INVALID" });
    expect(() => new Journal(folder, deployment, operator)).toThrow(wrong);
    journal.close();
    expect(() => new Journal(folder, deployment, address("b"))).toThrow(wrong);
    expect(() => new Journal(folder, { ...deployment, chainId: 1 }, operator)).toThrow(wrong);
    journal = new Journal(folder, deployment, operator.toUpperCase().replace("0X", "0x"));
  });
});
