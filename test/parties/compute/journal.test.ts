import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Journal } from "../../../parties/compute/journal.ts";

const address = (digit: string) => `0x${digit.repeat(40)}`;
const deployment = {
  chainId: 31337,
  operatorRegistry: address("1"),
  jobEscrow: address("3"),
  gradientRounds: address("4"),
  reviewExchange: address("5"),
  blockNumber: 1,
};
const operator = address("a");
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
    journal.record(1n, attestation("first"));
    expect(() => journal.record(1n, attestation("second"))).toThrow(refused);
    restart();
    expect(() => journal.record(1n, attestation("second"))).toThrow(refused);
    journal.end(1n);
    expect(() => journal.record(1n, attestation("second"))).toThrow(refused);
    expect(journal.word(1n, "attestation")?.digest).toBe("first");
    journal.record(2n, attestation("second"));
  });

  test("keeps the first post of a word that is given again", () => {
    journal.record(1n, attestation("same"));
    journal.record(1n, { kind: "attestation", digest: "same", post: { other: true } });
    expect(journal.word(1n, "attestation")?.post).toEqual({ digest: "same" });
  });

  test("takes no attestation or join after a failure notice, and no notice after an attestation", () => {
    journal.record(1n, failure("PEER_LOST"));
    expect(() => journal.record(1n, attestation("a"))).toThrow(refused);
    expect(() => journal.record(1n, joining)).toThrow(refused);
    expect(() => journal.record(1n, failure("INTERNAL"))).toThrow(refused);
    journal.record(2n, joining);
    journal.record(2n, attestation("a"));
    expect(() => journal.record(2n, failure("PEER_LOST"))).toThrow(refused);
    journal.record(3n, joining);
    journal.record(3n, failure("PEER_LOST"));
  });

  test("knows after a restart what the bridge does not have yet", () => {
    journal.record(1n, joining);
    journal.record(1n, attestation("a"));
    journal.record(2n, joining);
    journal.record(3n, joining);
    journal.delivered(1n, "join");
    journal.end(2n);
    restart();
    expect(journal.undelivered().map(({ jobId, kind }) => [jobId, kind])).toEqual([
      [1n, "attestation"],
      [3n, "join"],
    ]);
    expect(journal.undelivered()[0]).toMatchObject({ digest: "a", post: { digest: "a" }, delivered: false });
  });

  test("begins an attempt once", () => {
    expect([journal.begin(1n, 1), journal.begin(1n, 1), journal.begin(1n, 2)]).toEqual([true, false, true]);
    restart();
    expect([journal.begin(1n, 1), journal.begin(2n, 1)]).toEqual([false, true]);
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
