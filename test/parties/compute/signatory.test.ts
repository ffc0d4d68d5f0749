import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id, Wallet } from "ethers";
import pino from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type {
  AttestationPost,
  BridgeClient,
  FailurePost,
  JobView,
  JoinPost,
} from "../../../bridge/client.ts";
import {
  type AttestationMessage,
  recoverAttestation,
  recoverFailure,
  recoverJoin,
  signAttestation,
} from "../../../contracts/eip712.ts";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import { type ErrorCode, SymbolonError } from "../../../mpc/errors.ts";
import { ForgottenWord, Journal } from "../../../parties/compute/journal.ts";
import { Signatory } from "../../../parties/compute/signatory.ts";
import { createKeys } from "../../../parties/keys.ts";
import type { ResultParts } from "../../../parties/result.ts";

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
const parts: ResultParts = {
  roots: [hash("1"), hash("2"), hash("3")],
  ciphertextHashes: [hash("4"), hash("5"), hash("6")],
  fieldBits: 61,
  total: 70,
};

let folder: string;
let journal: Journal;
let signatory: Signatory;
/** What the bridge got; and with which code it answers, if with any. */
let posted: [string, object][];
let answer: ErrorCode | undefined;
/** What was posted and could be forgotten in a crash. */
let unwritten: string[];
/** What chain and bridge show about each job, and how often they do not answer before. */
let onChain: AttestationMessage | null;
let atBridge: Partial<JobView["attestations"][number]>[];
let silences: ErrorCode[];
const { signal } = new AbortController();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "symbolon-signatory-"));
  posted = [];
  answer = undefined;
  [onChain, atBridge, silences, unwritten] = [null, [], [], []];
  start();
});
afterEach(async () => {
  await signatory.close(100);
  journal.close();
  rmSync(folder, { recursive: true });
  expect(unwritten).toEqual([]);
});

function start(): void {
  journal = new Journal(folder, deployment, keys.owner.address);
  const post = (what: "join" | "attestation" | "failure") => async (name: string, body: object) => {
    posted.push([what, body]);
    if (JSON.stringify(journal.word(name, what)?.post) !== JSON.stringify(body)) unwritten.push(what);
    if (answer !== undefined) throw new SymbolonError(answer, "no");
  };
  const bridge = {
    postJoin: post("join"),
    postAttestation: post("attestation"),
    postFailure: post("failure"),
    job: async () => ({ attestations: atBridge }),
  } as unknown as BridgeClient;
  const market = {
    deployment,
    job: async () => {
      const silence = silences.shift();
      if (silence !== undefined) throw new SymbolonError(silence, "no answer");
      return { attestation: onChain };
    },
  } as unknown as MarketReader;
  signatory = new Signatory({ keys, market, journal, bridge, logger: pino({ level: "silent" }) });
}

async function restart(): Promise<void> {
  await signatory.close(100);
  journal.close();
  start();
}

describe("what an operator says", () => {
  test("is signed by its signing account", async () => {
    await signatory.join(job);
    await signatory.attest(2, attestation, parts, signal);
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
      parts,
      attestation: { job, budgetSpent: "0" },
    });
    expect(recoverFailure(deployment, { job: other, reason: "PEER_LOST" }, failed.signature)).toBe(signer);
  });

  test("never contradicts what it said, not even after a restart", async () => {
    await signatory.attest(2, attestation, parts, signal);
    await restart();
    const contrary = { ...attestation, resultRoot: hash("9") };
    await expect(signatory.attest(2, contrary, parts, signal)).rejects.toMatchObject({
      code: "STATE_INVALID",
    });
    await expect(signatory.fail(job, 2, "PEER_LOST")).rejects.toMatchObject({ code: "STATE_INVALID" });
    expect(posted.length).toBe(1);
  });

  test("is not sent when it could not be written down, and is forgotten: nobody has seen it", async () => {
    vi.spyOn(journal, "record").mockImplementationOnce(() => {
      throw new Error("the disk is full");
    });
    await expect(signatory.attest(2, attestation, parts, signal)).rejects.toThrow("the disk is full");
    await restart();
    signatory.flush();
    expect(posted).toEqual([]);
    await signatory.attest(2, { ...attestation, resultRoot: hash("9") }, parts, signal);
    expect(posted.length).toBe(1);
  });

  test("reaches a bridge that was away, also after a restart", async () => {
    answer = "BRIDGE_UNREACHABLE";
    await signatory.attest(2, attestation, parts, signal);
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

/** Its journal is an old copy, or another process has the same keys. */
describe("a node that does not know what its key has signed", () => {
  const wallet = new Wallet(keys.signer.privateKey.hex());

  /** What the bridge has of point 2. */
  async function shown(message: AttestationMessage, by = wallet) {
    const signature = await signAttestation(by, deployment, message);
    return {
      point: 2 as const,
      attestation: { ...message, budgetSpent: `${message.budgetSpent}` },
      signature,
    };
  }

  test.each([attestation, { ...attestation, resultRoot: hash("9") }])(
    "signs no result of a job that the chain has one of: $resultRoot",
    async (first) => {
      onChain = first;
      await expect(signatory.attest(2, attestation, parts, signal)).rejects.toThrow(ForgottenWord);
      expect(posted).toEqual([]);
      expect(journal.word(job, "attestation")).toBeUndefined();
    },
  );

  test("signs no second result while the first one is at the bridge", async () => {
    atBridge = [await shown({ ...attestation, resultRoot: hash("9") })];
    await expect(signatory.attest(2, attestation, parts, signal)).rejects.toThrow(ForgottenWord);
    expect(posted).toEqual([]);
  });

  test("is not kept from signing by what a bridge made up", async () => {
    const { point, attestation: message, signature } = await shown(attestation);
    atBridge = [
      await shown(attestation, new Wallet(`0x${"12".repeat(32)}`)),
      await shown({ ...attestation, job: other }),
      { point, attestation: { ...message, resultRoot: hash("9") }, signature },
      { point, attestation: message, signature: `0x${"11".repeat(65)}` },
    ];
    await signatory.attest(2, attestation, parts, signal);
    expect(posted.length).toBe(1);
  });

  test("waits for chain and bridge before it signs, until it is stopped", async () => {
    silences = ["CHAIN_UNREACHABLE"];
    const stop = new AbortController();
    const signing = signatory.attest(2, attestation, parts, stop.signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(journal.word(job, "attestation")).toBeUndefined();
    await signing;
    expect(posted.length).toBe(1);
    silences = Array(100).fill("CHAIN_UNREACHABLE");
    const second = signatory.attest(2, { ...attestation, job: other }, parts, stop.signal);
    stop.abort();
    await expect(second).rejects.toBeDefined();
    expect(journal.word(other, "attestation")).toBeUndefined();
  });
});
