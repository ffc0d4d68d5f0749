import { id, Signature, Wallet } from "ethers";
import { describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import {
  inputChain,
  recoverRoundAttestation,
  recoverRoundFailure,
  recoverUpdateCommitment,
  roundAttestationDigest,
  signRoundAttestation,
  signRoundFailure,
  signUpdateCommitment,
} from "../../contracts/training-eip712.ts";
import { trainingEventDecoders } from "../../contracts/training-events.ts";

const wallet = new Wallet(id("somebody"));
const here = { chainId: 31337, gradientRounds: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0" };
const elsewhere = [
  { ...here, chainId: 1 },
  { ...here, gradientRounds: "0x5FbDB2315678afecb367f032d93F642f64180aa3" },
];
const attestation = {
  training: 7n,
  round: 2n,
  inputRoot: id("inputs"),
  resultRoot: id("result"),
  payoutRoot: id("payouts"),
  acceptedCount: 4n,
};
const failure = { training: 7n, round: 2n, reason: "PEER_LOST" };
const commitment = { training: 7n, round: 2n, root: id("update") };

/** One field after another changed. */
function altered<Message extends object>(message: Message): Message[] {
  return Object.entries(message).map(([field, value]) => ({
    ...message,
    [field]: typeof value === "bigint" ? value + 1n : field === "reason" ? "OTHER" : id("altered"),
  }));
}

describe("a signature", () => {
  test("recovers to who made it, and covers every field", async () => {
    const attested = await signRoundAttestation(wallet, here, attestation);
    expect(recoverRoundAttestation(here, attestation, attested)).toBe(wallet.address);
    for (const other of altered(attestation)) {
      expect(recoverRoundAttestation(here, other, attested)).not.toBe(wallet.address);
    }
    const failed = await signRoundFailure(wallet, here, failure);
    expect(recoverRoundFailure(here, failure, failed)).toBe(wallet.address);
    for (const other of altered(failure)) {
      expect(recoverRoundFailure(here, other, failed)).not.toBe(wallet.address);
    }
    const committed = await signUpdateCommitment(wallet, here, commitment);
    expect(recoverUpdateCommitment(here, commitment, committed)).toBe(wallet.address);
    for (const other of altered(commitment)) {
      expect(recoverUpdateCommitment(here, other, committed)).not.toBe(wallet.address);
    }
  });

  test("holds for no other chain and no other contract", async () => {
    const signature = await signRoundAttestation(wallet, here, attestation);
    for (const other of elsewhere) {
      expect(recoverRoundAttestation(other, attestation, signature)).not.toBe(wallet.address);
      expect(roundAttestationDigest(other, attestation)).not.toBe(roundAttestationDigest(here, attestation));
    }
  });

  test("is refused in its malleable other form and when malformed", async () => {
    const signature = Signature.from(await signRoundAttestation(wallet, here, attestation));
    const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
    const s = (order - BigInt(signature.s)).toString(16).padStart(64, "0");
    const other = `${signature.r}${s}${signature.v === 27 ? "1c" : "1b"}`;
    for (const bad of [other, "0x1234", `0x${"00".repeat(65)}`, `0x${"ff".repeat(65)}`]) {
      expect(() => recoverRoundAttestation(here, attestation, bad)).toThrow(
        expect.objectContaining({ code: "NOT_AUTHORISED" }),
      );
    }
  });
});

test("the chain of commitments tells order and number apart", () => {
  const [a, b] = [id("a"), id("b")];
  const chains = [[], [a], [b], [a, b], [b, a], [a, a]].map((roots) => inputChain(id("terms"), roots));
  expect(new Set(chains).size).toBe(chains.length);
  for (const chain of chains) expect(chain).toMatch(/^0x[0-9a-f]{40}0{24}$/);
});

test("every event of the contract has a decoder, and no other", () => {
  const { abi } = artifact("GradientRounds");
  const names = abi.fragments
    .filter((fragment) => fragment.type === "event")
    .map((fragment) => abi.getEvent(fragment.format())!.name)
    .filter((name) => name !== "EIP712DomainChanged");
  expect(Object.keys(trainingEventDecoders).sort()).toEqual(names.sort());
});
