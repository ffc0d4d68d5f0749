/** One real paid job in a local market: a seller for each table, a buyer, three parties, money. */
import { parseEther, Wallet } from "ethers";
import type { JobSummary } from "../../bridge/client.ts";
import { openTerms } from "../../contracts/use-terms.ts";
import { BuyerClient } from "../buyer/client.ts";
import type { JobProposal } from "../buyer/proposal.ts";
import type { JobResult } from "../buyer/result.ts";
import { type BuyerKeys, createKeys } from "../keys.ts";
import { type PublishedDataSet, publishDataSet } from "../seller/client.ts";
import { claimEarnings } from "../seller/earnings.ts";
import type { LocalInputs } from "./inputs.ts";
import type { LocalMarket } from "./market.ts";

export const localPriceWei = parseEther("0.01");
const durationSec = 1800;

export interface JobObserver {
  offered?(seller: number, published: PublishedDataSet): void;
  proposed?(proposal: JobProposal): void;
  funded?(job: string, txHash: string): void;
  view?(view: JobSummary): void;
  attested?(): void;
  read?(result: JobResult): void;
  accepted?(txHash: string): void;
  paid?(account: string, amountWei: bigint): void;
}

export interface LocalJob {
  result: JobResult;
  offers: string[];
  buyer: BuyerKeys;
}

/**
 * Runs the job to its end; the result's file has the receipt of the settlement.
 * @param buyerKeys of an account that need not hold anything yet
 */
export async function runLocalJob(
  market: LocalMarket,
  inputs: LocalInputs,
  observer: JobObserver,
  signal: AbortSignal,
  keys: BuyerKeys = createKeys("buyer"),
): Promise<LocalJob> {
  const { bridge, operatorSet } = market;
  const sellers = inputs.tables.map(() => createKeys("seller"));
  const offers: string[] = [];
  // One after the other: the order of the offers is the order of the files in the result.
  for (const [i, table] of inputs.tables.entries()) {
    const { account } = sellers[i]!;
    const as = market.as(await market.fund(account.privateKey.hex(), "1"));
    const published = await publishDataSet(
      { bridge, market: as, seller: account.address },
      { table, schema: inputs.schema, operatorSet, terms: openTerms(localPriceWei) },
    );
    offers.push(published.offer);
    observer.offered?.(i, published);
    signal.throwIfAborted();
  }
  const buyer = new BuyerClient({
    bridge,
    market: market.as(await market.fund(keys.account.privateKey.hex())),
    buyer: keys.account.address,
    resultKey: keys.resultKey,
  });
  const proposal = await buyer.propose({
    algorithm: inputs.algorithm.manifest.id,
    parameters: inputs.parameters,
    offers,
    ...(inputs.weights && { weights: inputs.weights }),
    ...(inputs.validation && { validation: inputs.validation }),
  });
  observer.proposed?.(proposal);
  const { job, txHash } = await buyer.fund(proposal, durationSec);
  observer.funded?.(job, txHash);
  await buyer.waitForResult(job, { signal, onView: (view) => observer.view?.(view), pollMs: 100 });
  observer.attested?.();
  const checked = await buyer.result(job);
  observer.read?.(checked);
  const accepted = await buyer.accept(job);
  observer.accepted?.(accepted.txHash);
  const accounts = [
    ...sellers.map((seller) => seller.account),
    ...market.operators.map(({ keys: k }) => k.owner),
  ];
  for (const account of accounts) {
    const as = market.as(new Wallet(account.privateKey.hex(), market.provider));
    const { amountWei } = await claimEarnings(as, account.address);
    observer.paid?.(account.address, amountWei);
  }
  // Read again, now with the receipt of the settlement.
  return { result: await buyer.result(job), offers, buyer: keys };
}
