import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recoverCredential } from "../../contracts/eip712.ts";
import type { Offer } from "../../contracts/market-views.ts";
import { openRules, openTerms } from "../../contracts/use-terms.ts";
import {
  type CredentialFile,
  credentialsFor,
  issueCredential,
  readCredential,
} from "../../parties/credentials.ts";
import { createKeys } from "../../parties/keys.ts";

const address = (digit: string) => `0x${digit.repeat(40)}`;
const deployment = {
  chainId: 31337,
  operatorRegistry: address("1"),
  jobEscrow: address("3"),
  disputes: address("4"),
  gradientRounds: address("5"),
  reviewExchange: address("6"),
  blockNumber: 1,
};
const issuer = createKeys("seller").account;
const other = createKeys("seller").account;
const buyer = createKeys("buyer").account.address;
const farSec = Math.floor(Date.parse("2099-01-01T00:00:00Z") / 1000);

/** An offer whose rules name an issuer; none without. */
const offerOf = (label: string, named?: string): Offer =>
  ({
    offer: id(label),
    terms: { ...openTerms(1n), rules: named === undefined ? null : { ...openRules, issuer: named } },
  }) as Offer;

let folder: string;
let credential: CredentialFile;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-credentials-"));
  credential = await issueCredential(issuer, deployment, buyer, farSec);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("a credential", () => {
  test("is the issuer's signature over buyer and expiry, for one market", () => {
    expect(credential).toMatchObject({ issuer: issuer.address, buyer, expirySec: farSec, chainId: 31337 });
    const message = { buyer, expirySec: farSec };
    expect(recoverCredential(deployment, message, credential.signature)).toBe(issuer.address);
    const elsewhere = { ...deployment, jobEscrow: address("5") };
    expect(recoverCredential(elsewhere, message, credential.signature)).not.toBe(issuer.address);
  });

  test("is shown to the offers that ask for its issuer, and to no others", () => {
    const offers = [
      offerOf("of the issuer", issuer.address),
      offerOf("of another", other.address),
      offerOf("of nobody"),
    ];
    const shown = credentialsFor([credential], offers, deployment, buyer);
    expect([...shown]).toEqual([
      [id("of the issuer"), { expirySec: farSec, signature: credential.signature }],
    ]);
    expect(credentialsFor([], offers, deployment, buyer).size).toBe(0);
  });

  test("of several issuers go each to their offers", async () => {
    const second = await issueCredential(other, deployment, buyer, farSec - 1);
    const offers = [offerOf("one", issuer.address), offerOf("two", other.address)];
    const shown = credentialsFor([second, credential], offers, deployment, buyer);
    expect(shown.get(id("one"))?.signature).toBe(credential.signature);
    expect(shown.get(id("two"))?.signature).toBe(second.signature);
  });

  const refused: [string, (made: CredentialFile) => CredentialFile | Promise<CredentialFile>, RegExp][] = [
    [
      "that has expired",
      () => issueCredential(issuer, deployment, buyer, 1_600_000_000),
      /expired at 2020-09-13/,
    ],
    ["of another buyer", () => issueCredential(issuer, deployment, other.address, farSec), /not for/],
    [
      "of another escrow",
      () => issueCredential(issuer, { ...deployment, jobEscrow: address("5") }, buyer, farSec),
      /another market/,
    ],
    [
      "of another chain",
      () => issueCredential(issuer, { ...deployment, chainId: 1 }, buyer, farSec),
      /another market/,
    ],
    [
      "with a later expiry than was signed",
      (made) => ({ ...made, expirySec: farSec + 1 }),
      /not signed by it/,
    ],
    ["in the name of another issuer", (made) => ({ ...made, issuer: other.address }), /not signed by it/],
    [
      "of somebody else, for this buyer",
      async (made) => ({
        ...(await issueCredential(issuer, deployment, other.address, farSec)),
        buyer: made.buyer,
      }),
      /not signed by it/,
    ],
  ];
  test.each(refused)("%s is refused in words, before anything is paid", async (_what, change, words) => {
    const file = await change(credential);
    expect(() => credentialsFor([file], [offerOf("one", issuer.address)], deployment, buyer)).toThrow(
      expect.objectContaining({ code: "TERMS_REFUSED", message: expect.stringMatching(words) }),
    );
  });

  test("may write addresses in any case", () => {
    const file = { ...credential, buyer: buyer.toLowerCase(), issuer: issuer.address.toLowerCase() };
    const offers = [offerOf("one", issuer.address)];
    expect(credentialsFor([file], offers, deployment, buyer).size).toBe(1);
  });
});

describe("a credential's file", () => {
  const write = async (text: string): Promise<string> => {
    const file = join(folder, "credential.json");
    await writeFile(file, text);
    return file;
  };

  test("is read as it was written", async () => {
    expect(await readCredential(await write(JSON.stringify(credential)))).toEqual(credential);
  });

  test("is refused where it is none", async () => {
    const whole = JSON.stringify(credential);
    for (const text of [
      "{",
      "{}",
      whole.replace('"symbolonCredential":1', '"symbolonCredential":2'),
      whole.replace(credential.signature, "0x12"),
      whole.replace("{", '{"more":1,'),
      whole.replace(credential.buyer, "0x12"),
    ]) {
      await expect(readCredential(await write(text)), text).rejects.toMatchObject({ code: "USAGE" });
    }
    const nowhere = join(folder, "nowhere.json");
    await expect(readCredential(nowhere)).rejects.toMatchObject({ code: "USAGE" });
    await expect(readFile(nowhere)).rejects.toThrow();
  });
});
