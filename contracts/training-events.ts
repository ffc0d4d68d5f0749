/** The events of trainings as typed values, in the order of the chain. */
import type { Log, Provider, Result } from "ethers";
import { artifact } from "./artifacts.ts";
import { reasonText } from "./revert-reasons.ts";
import type { TrainingTerms } from "./training-eip712.ts";

type Three = [string, string, string];

export type TrainingEventBody =
  | {
      type: "TrainingOpened";
      training: bigint;
      modelOwner: string;
      operatorSet: string;
      algorithm: string;
      modelHashes: Three;
      /** The bytes of the specification, 0x-hex. */
      spec: string;
      terms: TrainingTerms;
    }
  | { type: "OwnerJoined"; training: bigint; owner: string; owners: number }
  | { type: "OwnerLeft"; training: bigint; owner: string; withdrawableAtSec: number }
  | { type: "DepositWithdrawn"; training: bigint; owner: string; amount: bigint }
  | { type: "RoundStarted"; training: bigint; round: bigint; owners: number; commitEndSec: number }
  | {
      type: "UpdateCommitted";
      training: bigint;
      round: bigint;
      owner: string;
      ciphertextHashes: Three;
      root: string;
      inputRoot: string;
    }
  | {
      type: "RoundAttested";
      training: bigint;
      round: bigint;
      inputRoot: string;
      resultRoot: string;
      payoutRoot: string;
      acceptedCount: bigint;
    }
  | { type: "TrainingFinished"; training: bigint }
  | { type: "TrainingFailed"; training: bigint; round: bigint; reasons: [string, string] }
  | { type: "TrainingExpired"; training: bigint; round: bigint }
  | { type: "TrainingRefunded"; training: bigint; modelOwner: string; amount: bigint }
  | {
      type: "RoundPayoutClaimed";
      training: bigint;
      round: bigint;
      account: string;
      index: bigint;
      amount: bigint;
    }
  | {
      type: "OwnerConvicted";
      training: bigint;
      owner: string;
      reporter: string;
      round: bigint;
      roots: [string, string];
      amount: bigint;
    }
  | { type: "ForfeitPaid"; training: bigint; owner: string; modelOwner: string; amount: bigint }
  | {
      type: "OperatorConvicted";
      operator: string;
      training: bigint;
      round: bigint;
      signer: string;
      digests: [string, string];
    };

export type TrainingEventType = TrainingEventBody["type"];
export type TrainingEvent = TrainingEventBody & { blockNumber: number; txHash: string; logIndex: number };
export type TrainingEventOf<Type extends TrainingEventType> = Extract<TrainingEvent, { type: Type }>;

/** How each event's arguments become its typed value. A test holds this against the compiled contract. */
export const trainingEventDecoders: {
  readonly [Type in TrainingEventType]: (
    args: Result,
  ) => Omit<Extract<TrainingEventBody, { type: Type }>, "type">;
} = {
  TrainingOpened: (args) => ({
    training: args.trainingId,
    modelOwner: args.modelOwner,
    operatorSet: args.operatorSet,
    algorithm: args.algorithm,
    modelHashes: args.modelHashes.toArray(),
    spec: args.spec,
    terms: termsFrom(args.terms),
  }),
  OwnerJoined: (args) => ({ training: args.trainingId, owner: args.owner, owners: Number(args.owners) }),
  OwnerLeft: (args) => ({
    training: args.trainingId,
    owner: args.owner,
    withdrawableAtSec: Number(args.withdrawableAtSec),
  }),
  DepositWithdrawn: (args) => ({ training: args.trainingId, owner: args.owner, amount: args.amount }),
  RoundStarted: (args) => ({
    training: args.trainingId,
    round: args.round,
    owners: Number(args.owners),
    commitEndSec: Number(args.commitEndSec),
  }),
  UpdateCommitted: (args) => ({
    training: args.trainingId,
    round: args.round,
    owner: args.owner,
    ciphertextHashes: args.ciphertextHashes.toArray(),
    root: args.root,
    inputRoot: args.inputRoot,
  }),
  RoundAttested: (args) => ({
    training: args.trainingId,
    round: args.round,
    inputRoot: args.inputRoot,
    resultRoot: args.resultRoot,
    payoutRoot: args.payoutRoot,
    acceptedCount: args.acceptedCount,
  }),
  TrainingFinished: (args) => ({ training: args.trainingId }),
  TrainingFailed: (args) => ({
    training: args.trainingId,
    round: args.round,
    reasons: args.reasons.toArray().map(reasonText),
  }),
  TrainingExpired: (args) => ({ training: args.trainingId, round: args.round }),
  TrainingRefunded: (args) => ({
    training: args.trainingId,
    modelOwner: args.modelOwner,
    amount: args.amount,
  }),
  RoundPayoutClaimed: (args) => ({
    training: args.trainingId,
    round: args.round,
    account: args.account,
    index: args.index,
    amount: args.amount,
  }),
  OwnerConvicted: (args) => ({
    training: args.trainingId,
    owner: args.owner,
    reporter: args.reporter,
    round: args.round,
    roots: args.roots.toArray(),
    amount: args.amount,
  }),
  ForfeitPaid: (args) => ({
    training: args.trainingId,
    owner: args.owner,
    modelOwner: args.modelOwner,
    amount: args.amount,
  }),
  OperatorConvicted: (args) => ({
    operator: args.operator,
    training: args.trainingId,
    round: args.round,
    signer: args.signer,
    digests: args.digests.toArray(),
  }),
};

/** Decodes a log of a GradientRounds; null for an event that is not its own. */
export function decodeTrainingLog(log: Pick<Log, "topics" | "data">): TrainingEventBody | null {
  const parsed = artifact("GradientRounds").abi.parseLog(log);
  if (parsed === null || !(parsed.name in trainingEventDecoders)) return null;
  const type = parsed.name as TrainingEventType;
  return { type, ...trainingEventDecoders[type](parsed.args) } as TrainingEventBody;
}

/** Fetches logs and decodes them, in the chain's order. @throws what the provider throws */
export async function fetchTrainingEvents(
  provider: Provider,
  filter: {
    address: string;
    topics?: (string | string[] | null)[];
    fromBlock: number;
    toBlock: number | "latest";
  },
): Promise<TrainingEvent[]> {
  const logs = await provider.getLogs(filter);
  return logs
    .toSorted((a, b) => a.blockNumber - b.blockNumber || a.index - b.index)
    .flatMap((log) => {
      const body = decodeTrainingLog(log);
      if (body === null) return [];
      const { blockNumber, transactionHash: txHash, index: logIndex } = log;
      return [{ ...body, blockNumber, txHash, logIndex }];
    });
}

function termsFrom(terms: Result): TrainingTerms {
  return {
    modelOwner: terms.modelOwner,
    token: terms.token,
    reward: terms.reward,
    fee: terms.fee,
    deposit: terms.deposit,
    rounds: terms.rounds,
    minOwners: terms.minOwners,
    maxOwners: terms.maxOwners,
    maxByzantine: terms.maxByzantine,
    joinSec: terms.joinSec,
    commitSec: terms.commitSec,
    attestSec: terms.attestSec,
    specHash: terms.specHash,
    signers: terms.signers.toArray(),
  };
}
