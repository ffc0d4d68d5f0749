/** The events of a market's contracts as typed values, in the order of the chain. */
import { getBytes, type Log, type LogDescription, type Provider, type Result } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact, type ContractName, contractNames } from "./artifacts.ts";
import { type ResultParts, resultRoot } from "./commitments.ts";
import type { Deployment } from "./deployment.ts";
import { reasonText } from "./revert-reasons.ts";
import { decodeTerms, type UseTerms } from "./use-terms.ts";

/** Where an event stands. */
export interface EventPosition {
  blockNumber: number;
  blockHash: string;
  /** Time stamp of its block. */
  timestampSec: number;
  txHash: string;
  logIndex: number;
}

export interface OperatorDetails {
  operator: string;
  signer: string;
  sealKey: string;
  channelKey: string;
  jiffKey: string;
  endpoint: string;
  feeWei: bigint;
}

export interface PublishedOffer {
  /** Its name, the data root. */
  offer: string;
  seller: string;
  operatorSet: string;
  schemaHash: string;
  rows: number;
  columns: number;
  nonce: string;
  ciphertextHashes: [string, string, string];
  /** For ever, whatever the terms. */
  budgetMicroRho: bigint;
  /** At publication. */
  terms: UseTerms;
}

export interface FundedJob {
  /** Its name, the hash of its terms. */
  job: string;
  buyer: string;
  operatorSet: string;
  algorithm: string;
  deadlineSec: number;
  resultKey: string;
  /** What the result spends of each budget; `exactMicroRho` for an exact one. */
  microRho: bigint;
  /** Hash of the declared purpose, or the zero hash. */
  purpose: string;
  /** Data roots, in the order in which they are computed on. */
  offers: string[];
  /** The bytes of the specification, 0x-hex. */
  spec: string;
  /** What is paid in; the zero address is ETH. */
  token: string;
  /** In the smallest unit of the token. */
  amountWei: bigint;
  /** By point: who must sign for this job, whatever the registry says later. */
  signers: [string, string, string];
}

/** What the three operators attested together. */
export interface AttestedOutcome {
  parts: ResultParts;
  /** Of the parts: the hash that is signed. */
  resultRoot: string;
  payoutRoot: string;
  budgetSpent: bigint;
}

export type MarketEventBody =
  | ({ type: "OperatorRegistered"; bondWei: bigint } & OperatorDetails)
  | ({ type: "OperatorUpdated" } & OperatorDetails)
  | { type: "OperatorRetired"; operator: string; withdrawableAtSec: number }
  | { type: "BondWithdrawn"; operator: string; amountWei: bigint }
  | { type: "OperatorPaused"; operator: string }
  | { type: "OperatorResumed"; operator: string }
  | { type: "OperatorSlashed"; operator: string; beneficiary: string; bondWei: bigint; rewardWei: bigint }
  | { type: "TokenAccepted"; operator: string; token: string; fee: bigint }
  | { type: "TokenRefused"; operator: string; token: string }
  | { type: "AlgorithmApproved"; operator: string; operatorSet: string; algorithm: string }
  | { type: "AlgorithmRevoked"; operator: string; operatorSet: string; algorithm: string }
  | { type: "SetCreated"; operatorSet: string; members: [string, string, string] }
  | ({ type: "OfferPublished" } & PublishedOffer)
  | { type: "OfferRelisted"; offer: string; terms: UseTerms }
  | { type: "OfferReplaced"; offer: string; replacement: string; budgetLeftMicroRho: bigint }
  | { type: "OfferVouched"; job: string; offer: string }
  | { type: "BudgetReturned"; job: string; offer: string; microRho: bigint }
  | { type: "OfferWithdrawn"; offer: string }
  | ({ type: "JobFunded" } & FundedJob)
  | { type: "JobJoined"; job: string }
  | ({ type: "JobAttested"; job: string } & AttestedOutcome)
  | { type: "JobDisputed"; job: string }
  | { type: "JobSettled"; job: string; payoutRoot: string }
  | { type: "JobFailed"; job: string; reasons: [string, string] }
  | { type: "JobOverturned"; job: string }
  | { type: "JobRefunded"; job: string; buyer: string; amountWei: bigint }
  | { type: "PayoutClaimed"; job: string; index: bigint; account: string; amountWei: bigint }
  | { type: "OperatorConvicted"; job: string; operator: string; digests: [string, string] }
  | { type: "ResultContested"; job: string; coordinate: bigint }
  | ({ type: "ChunkChallenged"; dueSec: number } & ChunkOfOperator)
  | ({ type: "ChunkPosted"; heldUntilSec: number; opening: ChunkOpening } & ChunkOfOperator)
  | ({ type: "OperatorExposed" } & ChunkOfOperator);

