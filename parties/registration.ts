/**
 * What an operator registers: the public keys of its key file, and the proof that the signing one is its own. The
 * proof may come from another machine as a file. It does not expire, and serves that operator alone.
 */
import { readFile } from "node:fs/promises";
import { getAddress, isAddress, Wallet } from "ethers";
import { z } from "zod";
import { type RegistryDomain, recoverPossession, signPossession } from "../contracts/eip712.ts";
import { SymbolonError } from "../mpc/errors.ts";
import type { AccountKey, OperatorKeys } from "./keys.ts";
import { unreadable } from "./unreadable.ts";

const address = z.string().refine((text) => isAddress(text), "expected an address");

const signerProofSchema = z.strictObject({
  symbolonSignerProof: z.literal(1),
  chainId: z.int().positive(),
  /** For which market it is. */
  operatorRegistry: address,
  operator: address,
  signer: address,
  /** 65 bytes, 0x-hex. */
  signature: z.string().regex(/^0x[0-9a-f]{130}$/),
});
export type SignerProof = z.infer<typeof signerProofSchema>;

/** The word of a signing key that it signs for an operator. */
export async function proveSigner(
  key: AccountKey,
  { chainId, operatorRegistry }: RegistryDomain,
  operator: string,
): Promise<SignerProof> {
  const wallet = new Wallet(key.privateKey.hex());
  const message = { operator, signer: wallet.address };
  const signature = await signPossession(wallet, { chainId, operatorRegistry }, message);
  return { symbolonSignerProof: 1, chainId, operatorRegistry, ...message, signature };
}

/**
 * @throws USAGE for a file that is none; NOT_AUTHORISED for one that the registry of this deployment would not take
 * from this operator, with the reason
 */
export async function readSignerProof(
  file: string,
  deployment: RegistryDomain,
  operator: string,
): Promise<SignerProof> {
  const proof = await parseSignerProof(file);
  const refuse = (why: string): never => {
    throw new SymbolonError("NOT_AUTHORISED", `the proof in ${file} ${why}`, {
      hint: "make a new one with the signing key: symbolon operator prove-signer",
    });
  };
  const { chainId, operatorRegistry } = deployment;
  if (proof.chainId !== chainId || getAddress(proof.operatorRegistry) !== getAddress(operatorRegistry)) {
    refuse("is for another market");
  }
  if (getAddress(proof.operator) !== getAddress(operator)) {
    refuse(`is for operator ${proof.operator}, not for ${operator}`);
  }
  const signed = recoverPossession(deployment, proof, proof.signature);
  if (getAddress(signed) !== getAddress(proof.signer)) refuse(`was not signed by ${proof.signer}`);
  return proof;
}

async function parseSignerProof(file: string): Promise<SignerProof> {
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new SymbolonError("USAGE", `the proof ${file} ${unreadable(cause)}`, { cause });
  });
  try {
    return signerProofSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SymbolonError("USAGE", `${file} is not the proof of a signing key`, {
      hint: "`symbolon operator prove-signer` writes one",
      cause,
    });
  }
}

/** Keys, endpoint and fee as the registry takes them. */
export function registrationOf(
  keys: OperatorKeys,
  { signer, signature }: SignerProof,
  node: { endpoint: string; feeWei: bigint },
) {
  return {
    signer,
    sealKey: keys.sealKey.publicKey,
    channelKey: keys.channelKey.publicKey,
    jiffKey: keys.jiffKey.publicKey,
    possession: signature,
    ...node,
  };
}
