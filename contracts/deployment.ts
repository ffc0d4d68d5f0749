/** Where the contracts of a market stand, and what is fixed with them. */
import { getAddress } from "ethers";
import { z } from "zod";

const address = z.string().transform((value, context) => {
  try {
    return getAddress(value);
  } catch {
    context.addIssue({ code: "custom", message: "expected an address: 0x and 40 hexadecimal digits" });
    return z.NEVER;
  }
});

/** A deployment as it is written to files and sent by the bridge. Addresses come out checksummed. */
export const deploymentSchema = z.object({
  chainId: z.int().positive(),
  operatorRegistry: address,
  jobEscrow: address,
  disputes: address,
  gradientRounds: address,
  reviewExchange: address,
  /** Block of the first of them: no event of the market is older. */
  blockNumber: z.int().nonnegative(),
});

export type Deployment = z.infer<typeof deploymentSchema>;

/** What is fixed for the life of a deployment; nobody can change it afterwards. */
export const marketSettingsSchema = z.object({
  /** How long a buyer can look at an attested result before anyone may settle the job. */
  challengeWindowSec: z.int().min(60).max(0xffff_ffff),
  /** How long after its deadline a job's result is still taken. */
  graceSec: z.int().nonnegative().max(0xffff_ffff),
  /** What a buyer pays in advance for a chunk of a result that it asks an operator to post. */
  challengeFeeWei: z.bigint().nonnegative(),
  /** How long an operator has to post it. */
  responseSec: z.int().min(60).max(0xffff_ffff),
  /** Smallest bond of an operator. */
  minBondWei: z.bigint().nonnegative(),
  /** How long an operator's bond stays after it stopped taking jobs. */
  unbondingSec: z.int().nonnegative().max(0xffff_ffff),
  /** How long the deposit of a data owner that left a training stays open to evidence against it. */
  evidenceSec: z
    .int()
    .nonnegative()
    .max(0xffff_ffff)
    .default(7 * 86_400),
  /** How long after registration an exchange samples: longer than the chain's reorganisations. */
  sampleDelaySec: z.int().nonnegative().max(0xffff_ffff).default(900),
});
export type MarketSettings = z.input<typeof marketSettingsSchema>;
/** Those of registry, escrow and disputes. */
export type JobSettings = Omit<MarketSettings, "evidenceSec" | "sampleDelaySec">;
