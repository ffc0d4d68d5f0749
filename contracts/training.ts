/**
 * Trainings on their chain, typed. The contract keeps hashes; the terms stand in events, and what comes from an
 * event is checked against the hash that the contract keeps. Every transaction is estimated first, so that a
 * refusal costs nothing and comes as words; it resolves when it is mined.
 */
import {
  type BytesLike,
  Contract,
  hexlify,
  type Provider,
  type Signer,
  type TransactionReceipt,
  toBeHex,
  ZeroAddress,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact } from "./artifacts.ts";
import { compactSignature, reasonBytes } from "./eip712.ts";
import type { FailureNotice, ThreeSignatures } from "./market-inputs.ts";
import { type OperatorStatus, operatorStatuses } from "./market-views.ts";
import { explainRefusal } from "./operator-status.ts";
import { deployContract } from "./payer.ts";
import type { Payout } from "./payouts.ts";
import { toChainError } from "./revert-reasons.ts";
import {
  type RoundAttestationMessage,
  type TrainingDomain,
  type TrainingTerms,
  trainingTermsHash,
} from "./training-eip712.ts";
import {
  decodeTrainingLog,
  fetchTrainingEvents,
  type TrainingEvent,
  type TrainingEventBody,
  type TrainingEventOf,
  type TrainingEventType,
} from "./training-events.ts";
import { type OwnerStatus, ownerStatuses, type TrainingState, trainingStates } from "./training-states.ts";
import { minedTimeoutMs, Transactions } from "./transactions.ts";

/** Where trainings are, and the block before which there are none. */
export interface TrainingDeployment extends TrainingDomain {
  blockNumber: number;
}

export interface TrainingInput {
  members: readonly [string, string, string];
  algorithm: string;
  /** An ERC-20 token, which the account has approved for the whole escrow; none for ETH. */
  token?: string;
  /** Of one round, for the accepted data owners. */
  reward: bigint;
  /** Of one round, for the three operators. */
  fee: bigint;
  deposit: bigint;
  rounds: number;
  minOwners: number;
  maxOwners: number;
  maxByzantine: number;
  joinSec: number;
  commitSec: number;
  attestSec: number;
  /** sha256 of the share of the initial model that is sealed to each point. */
  modelHashes: readonly [string, string, string];
  /** Canonical JSON. */
  spec: BytesLike;
}

export interface Training {
  state: TrainingState;
  round: bigint;
  owners: number;
  committed: number;
  /** Last second of joining or committing; since the end, when it was. */
  phaseEndSec: number;
  inputRoot: string;
  termsHash: string;
}

export interface DataOwner {
  status: OwnerStatus;
  leftAtSec: number;
  /** Of the last commitment; 0 for none. */
  round: bigint;
  commitmentTag: bigint;
}

export interface RoundClaim extends Payout {
  training: bigint;
  round: bigint;
}

export interface SignedUpdate {
  root: string;
  signature: string;
}

/** Puts the contract on a chain, beside the operators of a market. */
export async function deployGradientRounds(
  signer: Signer,
  options: { operatorRegistry: string; evidenceSec: number },
): Promise<TrainingDeployment> {
  try {
    const args = [options.operatorRegistry, options.evidenceSec];
    const contract = await deployContract(signer, "GradientRounds", args);
    const receipt = await contract.deploymentTransaction()?.wait(1, minedTimeoutMs);
    if (!receipt) throw new SymbolonError("CHAIN_UNREACHABLE", "the deployment was not mined");
    const { chainId } = await signer.provider!.getNetwork();
    return {
      chainId: Number(chainId),
      gradientRounds: await contract.getAddress(),
      blockNumber: receipt.blockNumber,
    };
  } catch (error) {
    throw toChainError(error);
  }
}

export class TrainingMarket {
  readonly deployment: TrainingDeployment;
  readonly #runner: Signer | Provider;
  readonly #contract: Contract;
  readonly #terms = new Map<bigint, TrainingTerms>();
  readonly #transactions: Transactions;

  /** @throws CONFIG_INVALID for a signer without a provider, or when the contracts are not built */
  constructor(deployment: TrainingDeployment, runner: Signer | Provider) {
    this.#transactions = new Transactions(runner);
    this.deployment = deployment;
    this.#runner = runner;
    this.#contract = new Contract(deployment.gradientRounds, artifact("GradientRounds").abi, runner.provider);
  }

  // ---- model owners --------------------------------------------------------------------------------

