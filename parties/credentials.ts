/** Credentials: the word of an issuer, say a hospital, that a buyer belongs to those whom it vouches for. */
import { readFile } from "node:fs/promises";
import { getAddress, isAddress, Wallet } from "ethers";
import { z } from "zod";
import type { Deployment } from "../contracts/deployment.ts";
import { recoverCredential, signCredential } from "../contracts/eip712.ts";
import type { Credential, Offer } from "../contracts/market-views.ts";
import { SymbolonError } from "../mpc/errors.ts";
import type { AccountKey } from "./keys.ts";
import { unreadable } from "./unreadable.ts";

const address = z.string().refine((text) => isAddress(text), "expected an address");

const credentialFileSchema = z.strictObject({
  symbolonCredential: z.literal(1),
  chainId: z.int().positive(),
  /** For which market it is. */
  jobEscrow: address,
  issuer: address,
  buyer: address,
  /** Last second in which a job can be created with it. */
  expirySec: z.int().positive(),
  /** 65 bytes, 0x-hex. */
  signature: z.string().regex(/^0x[0-9a-f]{130}$/),
});
/** A credential as a file. It is worth nothing to anybody but the buyer that it names. */
export type CredentialFile = z.infer<typeof credentialFileSchema>;

export async function issueCredential(
  issuer: AccountKey,
  { chainId, jobEscrow }: Deployment,
  buyer: string,
  expirySec: number,
): Promise<CredentialFile> {
  const wallet = new Wallet(issuer.privateKey.hex());
  const signature = await signCredential(wallet, { chainId, jobEscrow }, { buyer, expirySec });
  return { symbolonCredential: 1, chainId, jobEscrow, issuer: wallet.address, buyer, expirySec, signature };
}

/** @throws USAGE for a file that is none */
export async function readCredential(file: string): Promise<CredentialFile> {
  const text = await readFile(file, "utf8").catch((cause) => {
    throw new SymbolonError("USAGE", `the credential ${file} ${unreadable(cause)}`, { cause });
  });
  try {
    return credentialFileSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new SymbolonError("USAGE", `${file} is not a credential`, {
      hint: "`symbolon seller vouch` writes one",
      cause,
    });
  }
}

/**
 * Which credential to show for which offer: that of its issuer.
 * @throws TERMS_REFUSED for one that cannot count, with the reason: it would be passed over in silence on chain
 */
export function credentialsFor(
  files: readonly CredentialFile[],
  offers: readonly Offer[],
  { chainId, jobEscrow }: Deployment,
  buyer: string,
): Map<string, Credential> {
  for (const file of files) {
    const refuse = (why: string): never => {
      throw new SymbolonError("TERMS_REFUSED", `the credential of ${file.issuer} ${why}`, {
        hint: "ask the issuer for a new one",
      });
    };
    if (file.chainId !== chainId || getAddress(file.jobEscrow) !== getAddress(jobEscrow)) {
      refuse("is for another market");
    }
    if (getAddress(file.buyer) !== getAddress(buyer)) refuse(`is for ${file.buyer}, not for ${buyer}`);
    if (file.expirySec * 1000 < Date.now()) {
      refuse(`expired at ${new Date(file.expirySec * 1000).toISOString()}`);
    }
    const signer = recoverCredential({ chainId, jobEscrow }, file, file.signature);
    if (getAddress(signer) !== getAddress(file.issuer)) refuse("was not signed by it");
  }
  const shown = new Map<string, Credential>();
  for (const { offer, terms } of offers) {
    const found = files.find(
      ({ issuer }) => terms.rules !== null && getAddress(issuer) === terms.rules.issuer,
    );
    if (found !== undefined) shown.set(offer, { expirySec: found.expirySec, signature: found.signature });
  }
  return shown;
}
