import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AttestationPost, BridgeClient, FailurePost, JoinPost } from "../../../bridge/client.ts";
import { recoverAttestation, recoverFailure, recoverJoin } from "../../../contracts/eip712.ts";
import { type ErrorCode, SymbolonError } from "../../../mpc/errors.ts";
import { Journal } from "../../../parties/compute/journal.ts";
import { Signatory } from "../../../parties/compute/signatory.ts";
import { createKeys } from "../../../parties/keys.ts";

const address = (digit: string) => `0x${digit.repeat(40)}`;
const hash = (digit: string) => `0x${digit.repeat(64)}`;
const deployment = {
  chainId: 31337,
  operatorRegistry: address("1"),
  jobEscrow: address("3"),
  gradientRounds: address("4"),
  reviewExchange: address("5"),
  disputes: address("4"),
  blockNumber: 1,
};
const keys = createKeys("operator");
const job = id("job 7");
const other = id("job 8");
const attestation = {
  job,
  resultRoot: hash("c"),
  payoutRoot: hash("d"),
  budgetSpent: 0n,
};
const own = { root: hash("e"), ciphertextHash: hash("f") };

let folder: string;
let journal: Journal;
let signatory: Signatory;
/** What the bridge got; and with which code it answers, if with any. */
let posted: [string, object][];
let answer: ErrorCode | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "symbolon-signatory-"));
  posted = [];
  answer = undefined;
  start();
});
afterEach(async () => {
  await signatory.close(100);
  journal.close();
  rmSync(folder, { recursive: true });
});

function start(): void {
  journal = new Journal(folder, deployment, keys.owner.address);
  const post = (what: "join" | "attestation" | "failure") => async (name: string, body: object) => {
    // Written ahead: nobody sees a word that a crash could make this node forget.
    expect(journal.word(name, what)?.post).toEqual(body);
    posted.push([what, body]);
    if (answer !== undefined) throw new SymbolonError(answer, "no");
  };
  const bridge = {
    postJoin: post("join"),
    postAttestation: post("attestation"),
    postFailure: post("failure"),
  } as unknown as BridgeClient;
  signatory = new Signatory({ keys, deployment, journal, bridge, logger: pino({ level: "silent" }) });
}

async function restart(): Promise<void> {
  await signatory.close(100);
  journal.close();
  start();
}

describe("what an operator says", () => {
  test("is signed by its signing account", async () => {
    await signatory.join(job);
    await signatory.attest(2, attestation, own);
    await signatory.fail(other, 2, "PEER_LOST");
    const [join, attested, failed] = posted.map(([, body]) => body) as [
      JoinPost,
      AttestationPost,
      FailurePost,
    ];
    const signer = keys.signer.address;
    expect(recoverJoin(deployment, { job }, join.signature)).toBe(signer);
    expect(recoverAttestation(deployment, attestation, attested.signature)).toBe(signer);
    expect(attested).toMatchObject({
      operator: keys.owner.address,
      point: 2,
      resultCiphertext: own.ciphertextHash,
      resultShareRoot: own.root,
      attestation: { job, budgetSpent: "0" },
    });
    expect(recoverFailure(deployment, { job: other, reason: "PEER_LOST" }, failed.signature)).toBe(signer);
  });

  test("never contradicts what it said, not even after a restart", async () => {
    await signatory.attest(2, attestation, own);
    await restart();
    const contrary = { ...attestation, resultRoot: hash("9") };
    await expect(signatory.attest(2, contrary, own)).rejects.toMatchObject({ code: "STATE_INVALID" });
    await expect(signatory.fail(job, 2, "PEER_LOST")).rejects.toMatchObject({ code: "STATE_INVALID" });
    expect(posted.length).toBe(1);
  });

  test("reaches a bridge that was away, also after a restart", async () => {
    answer = "BRIDGE_UNREACHABLE";
    await signatory.attest(2, attestation, own);
    await expect.poll(() => posted.length).toBe(1);
    await restart();
    signatory.flush();
    await expect.poll(() => posted.length).toBe(2);
    answer = undefined;
    await new Promise((resolve) => setImmediate(resolve));
    signatory.flush();
    await expect.poll(() => posted.length).toBe(3);
    expect(new Set(posted.map(([, body]) => JSON.stringify(body))).size).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    signatory.flush();
    expect(posted.length).toBe(3);
  });

  test("is not repeated to a bridge that refuses it, or when the job is over", async () => {
    answer = "STATE_INVALID";
    await signatory.join(job);
    await new Promise((resolve) => setImmediate(resolve));
    answer = "BRIDGE_UNREACHABLE";
    await signatory.join(other);
    await new Promise((resolve) => setImmediate(resolve));
    journal.end(other);
    signatory.flush();
    await new Promise((resolve) => setImmediate(resolve));
    expect(posted.map(([what]) => what)).toEqual(["join", "join"]);
  });
});
