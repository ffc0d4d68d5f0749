/**
 * The shapes of everything that crosses the bridge's HTTP interface, in and out. The OpenAPI document, the
 * validation of requests, the typed client and the types of the projections all derive from this file.
 *
 * Conventions: byte strings are lower-case hexadecimal with 0x, and so are ids, which are hashes: of a job's terms,
 * of an offer's shares; addresses are checksummed by the chain's rules; amounts are decimal strings, because they
 * may exceed what a JSON number holds; times are seconds of the chain's clock and say so in their names.
 */
import { getAddress } from "ethers";
import { z } from "zod";
import { jobStates } from "../contracts/job-states.ts";
import { operatorStatuses } from "../contracts/market-views.ts";

/** Refuses hexadecimal of any other length than `bytes`; the value comes out in lower case. */
function hexOfBytes(bytes: number, what: string) {
  return z
    .string()
    .regex(
      new RegExp(`^0x[0-9a-fA-F]{${bytes * 2}}$`),
      `expected ${what}: 0x and ${bytes * 2} hexadecimal digits`,
    )
    .toLowerCase();
}

export const hash32Schema = hexOfBytes(32, "32 bytes");
export const signatureSchema = hexOfBytes(65, "a 65-byte signature");
export const hexBytesSchema = z.string().regex(/^0x([0-9a-f]{2})*$/, "expected 0x and hexadecimal digits");

/** An account. Lower case, upper case or a correct checksum are accepted. */
export const addressSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/, "expected an address: 0x and 40 hexadecimal digits")
  .refine(isAddressOrPlain, "the checksum of the address is wrong");

function isAddressOrPlain(value: string): boolean {
  try {
    getAddress(value);
    return true;
  } catch {
    return false;
  }
}

/** A number of the chain as a decimal string, at most 2^256 - 1. */
export const uintSchema = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,77})$/, "expected a decimal number without sign or leading zeros");

/** The first digits of an id, enough of them that few ids begin alike. */
export const prefixSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{6,64}$/, "expected the beginning of an id: 0x and at least 6 hexadecimal digits")
  .toLowerCase();

export const pointSchema = z.union([z.literal(1), z.literal(2), z.literal(3)]);
export type Point = z.infer<typeof pointSchema>;

const secondsSchema = z.int().nonnegative();

export const jobStateSchema = z.enum(jobStates);

/** Why a party gave up: one of the project's error codes. It must fit 31 bytes, because it goes on chain. */
export const reasonSchema = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]{0,30}$/, "expected an error code of at most 31 upper-case characters");

/** The digest that three parties sign about a finished run; the EIP-712 struct of the same name. */
export const attestationSchema = z.strictObject({
  job: hash32Schema,
  resultRoot: hash32Schema,
  payoutRoot: hash32Schema,
  budgetSpent: uintSchema,
});
export type AttestationBody = z.infer<typeof attestationSchema>;

/** What a result root is the hash of: whoever reads or disputes a result needs all of it. */
export const resultPartsSchema = z.strictObject({
  roots: z.tuple([hash32Schema, hash32Schema, hash32Schema]).describe("Merkle roots of the parties' shares"),
  ciphertextHashes: z
    .tuple([hash32Schema, hash32Schema, hash32Schema])
    .describe("sha256 of the sealed shares, which are uploaded after the attestation"),
  fieldBits: z.literal([61, 89, 107, 127]),
  total: z.int().positive().max(0xffff_ffff).describe("elements of the result"),
});
export type ResultPartsBody = z.infer<typeof resultPartsSchema>;

// ---- what operators post -----------------------------------------------------------------------

export const joinPostSchema = z.strictObject({ operator: addressSchema, signature: signatureSchema });

export const attestationPostSchema = z.strictObject({
  operator: addressSchema,
  point: pointSchema,
  attestation: attestationSchema,
  parts: resultPartsSchema,
  signature: signatureSchema,
});

/** Of a job that ended: the operator says that none of its data was opened. */
export const unopenedPostSchema = z.strictObject({ operator: addressSchema, signature: signatureSchema });

export const failurePostSchema = z.strictObject({
  operator: addressSchema,
  point: pointSchema,
  reason: reasonSchema,
  signature: signatureSchema,
});

/** Largest count in a progress report: an exact JSON number. */
const countSchema = z.int().nonnegative();

