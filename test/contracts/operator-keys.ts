/** What an operator registers with, in tests. */
import { id, type Signer, type Wallet } from "ethers";
import type { Deployment } from "../../contracts/deployment.ts";
import { signPossession } from "../../contracts/eip712.ts";
import type { OperatorInput } from "../../contracts/market-inputs.ts";

export const feeWei = 1_000n;

/** Keys that follow from a label, but the signing one. */
export function operatorKeys(label: string, signer: string): OperatorInput {
  return {
    signer,
    sealKey: id(`${label} seal`),
    channelKey: id(`${label} channel`),
    jiffKey: id(`${label} jiff`),
    endpoint: "127.0.0.1:1",
    feeWei,
  };
}

/** The same with the proof that the signing account is the operator's. */
export async function provenKeys(
  deployment: Deployment,
  label: string,
  operator: Wallet,
  signer: Signer & { address: string },
) {
  const message = { operator: operator.address, signer: signer.address };
  const possession = await signPossession(signer, deployment, message);
  return { ...operatorKeys(label, signer.address), possession };
}
