/** How a collector begins a session: the private model, the documents and the secrets, on disk before the reward is. */
import { createHash } from "node:crypto";
import { keccak256, ZeroAddress } from "ethers";
import { type SessionRequest, sessionId, sessionTerms } from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import type { DataSetSchema } from "../data/schema.ts";
import { x25519PublicKey } from "../x25519.ts";
import { type CollectorJournal, collectorJournal, requestOut } from "./collector-journal.ts";
import type { ExchangeConnection } from "./connection.ts";
import { parseDescription, publishDocuments } from "./documents.ts";
import { guardedWidth } from "./extractor.ts";
import { Journal, journalBlobs } from "./journal.ts";
import { makeExtractor, splitRows } from "./private-model.ts";
import type { LabelledRows } from "./shards.ts";

/** What a collector asks for and offers. */
export interface OpenRequest {
  title: string;
  schema: DataSetSchema;
  /** The collector's own rows; they stay with it. */
  validation: Table;
  rewardWei: bigint;
  depositWei: bigint;
  /** Of the reward, in hundredths of a percent, for a reviewed provider that does not win. */
  samplingBps: number;
  minShards: number;
  shardsPerSample: number;
  rowsPerShard: number;
  /** Units of the extractor's hidden layer. */
  hidden: number;
  /** Features a row; at most half the columns by default, and no provider of ours gives more. */
  width?: number;
  /** Lengths of the phases in seconds. */
  phases: Record<"register" | "sample" | "features" | "review" | "answer" | "optimal" | "claim", number>;
}

/** Everything that must not be lost is on disk before the reward is. */
export async function prepareSession(
  { market, account, chainId }: ExchangeConnection,
  folder: string,
  asked: OpenRequest,
): Promise<Journal<CollectorJournal>> {
  const { schema, phases, title, rowsPerShard, hidden } = asked;
  const sealPrivateKey = randomBytes(32);
  const description = parseDescription({
    ...{ version: 1, title, schema, rowsPerShard },
    sealKey: `0x${Buffer.from(x25519PublicKey(sealPrivateKey)).toString("hex")}`,
  });
  const width = asked.width ?? guardedWidth(schema);
  if (width < 1) {
    throw new SymbolonError(
      "PARAMETER_INVALID",
      "data sets of one column have no features that guard their rows",
    );
  }
  const validation = labelledRows(asked.validation, schema);
  const { document, model } = makeExtractor(splitRows(validation).fit, schema, { hidden, width });
  const hashes = await publishDocuments(journalBlobs(folder), { description, extractor: document });
  const secret = randomBytes(32);
  // A quiet chain's newest block may be old.
  const nowSec = Math.max(await market.nowSec(), Math.floor(Date.now() / 1000));
  const request: SessionRequest = {
    token: ZeroAddress,
    reward: asked.rewardWei,
    deposit: asked.depositWei,
    samplingBps: asked.samplingBps,
    minShards: asked.minShards,
    shardsPerSample: asked.shardsPerSample,
    registerBySec: nowSec + phases.register,
    sampleSec: phases.sample,
    featuresSec: phases.features,
    reviewSec: phases.review,
    answerSec: phases.answer,
    optimalSec: phases.optimal,
    claimSec: phases.claim,
    secretHash: keccak256(secret),
    ...hashes,
  };
  return await Journal.create<CollectorJournal>(folder, collectorJournal, {
    version: 1,
    side: "collector",
    ...{ chainId, exchange: market.address, account },
    session: sessionId(sessionTerms(account, request)),
    request: requestOut(request),
    secret: `0x${secret.toString("hex")}`,
    sealPrivateKey: `0x${sealPrivateKey.toString("hex")}`,
    model,
    validationHash: fingerprint(validation),
    scores: [],
  });
}

/** The rows of a table with their labels. @throws the codes of `conform`; SCHEMA_INVALID */
export function labelledRows(table: Table, schema: DataSetSchema): LabelledRows {
  const { rows, features, label } = conform(table, schema);
  if (label === undefined) {
    throw new SymbolonError("SCHEMA_INVALID", "the schema of an exchange has a label");
  }
  return { rows, features, label };
}

/** sha256 of rows, to know them again. */
export function fingerprint({ features, label }: LabelledRows): string {
  const hash = createHash("sha256");
  for (const part of [features, label]) hash.update(new Uint8Array(part.slice().buffer));
  return `0x${hash.digest("hex")}`;
}
