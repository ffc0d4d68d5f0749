/** What the collector of a session must not forget; see `journal.ts`. */
import { z } from "zod";
import type { SessionRequest } from "../../contracts/exchange-commitments.ts";
import { type ErrorCode, errorCodes } from "../../mpc/errors.ts";
import { privateModelSchema } from "./private-model.ts";

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);
const decimal = z.string().regex(/^\d{1,78}$/);

/** A session request with its amounts as decimal strings, which JSON keeps. */
const requestSchema = z.strictObject({
  token: z.string(),
  reward: decimal,
  deposit: decimal,
  samplingBps: z.int(),
  minShards: z.int(),
  shardsPerSample: z.int(),
  registerBySec: z.int(),
  sampleSec: z.int(),
  featuresSec: z.int(),
  reviewSec: z.int(),
  answerSec: z.int(),
  optimalSec: z.int(),
  claimSec: z.int(),
  secretHash: hex32,
  extractorHash: hex32,
  descriptionHash: hex32,
});

const problemSchema = z.strictObject({
  code: z.enum(Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]]),
  message: z.string(),
});

/** What came out for one sampled seat: a score, or why there is none. */
const seatScoreSchema = z.strictObject({
  seat: decimal,
  /** The delivery that was looked at; null when none was stated. */
  featuresRoot: hex32.nullable(),
  score: z
    .strictObject({ rows: z.int(), accuracy: z.number(), logLoss: z.number(), agreement: z.number() })
    .optional(),
  problem: problemSchema.optional(),
});
export type SeatScore = z.infer<typeof seatScoreSchema>;

export const collectorJournal = z.strictObject({
  version: z.literal(1),
  side: z.literal("collector"),
  chainId: z.int().positive(),
  exchange: z.string(),
  account: z.string(),
  session: hex32,
  request: requestSchema,
  /** Fixes the samples together with the registrations; secret until sampling begins. */
  secret: hex32,
  /** Opens what is delivered. */
  sealPrivateKey: hex32,
  model: privateModelSchema,
  /** Of the validation rows: scores are of the rows that the session was opened with. */
  validationHash: hex32,
  scores: z.array(seatScoreSchema),
  /** Whether what was bought was decrypted and written. */
  collected: z.boolean().optional(),
});
export type CollectorJournal = z.infer<typeof collectorJournal>;

export function requestOut({ reward, deposit, ...rest }: SessionRequest): CollectorJournal["request"] {
  return { ...rest, reward: String(reward), deposit: String(deposit) };
}

export function requestIn({ reward, deposit, ...rest }: CollectorJournal["request"]): SessionRequest {
  return { ...rest, reward: BigInt(reward), deposit: BigInt(deposit) };
}
