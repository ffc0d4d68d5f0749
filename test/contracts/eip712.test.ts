import { Contract, id, Signature, Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import {
  attestationDigest,
  compactSignature,
  reasonBytes,
  recoverAttestation,
  recoverFailure,
  recoverJoin,
  recoverProgress,
  signAttestation,
  signFailure,
  signingDomain,
  signJoin,
  signProgress,
} from "../../contracts/eip712.ts";
import { type MarketFixture, startMarket } from "./market-fixture.ts";

const wallet = new Wallet(id("somebody"));
const here = { chainId: 31337, jobEscrow: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0" };
const elsewhere = [
  { ...here, chainId: 1 },
  { ...here, jobEscrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" },
];
const join = { job: 7n, spec: id("spec") };
const attestation = {
  job: 7n,
  algorithm: id("algorithm"),
  inputRoot: id("inputs"),
  resultRoot: id("result"),
  payoutRoot: id("payouts"),
  budgetSpent: 0n,
};
const failure = { job: 7n, reason: "PEER_LOST" };
const progress = { job: 7n, phase: "training", done: 3n, total: 10n };

describe("a signature", () => {
  test("recovers to who made it, for each kind of message", async () => {
    expect(recoverJoin(here, join, await signJoin(wallet, here, join))).toBe(wallet.address);
    expect(recoverAttestation(here, attestation, await signAttestation(wallet, here, attestation))).toBe(
      wallet.address,
    );
    expect(recoverFailure(here, failure, await signFailure(wallet, here, failure))).toBe(wallet.address);
    expect(recoverProgress(here, progress, await signProgress(wallet, here, progress))).toBe(wallet.address);
  });

  test("holds for no other chain and no other contract", async () => {
    const signature = await signAttestation(wallet, here, attestation);
    for (const other of elsewhere) {
      expect(recoverAttestation(other, attestation, signature)).not.toBe(wallet.address);
      expect(attestationDigest(other, attestation)).not.toBe(attestationDigest(here, attestation));
    }
  });

  test("covers every field of an attestation", async () => {
    const signature = await signAttestation(wallet, here, attestation);
    for (const field of Object.keys(attestation) as (keyof typeof attestation)[]) {
      const value = attestation[field];
      const altered = { ...attestation, [field]: typeof value === "bigint" ? value + 1n : id("altered") };
      expect(recoverAttestation(here, altered, signature)).not.toBe(wallet.address);
    }
  });

  test("is refused in its malleable other form, as the contract refuses it", async () => {
    const signature = Signature.from(await signJoin(wallet, here, join));
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = (order - BigInt(signature.s)).toString(16).padStart(64, "0");
    const other = `${signature.r}${s}${signature.v === 27 ? "1c" : "1b"}`;
    expect(() => recoverJoin(here, join, other)).toThrow(expect.objectContaining({ code: "NOT_AUTHORISED" }));
    expect(() => compactSignature(other)).toThrow(expect.objectContaining({ code: "NOT_AUTHORISED" }));
  });

  test.each(["", "0x", "0x1234", `0x${"00".repeat(65)}`, `0x${"ff".repeat(65)}`, "not hex"])(
    "%j is malformed",
    (malformed) => {
      expect(() => recoverJoin(here, join, malformed)).toThrow(
        expect.objectContaining({ code: "NOT_AUTHORISED" }),
      );
    },
  );

  test("goes to the contract in two words that are the same signature", async () => {
    const signature = await signJoin(wallet, here, join);
    const [r, vs] = compactSignature(signature);
    expect(Signature.from(r + vs.slice(2)).serialized).toBe(signature);
  });
});

describe("a reason", () => {
  test("of 31 bytes fits, of 32 does not", () => {
    expect(reasonBytes("A".repeat(31))).toBe(`0x${"41".repeat(31)}00`);
    expect(() => reasonBytes("A".repeat(32))).toThrow(expect.objectContaining({ code: "PARAMETER_INVALID" }));
  });
});

describe("against the contract", () => {
  let market: MarketFixture;
  beforeAll(async () => {
    market = await startMarket();
  }, 60_000);
  afterAll(() => market.close());

  test("the domain is the one that the contract names", async () => {
    const escrow = new Contract(market.deployment.jobEscrow, artifact("JobEscrow").abi, market.provider);
    const [, name, version, chainId, verifyingContract] = await escrow.getFunction("eip712Domain")();
    expect({ name, version, chainId: Number(chainId), verifyingContract }).toEqual(
      signingDomain(market.deployment),
    );
  });
});
