/**
 * The two public documents of a session, canonical JSON (RFC 8785) in the store: what the collector looks for, and its
 * extractor. Their sha256 are descriptionHash and extractorHash on chain, so the chain says where they are.
 */
import canonicalize from "canonicalize";
import { z } from "zod";
import type { SessionRequest } from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type DataSetSchema, dataSetSchema, schemaHash } from "../data/schema.ts";
import type { BlobStore } from "./blob-store.ts";
import { type ExtractorDocument, extractorSchema } from "./extractor.ts";
import { mostRowsPerShard } from "./shards.ts";

const descriptionSchema = z
  .strictObject({
    version: z.literal(1),
    /** For people. */
    title: z
      .string()
      .min(1)
      .max(200)
      .refine((text) => !/\p{C}/u.test(text), "must be printable"),
    /** The columns, their bounds and the label. */
    schema: dataSetSchema,
    /** X25519 public key of this session: what is delivered is sealed to it. */
    sealKey: z.string().regex(/^0x[0-9a-f]{64}$/),
    rowsPerShard: z.int().min(1),
  })
  .superRefine(({ schema, rowsPerShard }, context) => {
    if (schema.label === undefined) {
      context.addIssue({
        code: "custom",
        message: "the schema names no label, by which data sets are scored",
      });
    }
    if (rowsPerShard > mostRowsPerShard(schema)) {
      context.addIssue({
        code: "custom",
        message: `${mostRowsPerShard(schema)} rows of these columns are the most that a shard holds`,
      });
    }
  });
export type SessionDescription = z.infer<typeof descriptionSchema>;

export interface SessionDocuments {
  description: SessionDescription;
  extractor: ExtractorDocument;
}

/** Checks a description. @throws PARAMETER_INVALID naming the place */
export function parseDescription(value: unknown): SessionDescription {
  return checked(descriptionSchema, value, "the session's description");
}

/** Puts both documents into a store. @returns their addresses */
export async function publishDocuments(
  store: BlobStore,
  { description, extractor }: SessionDocuments,
): Promise<{ descriptionHash: string; extractorHash: string }> {
  parseDescription(description);
  return {
    descriptionHash: await store.put(canonicalBytes(description)),
    extractorHash: await store.put(canonicalBytes(extractor)),
  };
}

/**
 * Fetches both by the hashes on chain and checks them.
 * @throws NOT_FOUND, COMMITMENT_MISMATCH, STORE_UNREACHABLE; PARAMETER_INVALID for a document that is none;
 * SCHEMA_MISMATCH when the two are about different columns
 */
export async function fetchDocuments(
  store: BlobStore,
  { descriptionHash, extractorHash }: SessionRequest,
): Promise<SessionDocuments> {
  const description = parseDescription(parseJson(await store.get(descriptionHash)));
  const extractor = checked(extractorSchema, parseJson(await store.get(extractorHash)), "the extractor");
  if (extractor.schemaHash !== schemaHash(description.schema as DataSetSchema)) {
    throw new SymbolonError("SCHEMA_MISMATCH", "the extractor is for other columns than the description's");
  }
  return { description, extractor };
}

/** Canonical JSON. */
export function canonicalBytes(value: unknown): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) throw new SymbolonError("INTERNAL", "a document has no canonical form");
  return new TextEncoder().encode(text);
}

/** Undefined for bytes that are no JSON; the schema then refuses it. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** @throws PARAMETER_INVALID with the place and not the value */
export function checked<T extends z.ZodType>(schema: T, value: unknown, what: string): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const place = path.length === 0 ? "" : ` at ${path.join(".")}`;
  // Names in it may be a stranger's, and end up on a terminal.
  const shown = `${place}: ${message}`.replace(/\p{C}/gu, " ").slice(0, 200);
  throw new SymbolonError("PARAMETER_INVALID", `${what} is malformed${shown}`);
}
