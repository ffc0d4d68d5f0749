/** What an operator registers: the public keys of its key file, and the proof that the signing one is its own. */
import { Wallet } from "ethers";
import { type RegistryDomain, signPossession } from "../contracts/eip712.ts";
import type { OperatorKeys } from "./keys.ts";

/** Keys, endpoint and fee as the registry of this deployment takes them from this operator, and from no other. */
export async function registrationOf(
  keys: OperatorKeys,
  deployment: RegistryDomain,
  node: { endpoint: string; feeWei: bigint },
) {
  const wallet = new Wallet(keys.signer.privateKey.hex());
  const message = { operator: keys.owner.address, signer: wallet.address };
  return {
    signer: wallet.address,
    sealKey: keys.sealKey.publicKey,
    channelKey: keys.channelKey.publicKey,
    jiffKey: keys.jiffKey.publicKey,
    possession: await signPossession(wallet, deployment, message),
    ...node,
  };
}