export const progressPostSchema = z.strictObject({
  operator: addressSchema,
  point: pointSchema,
  phase: z.string().regex(/^[a-z0-9][a-z0-9 ._-]{0,63}$/, "expected a short lower-case phase name"),
  done: countSchema,
  total: countSchema,
  signature: signatureSchema,
});

export type JoinPost = z.infer<typeof joinPostSchema>;
export type AttestationPost = z.infer<typeof attestationPostSchema>;
export type FailurePost = z.infer<typeof failurePostSchema>;
export type UnopenedPost = z.infer<typeof unopenedPostSchema>;
export type ProgressPost = z.infer<typeof progressPostSchema>;

// ---- what the bridge shows ---------------------------------------------------------------------

export const receiptsSchema = z.object({
  fund: hash32Schema.nullable(),
  join: hash32Schema.nullable(),
  attest: hash32Schema.nullable(),
  settle: hash32Schema.nullable(),
  fail: hash32Schema.nullable(),
  refund: hash32Schema.nullable(),
});
export type ReceiptKind = keyof z.infer<typeof receiptsSchema>;

export const progressSchema = z.object({ phase: z.string(), done: countSchema, total: countSchema });

/** A chunk of its share of the result that an operator was asked to post, and has not. */
export const openChallengeSchema = z.object({
  operator: addressSchema,
  point: pointSchema,
  chunk: z.int().nonnegative(),
  /** Last second in which it can. */
  dueSec: secondsSchema,
});
export type OpenChallenge = z.infer<typeof openChallengeSchema>;

const jobFields = {
  /** The hash of its terms. */
  id: hash32Schema,
  state: jobStateSchema,
  /** Number of the last event that changed this view; later views have higher numbers. */
  version: z.int().nonnegative(),
  buyer: addressSchema,
  algorithm: hash32Schema,
  operatorSet: hash32Schema,
  /** In the order in which they are computed on. */
  offers: z.array(hash32Schema),
  deadlineSec: secondsSchema,
  /** What the result spends of each offer's privacy budget; 2^64 - 1 for an exact result. */
  microRho: uintSchema,
  /** Hash of the declared purpose, or the zero hash. */
  purpose: hash32Schema,
  /** What is paid in; the zero address is ETH. */
  token: addressSchema,
  /** In the smallest unit of the token. */
  amountWei: uintSchema,
  resultKey: hash32Schema,
  specHash: hash32Schema,
  /** The accounts that sign for the three operators, by point, fixed when the job was funded. */
  signers: z.tuple([addressSchema, addressSchema, addressSchema]),
  joins: z.array(pointSchema),
  attestations: z.array(
    z.object({
      point: pointSchema,
      operator: addressSchema,
      digest: hash32Schema,
      parts: resultPartsSchema,
      attestation: attestationSchema,
      signature: signatureSchema,
    }),
  ),
  /** Set when the parties signed different digests: nothing is submitted until three agree. */
  attestationConflict: z.boolean(),
  failures: z.array(z.object({ point: pointSchema, operator: addressSchema, reason: z.string() })),
  /** Who said after its end that none of the data was opened. */
  unopened: z.array(pointSchema),
  /**
   * Whether what it reserved of privacy budgets was given back, as far as this bridge looked: it looks after what it
   * owes, so of a joined job it knows only when the operators' words came to it.
   */
  budgetReturned: z.boolean(),
  /** In the order in which they were opened. */
  openChallenges: z.array(openChallengeSchema),
  /** Last second in which only the buyer can settle it, so that an answer can be contested; null before there is one. */
  heldUntilSec: secondsSchema.nullable(),
  progress: progressSchema.nullable(),
  receipts: receiptsSchema,
  /** The last transaction of the bridge for this job that the chain or the node refused. */
  lastRefusal: z.object({ kind: z.string(), code: z.string(), message: z.string() }).nullable(),
  createdAtSec: secondsSchema,
  updatedAtSec: secondsSchema,
  attestedAtSec: secondsSchema.nullable(),
};

/** A job as it is pushed to subscribers and listed. */
export const jobSummarySchema = z.object(jobFields);
/** A job in full; `spec` is the canonical JSON that the buyer funded, as hexadecimal bytes. */
export const jobViewSchema = z.object({ ...jobFields, spec: hexBytesSchema });
export type JobSummary = z.infer<typeof jobSummarySchema>;
export type JobView = z.infer<typeof jobViewSchema>;