/** A chunk of the share of a result that an operator was asked for. */
export interface ChunkOfOperator {
  job: string;
  operator: string;
  point: number;
  chunk: number;
}

/** A chunk of one party's share, as the contract checks it. */
export interface ChunkOpening {
  salt: string;
  /** Of a posted one, whatever 256 bits its operator attested. */
  attempt: number | bigint;
  /** 16 bytes each, big-endian. */
  elements: Uint8Array;
  proof: readonly string[];
}

export type MarketEvent = EventPosition & MarketEventBody;
export type MarketEventType = MarketEvent["type"];
export type EventOf<Type extends MarketEventType> = Extract<MarketEvent, { type: Type }>;

/** How each event's arguments become its typed value. A test holds this against the compiled contracts. */
export const eventDecoders: {
  readonly [Type in MarketEventType]: (
    args: Result,
  ) => Omit<Extract<MarketEventBody, { type: Type }>, "type">;
} = {
  OperatorRegistered: (args) => ({ ...operatorDetails(args), bondWei: args.bondWei }),
  OperatorUpdated: operatorDetails,
  OperatorRetired: (args) => ({
    operator: args.operator,
    withdrawableAtSec: Number(args.withdrawableAtSec),
  }),
  BondWithdrawn: (args) => ({ operator: args.operator, amountWei: args.amountWei }),
  OperatorPaused: (args) => ({ operator: args.operator }),
  OperatorResumed: (args) => ({ operator: args.operator }),
  OperatorSlashed: (args) => ({
    operator: args.operator,
    beneficiary: args.beneficiary,
    bondWei: args.bondWei,
    rewardWei: args.rewardWei,
  }),
  TokenAccepted: (args) => ({ operator: args.operator, token: args.token, fee: args.fee }),
  TokenRefused: (args) => ({ operator: args.operator, token: args.token }),
  AlgorithmApproved: approvalOf,
  AlgorithmRevoked: approvalOf,
  SetCreated: (args) => ({ operatorSet: args.operatorSet, members: args.members.toArray() }),
  OfferPublished: (args) => ({
    offer: args.dataRoot,
    seller: args.seller,
    operatorSet: args.operatorSet,
    schemaHash: args.schemaHash,
    rows: Number(args.rows),
    columns: Number(args.columns),
    nonce: args.nonce,
    ciphertextHashes: args.ciphertextHashes.toArray(),
    budgetMicroRho: args.budgetMicroRho,
    terms: decodeTerms(args.terms, args.rules),
  }),
  OfferRelisted: (args) => ({ offer: args.dataRoot, terms: decodeTerms(args.terms, args.rules) }),
  OfferReplaced: (args) => ({
    offer: args.dataRoot,
    replacement: args.replacement,
    budgetLeftMicroRho: args.budgetLeftMicroRho,
  }),
  OfferVouched: (args) => ({ job: args.job, offer: args.dataRoot }),
  BudgetReturned: (args) => ({ job: args.job, offer: args.dataRoot, microRho: args.microRho }),
  OfferWithdrawn: (args) => ({ offer: args.dataRoot }),
  JobFunded: (args) => ({
    job: args.job,
    buyer: args.buyer,
    operatorSet: args.operatorSet,
    algorithm: args.algorithm,
    deadlineSec: Number(args.deadlineSec),
    resultKey: args.resultKey,
    microRho: args.microRho,
    purpose: args.purpose,
    offers: args.dataRoots.toArray(),
    spec: args.spec,
    token: args.token,
    amountWei: args.amount,
    signers: args.signers.toArray(),
  }),
  JobJoined: (args) => ({ job: args.job }),
  JobAttested: (args) => ({
    job: args.job,
    ...partsOf(args.parts),
    payoutRoot: args.payoutRoot,
    budgetSpent: args.budgetSpent,
  }),
  JobDisputed: (args) => ({ job: args.job }),
  JobSettled: (args) => ({ job: args.job, payoutRoot: args.payoutRoot }),
  JobFailed: (args) => ({ job: args.job, reasons: args.reasons.toArray().map(reasonText) }),
  JobOverturned: (args) => ({ job: args.job }),
  JobRefunded: (args) => ({ job: args.job, buyer: args.buyer, amountWei: args.amount }),
  PayoutClaimed: (args) => ({
    job: args.job,
    index: args.index,
    account: args.account,
    amountWei: args.amount,
  }),
  OperatorConvicted: (args) => ({
    job: args.job,
    operator: args.operator,
    digests: args.digests.toArray(),
  }),
  ResultContested: (args) => ({ job: args.job, coordinate: args.coordinate }),
  ChunkChallenged: (args) => ({ ...chunkOf(args), dueSec: Number(args.dueSec) }),
  ChunkPosted: (args) => ({
    ...chunkOf(args),
    heldUntilSec: Number(args.heldUntilSec),
    opening: openingOf(args.opening),
  }),
  OperatorExposed: chunkOf,
};

