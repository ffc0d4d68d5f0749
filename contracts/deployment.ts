/** Where the contracts of a market stand. */
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
  gradientRounds: address,
  reviewExchange: address,
  /** Block of the first of them: no event of the market is older. */
  blockNumber: z.int().nonnegative(),
});

export type Deployment = z.infer<typeof deploymentSchema>;