export const jobEventSchema = z.object({
  sequence: z.int().positive(),
  type: z.string(),
  atMs: z.int(),
  txHash: hash32Schema.nullable(),
  blockNumber: z.int().nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type JobEventView = z.infer<typeof jobEventSchema>;

/** What most offers have no need of: see `Rules` of contracts/use-terms.ts. */
export const rulesViewSchema = z.object({
  token: addressSchema,
  issuer: addressSchema,
  discountBps: z.int().nonnegative(),
  hook: addressSchema,
  algorithms: hash32Schema,
  buyers: hash32Schema,
  purposes: hash32Schema,
  document: hash32Schema,
});

export const termsViewSchema = z.object({
  priceWei: uintSchema,
  rhoPriceWei: uintSchema,
  maxMicroRho: uintSchema,
  expirySec: z.int().nonnegative(),
  minSellers: z.int().nonnegative(),
  rules: rulesViewSchema.nullable(),
});
export type TermsView = z.infer<typeof termsViewSchema>;

export const offerViewSchema = z.object({
  /** The data root. */
  id: hash32Schema,
  seller: addressSchema,
  operatorSet: hash32Schema,
  schemaHash: hash32Schema,
  rows: z.int().nonnegative(),
  columns: z.int().nonnegative(),
  nonce: hash32Schema,
  ciphertextHashes: z.tuple([hash32Schema, hash32Schema, hash32Schema]),
  /** Micro-rho for all jobs together, for ever. */
  budgetMicroRho: uintSchema,
  /** As they are now. */
  terms: termsViewSchema,
  active: z.boolean(),
  /** The offer of the same data with other operators that took this one's place. */
  replacedBy: hash32Schema.nullable(),
  publishedAtSec: secondsSchema,
  txHash: hash32Schema,
});
export type OfferView = z.infer<typeof offerViewSchema>;

export const operatorViewSchema = z.object({
  address: addressSchema,
  signer: addressSchema,
  sealKey: hash32Schema,
  channelKey: hash32Schema,
  jiffKey: hash32Schema,
  endpoint: z.string(),
  feeWei: uintSchema,
  /** Only an active one takes new jobs; None is one that left and has its bond back. */
  status: z.enum(operatorStatuses),
  /** The algorithms that it runs, set by set. */
  approvals: z.array(z.object({ operatorSet: hash32Schema, algorithm: hash32Schema })),
  /** ERC-20 tokens that it is paid in, and its fee in each. */
  tokens: z.array(z.object({ token: addressSchema, fee: uintSchema })),
  registeredAtSec: secondsSchema,
});
export type OperatorView = z.infer<typeof operatorViewSchema>;

export const setViewSchema = z.object({
  id: hash32Schema,
  members: z.tuple([addressSchema, addressSchema, addressSchema]),
});
export type SetView = z.infer<typeof setViewSchema>;

export const blobReceiptSchema = z.object({ hash: hash32Schema, bytes: z.int().nonnegative() });
export type BlobReceipt = z.infer<typeof blobReceiptSchema>;

/** Where compute parties meet that do not reach each other; see `relay/mesh-relay.ts`. */
export const meshRelayPath = "/v1/mesh";

export const deploymentViewSchema = z.object({
  chainId: z.int().positive(),
  operatorRegistry: addressSchema,
  jobEscrow: addressSchema,
  disputes: addressSchema,
  gradientRounds: addressSchema,
  reviewExchange: addressSchema,
  blockNumber: z.int().nonnegative(),
  challengeWindowSec: secondsSchema,
  graceSec: secondsSchema,
  confirmations: z.int().nonnegative(),
  relayPath: z.string(),
  eventsPath: z.string(),
});
export type DeploymentView = z.infer<typeof deploymentViewSchema>;

/** RFC 9457 problem details with the project's error codes. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  hint: z.string().optional(),
  instance: z.string(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof problemSchema>;

/**
 * A page of a list, which has the order of the chain: pass `next` as `after` to go on; null at the end. The place of
 * an entry is a number of the bridge's own log, so that another bridge has others.
 */
export const pageQuerySchema = {
  after: z.coerce.number().int().nonnegative().default(0).describe("`next` of the page before"),
  limit: z.coerce.number().int().min(1).max(500).default(100),
};
export const nextSchema = z.int().positive().nullable();