function approvalOf(args: Result) {
  return { operator: args.operator, operatorSet: args.operatorSet, algorithm: args.algorithm };
}

function chunkOf(args: Result): ChunkOfOperator {
  return {
    job: args.job,
    operator: args.operator,
    point: Number(args.point),
    chunk: Number(args.chunk),
  };
}

function partsOf(args: Result): Pick<AttestedOutcome, "parts" | "resultRoot"> {
  const parts: ResultParts = {
    roots: args.roots.toArray(),
    ciphertextHashes: args.ciphertextHashes.toArray(),
    fieldBits: Number(args.fieldBits),
    total: Number(args.total),
  };
  return { parts, resultRoot: resultRoot(parts) };
}

function openingOf({ salt, attempt, elements, proof }: Result): ChunkOpening {
  return { salt, attempt, elements: getBytes(elements), proof: proof.toArray() };
}

function operatorDetails(args: Result): OperatorDetails {
  return {
    operator: args.operator,
    signer: args.signer,
    sealKey: args.sealKey,
    channelKey: args.channelKey,
    jiffKey: args.jiffKey,
    endpoint: endpointOf(args as unknown as { endpoint: string }),
    feeWei: args.feeWei,
  };
}

/**
 * The registry does not look what bytes an endpoint has, and reading some that are no UTF-8 throws: one operator
 * could stop everybody who reads the events. No node is at an empty endpoint.
 */
export function endpointOf(args: { endpoint: string }): string {
  try {
    return args.endpoint;
  } catch {
    return "";
  }
}

export function addressOf(deployment: Deployment, contract: ContractName): string {
  const addresses: Record<ContractName, string> = {
    OperatorRegistry: deployment.operatorRegistry,
    JobEscrow: deployment.jobEscrow,
    Disputes: deployment.disputes,
  };
  return addresses[contract];
}

/** The contract that emits an event. */
export function emitterOf(type: MarketEventType): ContractName {
  const name = contractNames.find((contract) => artifact(contract).abi.hasEvent(type));
  if (name === undefined) throw new SymbolonError("INTERNAL", `no contract emits ${type}`);
  return name;
}

