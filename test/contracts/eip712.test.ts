import { Contract, id, Signature, type Signer, Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import { resultRoot } from "../../contracts/commitments.ts";
import {
  attestationDigest,
  compactSignature,
  reasonBytes,
  recoverAttestation,
  recoverCredential,
  recoverFailure,
  recoverJoin,
  recoverProgress,
  recoverUnopened,
  type SigningDomain,
  signAttestation,
  signCredential,
  signFailure,
  signingDomain,
  signJoin,
  signProgress,
  signUnopened,
} from "../../contracts/eip712.ts";
import type { ThreeSignatures } from "../../contracts/market-inputs.ts";
import type { Credential } from "../../contracts/market-views.ts";
import { payoutTree } from "../../contracts/payouts.ts";
import { membersOnly, openRules, openTerms } from "../../contracts/use-terms.ts";
import { algorithm, type MarketFixture, priceWei, startMarket } from "./market-fixture.ts";
import { someParts } from "./some-parts.ts";

const wallet = new Wallet(id("somebody"));
const here = { chainId: 31337, jobEscrow: "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0" };
const elsewhere = [
  { ...here, chainId: 1 },
  { ...here, jobEscrow: "0x5FbDB2315678afecb367f032d93F642f64180aa3" },
];
const job = id("job");
const join = { job };
const attestation = { job, resultRoot: id("result"), payoutRoot: id("payouts"), budgetSpent: 0n };
const failure = { job, reason: "PEER_LOST" };
const progress = { job, phase: "training", done: 3n, total: 10n };
const credential = { buyer: wallet.address, expirySec: 2_000_000_000 };

interface Kind<Message> {
  message: Message;
  sign: (signer: Signer, domain: SigningDomain, message: Message) => Promise<string>;
  recover: (domain: SigningDomain, message: Message, signature: string) => string;
}
/** Lets messages of different types stand in one list. */
function kind<Message extends object>({ message, sign, recover }: Kind<Message>) {
  return {
    fields: Object.keys(message) as (keyof Message & string)[],
    sign: () => sign(wallet, here, message),
    recover: (signature: string, domain: SigningDomain = here) => recover(domain, message, signature),
    /** Who would have signed the message with another value in one field. */
    recoverAltered: (signature: string, field: string) =>
      recover(here, { ...message, [field]: other(message[field as keyof Message]) }, signature),
  };
}
const kinds = {
  Join: kind({ message: join, sign: signJoin, recover: recoverJoin }),
  Attestation: kind({ message: attestation, sign: signAttestation, recover: recoverAttestation }),
  Failure: kind({ message: failure, sign: signFailure, recover: recoverFailure }),
  Unopened: kind({ message: join, sign: signUnopened, recover: recoverUnopened }),
  Credential: kind({ message: credential, sign: signCredential, recover: recoverCredential }),
  Progress: kind({ message: progress, sign: signProgress, recover: recoverProgress }),
};

function other(value: unknown): unknown {
  if (typeof value === "bigint") return value + 1n;
  if (typeof value === "number") return value + 1;
  if (value === wallet.address) return here.jobEscrow;
  return String(value).startsWith("0x") ? id("altered") : "ALTERED";
}

describe("a signature", () => {
  test.each(Object.entries(kinds))("of %s recovers to who made it", async (_, { sign, recover }) => {
    expect(recover(await sign())).toBe(wallet.address);
  });

  test.each(Object.entries(kinds))("of %s holds for no other chain or contract", async (_, each) => {
    const signature = await each.sign();
    for (const domain of elsewhere) expect(each.recover(signature, domain)).not.toBe(wallet.address);
  });

  test.each(Object.entries(kinds))("of %s covers every field", async (_, each) => {
    const signature = await each.sign();
    for (const field of each.fields) {
      expect(each.recoverAltered(signature, field), field).not.toBe(wallet.address);
    }
  });

  test("of one kind is none of another, though the fields are the same", async () => {
    expect(recoverUnopened(here, join, await signJoin(wallet, here, join))).not.toBe(wallet.address);
  });

  test("of an attestation is over a digest that is another elsewhere", () => {
    for (const domain of elsewhere) {
      expect(attestationDigest(domain, attestation)).not.toBe(attestationDigest(here, attestation));
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

  const escrow = () => new Contract(market.deployment.jobEscrow, artifact("JobEscrow").abi, market.provider);
  /** The same three signers in the domain of another chain, and of another contract of this one. */
  const strangeDomains = () => [
    { ...market.deployment, chainId: 1 },
    { ...market.deployment, jobEscrow: market.deployment.disputes },
  ];
  const notAuthorised = { code: "NOT_AUTHORISED" };

  test("the domain is the one that the contract names", async () => {
    const [, name, version, chainId, verifyingContract] = await escrow().getFunction("eip712Domain")();
    expect({ name, version, chainId: Number(chainId), verifyingContract }).toEqual(
      signingDomain(market.deployment),
    );
  });

  test("the digest of an attestation is the contract's", async () => {
    const there = await escrow().getFunction("attestationDigest")(attestation);
    expect(attestationDigest(market.deployment, attestation)).toBe(there);
  });

  test("join, attestation and failure are taken as signed here, and from nowhere else", async () => {
    const { of, stranger, deployment, signAll, signers } = market;
    const { offer } = await market.publish("signed");
    const attested = (await market.fund([offer])).job;
    const failed = (await market.fund([offer])).job;
    const anyone = of(stranger);
    const joined = (domain: SigningDomain) =>
      signAll((signer) => signJoin(signer, domain, { job: attested }));
    const { root } = payoutTree([{ account: stranger.address, amountWei: 1n }]);
    const outcome = { job: attested, payoutRoot: root, budgetSpent: 7n };
    const message = { ...outcome, resultRoot: resultRoot(someParts) };
    const result = (domain: SigningDomain) => signAll((signer) => signAttestation(signer, domain, message));
    const fail = async (domain: SigningDomain) => {
      const notice = async (point: 1 | 2 | 3) => ({
        ...{ point, reason: "PEER_LOST" },
        signature: await signFailure(signers[point - 1]!, domain, { job: failed, reason: "PEER_LOST" }),
      });
      return anyone.fail(failed, [await notice(2), await notice(3)]);
    };

    for (const domain of strangeDomains()) {
      await expect(anyone.join(attested, await joined(domain))).rejects.toMatchObject(notAuthorised);
      await expect(fail(domain)).rejects.toMatchObject(notAuthorised);
    }
    await anyone.join(attested, await joined(deployment));
    await fail(deployment);
    for (const domain of strangeDomains()) {
      await expect(
        anyone.attest({ ...outcome, parts: someParts }, await result(domain)),
      ).rejects.toMatchObject(notAuthorised);
    }
    await anyone.attest({ ...outcome, parts: someParts }, await result(deployment));
    expect((await anyone.job(attested)).attestation).toMatchObject({ budgetSpent: 7n });
  });

  test("the word that nothing was opened is taken as signed here, by all three, and from nowhere else", async () => {
    const { of, stranger, deployment, signAll, signers } = market;
    const { offer } = await market.publish("unopened", { budgetMicroRho: 1000n });
    const { job: ended } = await market.fund([offer], 600, { microRho: 400n });
    await market.join(ended);
    await market.fail(ended, "PEER_LOST");
    const signed = (domain: SigningDomain, sign = signUnopened) =>
      signAll((signer) => sign(signer, domain, { job: ended }));
    const [one, two] = await signed(deployment);
    const refused: ThreeSignatures[] = [
      ...(await Promise.all(strangeDomains().map((domain) => signed(domain)))),
      // That they joined is not that they opened nothing.
      await signed(deployment, signJoin),
      [one, two, await signUnopened(signers[0], deployment, { job: ended })],
    ];
    for (const signatures of refused) {
      await expect(of(stranger).returnUnopened(ended, signatures)).rejects.toMatchObject(notAuthorised);
    }
    await of(stranger).returnUnopened(ended, await signed(deployment));
    expect((await of(stranger).offer(offer)).budgetLeftMicroRho).toBe(1000n);
  });

  test("a credential lets in whom it names, until it expires, and from nowhere else", async () => {
    const { of, buyer, stranger, deployment, set } = market;
    const issuer = wallet;
    const terms = {
      ...openTerms(priceWei),
      rules: { ...openRules, issuer: issuer.address, buyers: membersOnly },
    };
    const { offer } = await market.publish("vouched", { terms });
    const expirySec = (await market.nowSec()) + 1000;
    const refusals = async (shown: Credential) => {
      const request = { operatorSet: set.id, algorithm, offers: [offer], buyer: buyer.address };
      const failures = await of(stranger).explain({ ...request, credentials: new Map([[offer, shown]]) });
      return failures.map(({ term }) => term);
    };
    const sign = (domain: SigningDomain, changes: object = {}, signer: Signer = issuer) =>
      signCredential(signer, domain, { buyer: buyer.address, expirySec, ...changes });

    for (const domain of strangeDomains()) {
      expect(await refusals({ expirySec, signature: await sign(domain) })).toEqual(["Buyer"]);
    }
    const another = await sign(deployment, { buyer: stranger.address });
    expect(await refusals({ expirySec, signature: another })).toEqual(["Buyer"]);
    expect(await refusals({ expirySec, signature: await sign(deployment, {}, buyer) })).toEqual(["Buyer"]);
    const good = await sign(deployment);
    expect(await refusals({ expirySec: expirySec + 1, signature: good })).toEqual(["Buyer"]);
    expect(await refusals({ expirySec, signature: good })).toEqual([]);
    await market.pass(1001);
    expect(await refusals({ expirySec, signature: good })).toEqual(["Buyer"]);
  });
});
