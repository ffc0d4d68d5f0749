/**
 * The specification of a job as it stands on chain: canonical JSON (RFC 8785), public. It says which
 * algorithm runs with which parameters over which schema, and commits to the buyer's own validation data.
 */
import canonicalize from "canonicalize";
import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";

const hash = z.string().regex(/^0x[0-9a-f]{64}$/, "expected 0x and 64 lower-case hexadecimal digits");

export const jobSpecSchema = z.strictObject({
  version: z.literal(1),
  algorithm: z.strictObject({ id: z.string().min(1).max(64), version: z.string().min(1).max(32) }),
  parameters: z.record(z.string(), z.json()),
  /** The one schema of all data sets of the job, and of the validation data. */
  schemaHash: hash,
  /** Weight of each data set in averages, in the order of the offers; the row counts when absent. */
  weights: z.array(z.number().positive()).optional(),
  /** The buyer's sealed shares: like an offer's commitments, with the escrow as registry. */
  validation: z
    .strictObject({
      nonce: hash,
      rows: z.int().min(1).max(0xffffffff),
      columns: z.int().min(1).max(0xffff),
      ciphertextHashes: z.tuple([hash, hash, hash]),
    })
    .optional(),
});

export type JobSpec = z.infer<typeof jobSpecSchema>;

/** Largest specification that parties read. */
export const maxSpecBytes = 16384;

/** The bytes that go on chain. */
export function encodeJobSpec(spec: JobSpec): Uint8Array {
  const text = canonicalize(jobSpecSchema.parse(spec));
  if (text === undefined) throw new SymbolonError("INTERNAL", "a job specification has no canonical form");
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > maxSpecBytes) {
    throw new SymbolonError(
      "LIMIT_EXCEEDED",
      `a job specification has at most ${maxSpecBytes} bytes, this one ${bytes.length}`,
    );
  }
  return bytes;
}

/** @throws PARAMETER_INVALID unless the bytes are a canonical specification. */
export function decodeJobSpec(bytes: Uint8Array): JobSpec {
  let value: unknown;
  try {
    if (bytes.length > maxSpecBytes) throw new Error("too long");
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new SymbolonError("PARAMETER_INVALID", "the job's specification on chain is not JSON", {
      cause: error,
    });
  }
  const parsed = jobSpecSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SymbolonError(
      "PARAMETER_INVALID",
      `the job's specification is malformed: ${issue.path.join(".")}: ${issue.message}`,
    );
  }
  return parsed.data;
}