  /** Opens a training and escrows all of its rounds. */
  async open(input: TrainingInput): Promise<{ receipt: TransactionReceipt; training: bigint }> {
    const { token = ZeroAddress, spec, ...rest } = input;
    const cost = (input.reward + input.fee) * BigInt(input.rounds);
    const request = { token, spec: hexlify(spec), ...rest };
    const receipt = await this.#send("open", [request], token === ZeroAddress ? cost : 0n);
    return { receipt, training: this.#emitted(receipt, "TrainingOpened").training };
  }

  // ---- data owners ---------------------------------------------------------------------------------

  async join(training: bigint): Promise<TransactionReceipt> {
    const terms = await this.terms(training);
    return this.#send("join", [training, terms], terms.token === ZeroAddress ? terms.deposit : 0n);
  }

  leave(training: bigint): Promise<TransactionReceipt> {
    return this.#send("leaveTraining", [training]);
  }

  /** @param ciphertextHashes sha256 of the share that is sealed to each point */
  async commit(
    training: bigint,
    round: bigint,
    ciphertextHashes: readonly [string, string, string],
  ): Promise<{ receipt: TransactionReceipt; root: string; inputRoot: string }> {
    const receipt = await this.#send("commit", [training, round, ciphertextHashes]);
    const { root, inputRoot } = this.#emitted(receipt, "UpdateCommitted");
    return { receipt, root, inputRoot };
  }

  // ---- anyone --------------------------------------------------------------------------------------

  async startRound(training: bigint): Promise<TransactionReceipt> {
    return this.#send("startRound", [training, await this.terms(training)]);
  }

  async attest(message: RoundAttestationMessage, signatures: ThreeSignatures): Promise<TransactionReceipt> {
    const terms = await this.terms(message.training);
    return this.#send("attest", [terms, message, signatures.map(compactSignature)]);
  }

  async fail(
    training: bigint,
    notices: readonly [FailureNotice, FailureNotice],
  ): Promise<TransactionReceipt> {
    const encoded = notices.map(({ point, reason, signature }) => ({
      point,
      reason: reasonBytes(reason),
      signature: compactSignature(signature),
    }));
    return this.#send("fail", [training, await this.terms(training), encoded]);
  }

  async expire(training: bigint): Promise<TransactionReceipt> {
    return this.#send("expire", [training, await this.terms(training)]);
  }

  async refund(training: bigint): Promise<TransactionReceipt> {
    return this.#send("refund", [training, await this.terms(training)]);
  }

  async withdraw(training: bigint, owner: string): Promise<TransactionReceipt> {
    return this.#send("withdraw", [training, await this.terms(training), owner]);
  }

  async claim(claim: RoundClaim): Promise<TransactionReceipt> {
    return this.#send("claim", [await this.#claimArgument(claim)]);
  }

  async claimMany(claims: readonly RoundClaim[]): Promise<TransactionReceipt> {
    return this.#send("claimMany", [await Promise.all(claims.map((claim) => this.#claimArgument(claim)))]);
  }

  /** Shows two updates that a data owner signed for one round. */
  async convictOwner(
    training: bigint,
    owner: string,
    round: bigint,
    updates: readonly [SignedUpdate, SignedUpdate],
  ): Promise<TransactionReceipt> {
    const terms = await this.terms(training);
    return this.#send("convictOwner", [training, terms, owner, round, updates.map(signedArgument)]);
  }

  /** Shows an update that a data owner signed beside its last one on the chain. */
  async convictCommitter(training: bigint, owner: string, update: SignedUpdate): Promise<TransactionReceipt> {
    const terms = await this.terms(training);
    return this.#send("convictCommitter", [training, terms, owner, signedArgument(update)]);
  }

  async payForfeit(training: bigint, owner: string): Promise<TransactionReceipt> {
    return this.#send("payForfeit", [training, await this.terms(training), owner]);
  }

  /** Shows two attestations that one operator signed for one round. */
  convictOperator(
    attestations: readonly [RoundAttestationMessage, RoundAttestationMessage],
    signatures: readonly [string, string],
  ): Promise<TransactionReceipt> {
    return this.#send("convictOperator", [attestations, signatures.map(compactSignature)]);
  }

  // ---- reads ---------------------------------------------------------------------------------------

  /** A training as it stands now. @throws NOT_FOUND */
  async training(id: bigint): Promise<Training> {
    const now = await this.#call("training", [id]);
    const state = trainingStates[Number(now.state)] ?? "None";
    if (state === "None") throw new SymbolonError("NOT_FOUND", `no training ${id}`);
    return {
      state,
      round: now.round as bigint,
      owners: Number(now.owners),
      committed: Number(now.committed),
      phaseEndSec: Number(now.phaseEndSec),
      inputRoot: now.inputRoot as string,
      termsHash: now.termsHash as string,
    };
  }

  async dataOwner(training: bigint, owner: string): Promise<DataOwner> {
    const now = await this.#call("dataOwner", [training, owner]);
    return {
      status: ownerStatuses[Number(now.status)] ?? "None",
      leftAtSec: Number(now.leftAtSec),
      round: now.round as bigint,
      commitmentTag: now.commitmentTag as bigint,
    };
  }

  /** What is not yet paid out of a round, and the hash of its outcome; 0 before the attestation. */
  async roundPurse(training: bigint, round: bigint): Promise<{ unclaimed: bigint; outcomeHash: string }> {
    const now = await this.#call("roundPurse", [training, round]);
    return { unclaimed: now.unclaimed as bigint, outcomeHash: now.outcomeHash as string };
  }

  async isClaimed(training: bigint, round: bigint, index: number | bigint): Promise<boolean> {
    return this.#guard(() => this.#contract.getFunction("isClaimed")(training, round, index));
  }

  async isConvicted(operator: string): Promise<boolean> {
    return this.#guard(() => this.#contract.getFunction("convicted")(operator));
  }

  /** A training's terms, checked against the hash on chain. @throws NOT_FOUND, COMMITMENT_MISMATCH */
  async terms(training: bigint): Promise<TrainingTerms> {
    const known = this.#terms.get(training);
    if (known !== undefined) return known;
    const { terms } = await this.opening(training);
    this.#terms.set(training, terms);
    return terms;
  }

  /** How a training was opened. @throws NOT_FOUND, COMMITMENT_MISMATCH */
  async opening(training: bigint): Promise<TrainingEventOf<"TrainingOpened">> {
    const [{ termsHash }, events] = await Promise.all([this.training(training), this.events(training)]);
    const opened = events.find((event) => event.type === "TrainingOpened");
    if (opened === undefined) throw new SymbolonError("NOT_FOUND", `no training ${training}`);
    if (trainingTermsHash(opened.terms) !== termsHash) {
      throw new SymbolonError(
        "COMMITMENT_MISMATCH",
        `the terms of training ${training} do not fit its hash`,
        {
          hint: "use another JSON-RPC endpoint",
        },
      );
    }
    return opened;
  }

  /** All events of one training but convictions of operators, in the chain's order. */
  async events(training: bigint): Promise<TrainingEvent[]> {
    return this.#guard(() =>
      fetchTrainingEvents(this.#runner.provider!, {
        address: this.deployment.gradientRounds,
        topics: [null, toBeHex(training, 32)],
        fromBlock: this.deployment.blockNumber,
        toBlock: "latest",
      }),
    );
  }

  // ---- inside --------------------------------------------------------------------------------------

  async #claimArgument({ training, round, index, account, amountWei, proof }: RoundClaim) {
    const { token } = await this.terms(training);
    return { training, round, token, payout: { index, account, amount: amountWei }, proof };
  }

  async #call(method: string, args: readonly unknown[]): Promise<Record<string, unknown>> {
    return this.#guard(() => this.#contract.getFunction(method)(...args));
  }

  #send(method: string, args: readonly unknown[], valueWei = 0n): Promise<TransactionReceipt> {
    const { abi } = artifact("GradientRounds");
    const to = this.deployment.gradientRounds;
    return this.#guard(() => this.#transactions.send({ to, abi, method, args, valueWei }));
  }

  #emitted<Type extends TrainingEventType>(
    receipt: TransactionReceipt,
    type: Type,
  ): Extract<TrainingEventBody, { type: Type }> {
    for (const log of receipt.logs) {
      // A token may emit what looks like an event of ours.
      if (log.address.toLowerCase() !== this.deployment.gradientRounds.toLowerCase()) continue;
      const body = decodeTrainingLog(log);
      if (body?.type === type) return body as Extract<TrainingEventBody, { type: Type }>;
    }
    throw new SymbolonError("INTERNAL", `the transaction has no ${type} event`);
  }

  async #guard<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      throw await explainRefusal(error, (operator) => this.#operatorStatus(operator));
    }
  }

  async #operatorStatus(operator: string): Promise<OperatorStatus> {
    const registry = (await this.#contract.getFunction("operatorRegistry")()) as string;
    const { abi } = artifact("OperatorRegistry");
    const { status } = await new Contract(registry, abi, this.#runner.provider).getFunction("operators")(
      operator,
    );
    return operatorStatuses[Number(status)] ?? "None";
  }
}

function signedArgument({ root, signature }: SignedUpdate) {
  return { root, signature: compactSignature(signature) };
}
