/** How a collector begins a session: the private model, the documents and the secrets, on disk before the reward is. */
import { createHash } from "node:crypto";
import { keccak256, ZeroAddress } from "ethers";
import { type SessionRequest, sessionId, sessionTerms } from "../../contracts/exchange-commitments.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { conform } from "../data/conform.ts";
import type { Table } from "../data/csv.ts";
import { type DataSetSchema, schemaHash } from "../data/schema.ts";
import { x25519PublicKey } from "../x25519.ts";
import { type CollectorJournal, collectorJournal, requestIn, requestOut } from "./collector-journal.ts";
import type { ExchangeConnection } from "./connection.ts";
import { fetchDocuments, parseDescription, publishDocuments } from "./documents.ts";
import { guardedWidth } from "./extractor.ts";
import { Journal, journalBlobs } from "./journal.ts";
import { leastPhaseSec, type PhaseLengths, requirePhases, showTime } from "./phases.ts";
import { makeExtractor, splitRows } from "./private-model.ts";
import type { LabelledRows } from "./shards.ts";

/** What a collector asks for and offers. */
export interface OpenRequest {
  title: string;
  schema: DataSetSchema;
  /** The collector's own rows; they stay with it. */
  validation: Table;
  /** ERC-20 token of reward and deposit, which count in its smallest unit; ETH by default. */
  token?: string;
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
  phases: PhaseLengths;
}

/** The contract's most for what a seat holds, a deposit and a compensation together. */
const mostWei = 2n ** 88n - 1n;

/** Refuses what the contract or every seller would refuse. @throws PARAMETER_INVALID with the options to change */
function requireAcceptable({ schema, rewardWei, depositWei }: OpenRequest, width: number): void {
  const refuse = (message: string, hint: string): never => {
    throw new SymbolonError("PARAMETER_INVALID", message, { hint });
  };
  if (rewardWei === 0n || depositWei === 0n) {
    refuse("reward and deposit are more than nothing", "give --reward and --deposit each at least 1wei");
  }
  if (rewardWei + depositWei > mostWei) {
    refuse("reward and deposit together are 2^88 or more", "give a smaller --reward or --deposit");
  }
  const most = guardedWidth(schema);
  const columns = schema.columns.length;
  if (most < 1) {
    refuse(
      "data sets of one column have no features that guard their rows",
      "give a --schema of more columns",
    );
  }
  if (width > most) {
    refuse(
      `${width} features a row of ${columns} columns: no seller gives more than ${most}, lest they give its rows away`,
      `give --width ${most} or less, or leave it out`,
    );
  }
}

/** Everything that must not be lost is on disk before the reward is. */
export async function prepareSession(
  { market, account, chainId }: ExchangeConnection,
  folder: string,
  asked: OpenRequest,
): Promise<Journal<CollectorJournal>> {
  const { schema, phases, title, rowsPerShard, hidden } = asked;
  const width = asked.width ?? guardedWidth(schema);
  requireAcceptable(asked, width);
  requirePhases(phases, await market.sampleDelaySec());
  const sealPrivateKey = randomBytes(32);
  const description = parseDescription({
    ...{ version: 1, title, schema, rowsPerShard },
    sealKey: `0x${Buffer.from(x25519PublicKey(sealPrivateKey)).toString("hex")}`,
  });
  const validation = labelledRows(asked.validation, schema);
  const { document, model } = makeExtractor(splitRows(validation).fit, schema, { hidden, width });
  const hashes = await publishDocuments(journalBlobs(folder), { description, extractor: document });
  const secret = randomBytes(32);
  // A quiet chain's newest block may be old.
  const nowSec = Math.max(await market.nowSec(), Math.floor(Date.now() / 1000));
  const request: SessionRequest = {
    token: asked.token ?? ZeroAddress,
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

/**
 * A call that is given again goes on with the session of the journal, and so has to ask for that one. How long
 * registration was to be is not kept: when it ends is, and whoever calls is told.
 * @throws USAGE with the options that differ
 */
export async function requireSameRequest(
  { content, blobs, folder }: Journal<CollectorJournal>,
  asked: OpenRequest,
): Promise<void> {
  const request = requestIn(content.request);
  const { description, extractor } = await fetchDocuments(blobs, request);
  const { phases, schema } = asked;
  const sameSchema = schemaHash(description.schema as DataSetSchema) === schemaHash(schema);
  const width = asked.width ?? guardedWidth(schema);
  const differences: [string, boolean][] = [
    ["--title", description.title !== asked.title],
    ["--schema", !sameSchema],
    [
      "--validation",
      sameSchema && fingerprint(labelledRows(asked.validation, schema)) !== content.validationHash,
    ],
    ["--token", request.token !== (asked.token ?? ZeroAddress)],
    ["--reward", request.reward !== asked.rewardWei],
    ["--deposit", request.deposit !== asked.depositWei],
    ["--sampling-share", request.samplingBps !== asked.samplingBps],
    ["--min-shards", request.minShards !== asked.minShards],
    ["--shards-per-sample", request.shardsPerSample !== asked.shardsPerSample],
    ["--rows-per-shard", description.rowsPerShard !== asked.rowsPerShard],
    ["--hidden", extractor.hidden !== asked.hidden],
    ["--width", sameSchema && extractor.lastLayer.length !== width],
    ["--sample-for", request.sampleSec !== phases.sample],
    ["--features-for", request.featuresSec !== phases.features],
    ["--review-for", request.reviewSec !== phases.review],
    ["--answer-for", request.answerSec !== phases.answer],
    ["--choose-for", request.optimalSec !== phases.optimal],
    ["--claim-for", request.claimSec !== phases.claim],
  ];
  const differing = differences.filter(([, differs]) => differs).map(([option]) => option);
  if (differing.length === 0) return;
  throw new SymbolonError(
    "USAGE",
    `${folder} holds a session that was asked for with another ${differing.join(", ")}`,
    { hint: "give the same options to go on with it, or another --folder to open another session" },
  );
}

/** A journal whose session can never be opened any more. @throws STATE_INVALID */
export function requireOpenable({ content, folder }: Journal<CollectorJournal>, nowSec: number): void {
  const { registerBySec } = content.request;
  if (nowSec + leastPhaseSec <= registerBySec) return;
  throw new SymbolonError(
    "STATE_INVALID",
    `the session in ${folder} was not opened in time: its registration ends at ${showTime(registerBySec)}`,
    { hint: "no money went into it; open another in another --folder" },
  );
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
