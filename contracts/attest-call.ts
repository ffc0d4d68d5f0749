/** The signatures under a result, from the call that brought it to the chain: its event has no room for them. */
import { type Provider, type Result, Signature, type TransactionResponse } from "ethers";
import { artifact } from "./artifacts.ts";
import type { Deployment } from "./deployment.ts";
import type { ThreeSignatures } from "./market-inputs.ts";
import { toChainError } from "./revert-reasons.ts";

/**
 * By point, 65 bytes each. What an endpoint says is in a transaction need not be: whoever uses them verifies them.
 * @param txHash of the transaction with the job's attestation
 * @returns null where another contract called the escrow: then they are in no transaction
 * @throws CHAIN_UNREACHABLE
 */
export async function attestationSignatures(
  provider: Provider,
  deployment: Pick<Deployment, "jobEscrow">,
  txHash: string,
): Promise<ThreeSignatures | null> {
  const transaction = await provider.getTransaction(txHash).catch((thrown: unknown) => {
    throw toChainError(thrown);
  });
  if (transaction?.to?.toLowerCase() !== deployment.jobEscrow.toLowerCase()) return null;
  return signaturesIn(transaction);
}

function signaturesIn({ data }: Pick<TransactionResponse, "data">): ThreeSignatures | null {
  try {
    const call = artifact("JobEscrow").abi.parseTransaction({ data });
    if (call?.name !== "attest") return null;
    const compact = (call.args.getValue("signatures") as Result).toArray(true) as [string, string][];
    const [first, second, third] = compact.map(
      ([r, yParityAndS]) => Signature.from({ r, yParityAndS }).serialized,
    );
    return [first!, second!, third!];
  } catch {
    return null;
  }
}
