import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recoverPossession } from "../../contracts/eip712.ts";
import { createKeys, saveKeys } from "../../parties/keys.ts";
import {
  proveSigner,
  readSignerProof,
  registrationOf,
  type SignerProof,
} from "../../parties/registration.ts";
import { runCli } from "./cli/run-cli.ts";

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
const own = createKeys("operator");
const node = createKeys("operator");
const operator = own.owner.address;

let folder: string;
let proof: SignerProof;
const file = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-registration-"));
  proof = await proveSigner(node.signer, deployment, operator);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const written = async (content: unknown) => {
  await writeFile(file("proof.json"), JSON.stringify(content));
  return file("proof.json");
};

describe("the proof of a signing key", () => {
  test("is the key's signature over the operator and itself, for one market", () => {
    expect(proof).toMatchObject({ operator, signer: node.signer.address, chainId: 31337 });
    const message = { operator, signer: node.signer.address };
    expect(recoverPossession(deployment, message, proof.signature)).toBe(node.signer.address);
    const elsewhere = [
      { ...deployment, chainId: 1 },
      { ...deployment, operatorRegistry: deployment.jobEscrow },
    ];
    for (const other of elsewhere) {
      expect(recoverPossession(other, message, proof.signature)).not.toBe(node.signer.address);
    }
    for (const changed of [{ operator: address("9") }, { signer: address("9") }]) {
      const signed = recoverPossession(deployment, { ...message, ...changed }, proof.signature);
      expect(signed).not.toBe(node.signer.address);
    }
  });

  test("is read from a file by the operator that it names", async () => {
    expect(await readSignerProof(await written(proof), deployment, operator)).toEqual(proof);
    expect(registrationOf(own, proof, { endpoint: "127.0.0.1:9600", feeWei: 1n })).toEqual({
      signer: node.signer.address,
      sealKey: own.sealKey.publicKey,
      channelKey: own.channelKey.publicKey,
      jiffKey: own.jiffKey.publicKey,
      possession: proof.signature,
      endpoint: "127.0.0.1:9600",
      feeWei: 1n,
    });
  });

  test.each([
    ["another chain", { chainId: 1 }, /another market/],
    ["another registry", { operatorRegistry: address("3") }, /another market/],
    ["another operator", { operator: node.owner.address }, /is for operator/],
    ["another signer", { signer: own.signer.address }, /was not signed by/],
    ["no curve point", { signature: `0x${"ff".repeat(65)}` }, /malformed/],
  ])("of %s is refused before it is sent", async (_, changes, message) => {
    const changed = await written({ ...proof, ...changes });
    await expect(readSignerProof(changed, deployment, operator)).rejects.toMatchObject({
      code: "NOT_AUTHORISED",
      message: expect.stringMatching(message),
    });
  });

  test.each([{ symbolonSignerProof: 2 }, { signature: "0x12" }, { extra: 1 }])(
    "that is none (%j) is a usage error",
    async (changes) => {
      const changed = await written({ ...proof, ...changes });
      await expect(readSignerProof(changed, deployment, operator)).rejects.toMatchObject({ code: "USAGE" });
    },
  );

  test("is made by a command that needs neither chain nor bridge", async () => {
    const keysFile = file("node.keys.json");
    await saveKeys(node, keysFile);
    await writeFile(file("deployment.json"), JSON.stringify(deployment));
    const out = file("made.json");
    const { status, stdout } = await runCli([
      ...["operator", "prove-signer", operator, "--keys", keysFile, "--json"],
      ...["--deployment", file("deployment.json"), "--out", out],
    ]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toEqual(proof);
    expect(JSON.parse(await readFile(out, "utf8"))).toEqual(proof);
    expect(await readSignerProof(out, deployment, operator)).toEqual(proof);
  });
});