/** Decodes a log of one of the market's contracts; null for an event that is not the market's own. */
export function decodeMarketLog(
  deployment: Deployment,
  log: Pick<Log, "address" | "topics" | "data">,
): MarketEventBody | null {
  const contract = contractNames.find(
    (name) => addressOf(deployment, name).toLowerCase() === log.address.toLowerCase(),
  );
  if (contract === undefined) return null;
  const parsed: LogDescription | null = artifact(contract).abi.parseLog(log);
  if (parsed === null || !(parsed.name in eventDecoders)) return null;
  const type = parsed.name as MarketEventType;
  return { type, ...eventDecoders[type](parsed.args) } as MarketEventBody;
}

/**
 * Fetches logs and decodes them, in the chain's order.
 * @param onUnreadable gets logs that the contracts cannot have emitted, and they are left out
 * @throws what the provider throws; without `onUnreadable`, what decoding such a log throws
 */
export async function fetchMarketEvents(
  provider: Provider,
  deployment: Deployment,
  filter: {
    address: string | string[];
    topics?: (string | string[] | null)[];
    fromBlock: number;
    toBlock: number;
  },
  onUnreadable?: (log: Log) => void,
): Promise<MarketEvent[]> {
  if (filter.toBlock < filter.fromBlock) return [];
  const logs = await getLogsInParts(provider, filter);
  const times = new Map<string, Promise<number>>();
  const events = logs
    .toSorted((a, b) => a.blockNumber - b.blockNumber || a.index - b.index)
    .map(async (log): Promise<MarketEvent | null> => {
      const body = decodeOr(deployment, log, onUnreadable);
      if (body === null) return null;
      const time = times.get(log.blockHash) ?? blockTime(provider, log.blockHash);
      times.set(log.blockHash, time);
      return {
        ...body,
        blockNumber: log.blockNumber,
        blockHash: log.blockHash,
        timestampSec: await time,
        txHash: log.transactionHash,
        logIndex: log.index,
      };
    });
  return (await Promise.all(events)).filter((event) => event !== null);
}

function decodeOr(
  deployment: Deployment,
  log: Log,
  onUnreadable: ((log: Log) => void) | undefined,
): MarketEventBody | null {
  try {
    return decodeMarketLog(deployment, log);
  } catch (error) {
    if (onUnreadable === undefined) throw error;
    onUnreadable(log);
    return null;
  }
}

/**
 * Public endpoints limit the blocks or the results of one query, each in its own words; where one complains,
 * the range is halved until it does not.
 */
async function getLogsInParts(
  provider: Provider,
  filter: Parameters<typeof fetchMarketEvents>[2],
): Promise<Log[]> {
  try {
    return await provider.getLogs(filter);
  } catch (error) {
    const { fromBlock, toBlock } = filter;
    if (fromBlock >= toBlock || !saysTooMuch(error)) throw error;
    const middle = Math.floor((fromBlock + toBlock) / 2);
    const first = await getLogsInParts(provider, { ...filter, toBlock: middle });
    return [...first, ...(await getLogsInParts(provider, { ...filter, fromBlock: middle + 1 }))];
  }
}

function saysTooMuch(thrown: unknown, depth = 0): boolean {
  if (typeof thrown !== "object" || thrown === null || depth > 4) return false;
  const { message, info, error } = thrown as Record<string, unknown>;
  const limit =
    /block range|range (is )?too|too (large|wide|many)|exceed|limit|more than \d+ (results|logs)/i;
  if (typeof message === "string" && limit.test(message)) return true;
  return [info, error].some((inner) => saysTooMuch(inner, depth + 1));
}

async function blockTime(provider: Provider, blockHash: string): Promise<number> {
  const block = await provider.getBlock(blockHash);
  if (block === null) {
    throw new SymbolonError("CHAIN_UNREACHABLE", "the chain was reorganised while it was read", {
      hint: "try again",
    });
  }
  return block.timestamp;
}
