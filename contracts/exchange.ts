/**
 * The exchange of raw data sets on its chain, typed: the calls of one account, the reads, and its events. Every
 * transaction is estimated first, so that a refusal costs nothing and comes as words; it resolves when it is mined.
 */
import {
  getBytes,
  hexlify,
  type Log,
  type Provider,
  type Result,
  type Signer,
  type TransactionReceipt,
  ZeroAddress,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { artifact } from "./artifacts.ts";
import {
  type Commitment,
  commitmentHash,
  conditionsHash,
  factsHash,
  keysHash,
  type SessionRequest,
  type SessionTerms,
  type ShardOpening,
  sampleSeed,
  seatId,
  sessionId,
  sessionTerms,
  wordsHash,
} from "./exchange-commitments.ts";
import { toExchangeError } from "./exchange-reasons.ts";
import { type SeatState, type SessionState, seatStates, sessionStates } from "./exchange-states.ts";
import { deployContract } from "./payer.ts";
import { type GasEstimate, minedTimeoutMs, Transactions } from "./transactions.ts";

/** A registration with the facts of its steps, as far as it has come. */
export interface Registration {
  seat: bigint;
  commitment: Commitment;
  seed?: string;
  featuresRoot?: string;
  /** The sampled keys, once the review was answered. */
  keys?: readonly string[];
}

/** Seat numbers stand for one account's places, from 0. */
export type SeatNumber = bigint | number;

type Seat = { session: string; seat: bigint };
export type ExchangeEvent =
  | { type: "SessionOpened"; session: string; collector: string; request: SessionRequest }
  | { type: "DepositAdded" | "DepositWithdrawn"; seat: bigint; token: string; amount: bigint }
  | ({ type: "ProviderRegistered"; commitment: Commitment } & Seat)
  | ({ type: "ShardsSampled"; seed: string } & Seat)
  | ({ type: "FeaturesCommitted" | "FeaturesDelivered" | "CandidateNamed"; featuresRoot: string } & Seat)
  | ({ type: "FeaturesMissed" | "ReviewAsked" | "OptimalNamed" } & Seat)
  | ({ type: "ReviewAnswered"; keys: string[] } & Seat)
  | ({ type: "RewardClaimed"; masterKey: string; reward: bigint } & Seat)
  | ({ type: "SeatReleased"; deposit: bigint; compensation: bigint } & Seat)
  | ({ type: "DepositForfeited"; deposit: bigint; compensation: bigint } & Seat)
  | { type: "SessionClosed"; session: string; refund: bigint };

/** Deploys an exchange. @param sampleDelaySec longer than the chain's reorganisations */
export async function deployExchange(signer: Signer, sampleDelaySec: number): Promise<string> {
  try {
    const contract = await deployContract(signer, "ReviewExchange", [sampleDelaySec]);
    await contract.deploymentTransaction()?.wait(1, minedTimeoutMs);
    return await contract.getAddress();
  } catch (error) {
    throw toExchangeError(error);
  }
}

export class ExchangeMarket {
  readonly address: string;
  readonly #runner: Signer | Provider;
  readonly #transactions: Transactions;

  /** @throws CONFIG_INVALID for a signer without a provider */
  constructor(address: string, runner: Signer | Provider) {
    this.#transactions = new Transactions(runner);
    this.address = address;
    this.#runner = runner;
  }

  /** Called before a transaction is sent. */
  set onEstimate(listener: (estimate: GasEstimate) => void) {
    this.#transactions.onEstimate = listener;
  }

  // ---- collector -----------------------------------------------------------------------------------

  /** Opens a session. A reward in a token must be approved for the exchange before. */
  async open(
    request: SessionRequest,
  ): Promise<{ receipt: TransactionReceipt; session: string; terms: SessionTerms }> {
    const terms = sessionTerms(await this.#transactions.signer.getAddress(), request);
    const receipt = await this.#send("open", [request], request.token === ZeroAddress ? request.reward : 0n);
    return { receipt, session: sessionId(terms), terms };
  }

  /** Reveals the secret, and so samples a registration. */
  async sample(
    request: SessionRequest,
    secret: string,
    { seat, commitment }: Registration,
  ): Promise<{ receipt: TransactionReceipt; seed: string }> {
    const terms = sessionTerms(await this.#transactions.signer.getAddress(), request);
    const { extractorHash, descriptionHash } = request;
    const opening = { ...terms, secret, extractorHash, descriptionHash };
    const facts = commitmentHash(commitment);
    const receipt = await this.#send("sample", [opening, seat, facts]);
    return { receipt, seed: sampleSeed(secret, sessionId(terms), seat, facts) };
  }

  /** Says that the features of a sampled registration are missing. */
  accuse(terms: SessionTerms, registration: Registration): Promise<TransactionReceipt> {
    return this.#send("accuse", lightArguments(terms, registration, "seed"));
  }

  /** Names a candidate, whose `featuresRoot` was evaluated. */
  candidate(terms: SessionTerms, registration: Registration): Promise<TransactionReceipt> {
    const featuresRoot = known(registration, "featuresRoot");
    return this.#send("candidate", [...lightArguments(terms, registration, "seed"), featuresRoot]);
  }

  review(terms: SessionTerms, registration: Registration): Promise<TransactionReceipt> {
    return this.#send("reviewSample", lightArguments(terms, registration, "featuresRoot"));
  }

  /** Names the winner. The contract does not look whether it has answered, so this does. */
  async optimal(terms: SessionTerms, registration: Registration): Promise<TransactionReceipt> {
    const { tag } = await this.seat(registration.seat);
    const bound = wordsHash(sessionId(terms), factsAt(registration, "keys"));
    if (tag !== BigInt(bound) >> 8n) {
      throw new SymbolonError("STATE_INVALID", "this registration has not answered a review in this session");
    }
    return this.#send("optimal", [terms.schedule, conditionsHash(terms), registration.seat]);
  }

  close(terms: SessionTerms): Promise<TransactionReceipt> {
    return this.#send("close", [terms]);
  }

  // ---- provider ------------------------------------------------------------------------------------

  deposit(number: SeatNumber, amount: bigint, token = ZeroAddress): Promise<TransactionReceipt> {
    if (token === ZeroAddress) return this.#send("deposit", [number], amount);
    return this.#send("depositToken", [number, token, amount]);
  }

  withdraw(number: SeatNumber, amount: bigint): Promise<TransactionReceipt> {
    return this.#send("withdraw", [number, amount]);
  }

  async register(
    terms: SessionTerms,
    number: SeatNumber,
    commitment: Commitment,
  ): Promise<{ receipt: TransactionReceipt; registration: Registration }> {
    const receipt = await this.#send("register", [terms, number, commitment]);
    const seat = seatId(await this.#transactions.signer.getAddress(), number);
    return { receipt, registration: { seat, commitment } };
  }

  features(session: string, number: SeatNumber, featuresRoot: string): Promise<TransactionReceipt> {
    return this.#send("features", [session, number, featuresRoot]);
  }

  /** Puts the features on chain after an accusation. */
  deliver(terms: SessionTerms, registration: Registration): Promise<TransactionReceipt> {
    const facts = factsAt(registration, "seed");
    const featuresRoot = known(registration, "featuresRoot");
    return this.#send("deliver", [terms, numberOf(registration), facts, featuresRoot]);
  }

  /** Opens the sampled shards. Count the reviews asked before: see maxAnswers. */
  answer(
    terms: SessionTerms,
    registration: Registration,
    openings: readonly ShardOpening[],
  ): Promise<TransactionReceipt> {
    const { commitment } = registration;
    const [seed, featuresRoot] = [known(registration, "seed"), known(registration, "featuresRoot")];
    const args = [terms, numberOf(registration), commitment, seed, featuresRoot, openings];
    return this.#send("answer", args);
  }

  /** Reveals the master key for the reward. It is public from now on. */
  claim(terms: SessionTerms, registration: Registration, masterKey: Uint8Array): Promise<TransactionReceipt> {
    const { shardRoot, shardCount } = registration.commitment;
    const revealed = {
      shardRoot,
      shardCount,
      seed: known(registration, "seed"),
      featuresRoot: known(registration, "featuresRoot"),
      masterKey: hexlify(masterKey),
    };
    return this.#send("claim", [terms, numberOf(registration), revealed]);
  }

  // ---- anyone --------------------------------------------------------------------------------------

  /** Ends a registration that can go no further; its deposit and compensation are the seat's again. */
  async release(terms: SessionTerms, registration: Registration): Promise<TransactionReceipt> {
    return this.#send("release", [terms, registration.seat, await this.#factsNow(registration)]);
  }

  /** Pays the collector the deposit of a provider that failed. */
  async forfeit(terms: SessionTerms, registration: Registration): Promise<TransactionReceipt> {
    return this.#send("forfeit", [terms, registration.seat, await this.#factsNow(registration)]);
  }

  async #factsNow(registration: Registration): Promise<string> {
    return factsAt(registration, lastFacts[(await this.seat(registration.seat)).state]);
  }

  async session(id: string): Promise<{ state: SessionState; answered: number; winner: bigint | null }> {
    const [state, answered, winner] = await this.#call("sessionOf", [id]);
    return {
      state: sessionStates[Number(state)]!,
      answered: Number(answered),
      winner: winner === 0n ? null : winner,
    };
  }

  /** A seat; `token` and `amount` say what it holds while it is idle. */
  async seat(seat: bigint): Promise<{ state: SeatState; tag: bigint; token: string; amount: bigint }> {
    const [state, tag, token, amount] = await this.#call("seatOf", [seat]);
    return { state: seatStates[Number(state)]!, tag, token, amount };
  }

  /** How long after the end of registration sampling begins. */
  async sampleDelaySec(): Promise<number> {
    const [seconds] = await this.#call("sampleDelaySec", []);
    return Number(seconds);
  }

  /** The second of the newest block: the clock that phases go by. */
  async nowSec(): Promise<number> {
    try {
      const block = await this.#runner.provider!.getBlock("latest");
      if (block === null) throw new SymbolonError("CHAIN_UNREACHABLE", "the endpoint has no newest block");
      return block.timestamp;
    } catch (error) {
      throw toExchangeError(error);
    }
  }

  /** All events of the exchange, in the chain's order. */
  async events(fromBlock = 0): Promise<ExchangeEvent[]> {
    try {
      const logs = await this.#runner.provider!.getLogs({ address: this.address, fromBlock });
      return logs.map(decodeExchangeLog).filter((event) => event !== null);
    } catch (error) {
      throw toExchangeError(error);
    }
  }

  // ---- sending -------------------------------------------------------------------------------------

  async #call(method: string, args: readonly unknown[]): Promise<Result> {
    try {
      const { abi } = artifact("ReviewExchange");
      const data = abi.encodeFunctionData(method, args);
      const answer = await this.#runner.provider!.call({ to: this.address, data });
      return abi.decodeFunctionResult(method, answer);
    } catch (error) {
      throw toExchangeError(error);
    }
  }

  async #send(method: string, args: readonly unknown[], valueWei = 0n): Promise<TransactionReceipt> {
    const { abi } = artifact("ReviewExchange");
    try {
      return await this.#transactions.send({ to: this.address, abi, method, args, valueWei });
    } catch (error) {
      throw toExchangeError(error);
    }
  }
}

/** Decodes a log of the exchange; null for an event of another contract. */
export function decodeExchangeLog(log: Pick<Log, "topics" | "data">): ExchangeEvent | null {
  const parsed = artifact("ReviewExchange").abi.parseLog(log);
  if (parsed === null) return null;
  const values = parsed.fragment.inputs.map((input, index) => [input.name, plain(parsed.args[index])]);
  const body = Object.fromEntries(values) as Record<string, unknown>;
  if (parsed.name === "SessionOpened") body.request = requestOf(parsed.args.request);
  if (parsed.name === "ProviderRegistered") body.commitment = commitmentOf(parsed.args.commitment);
  return { type: parsed.name, ...body } as ExchangeEvent;
}

function plain(value: unknown): unknown {
  return Array.isArray(value) ? [...value] : value;
}

function requestOf(value: Result): SessionRequest {
  const amounts = ["token", "reward", "deposit", "secretHash", "extractorHash", "descriptionHash"];
  const fields = Object.entries(value.toObject());
  return Object.fromEntries(
    fields.map(([name, field]) => [name, amounts.includes(name) ? field : Number(field)]),
  ) as unknown as SessionRequest;
}

function commitmentOf({ shardRoot, masterKeyHash, shardCount }: Result): Commitment {
  return { shardRoot, masterKeyHash, shardCount: Number(shardCount) };
}

type Fact = "seed" | "featuresRoot" | "keys";

function known<Name extends Fact>(registration: Registration, fact: Name) {
  const value = registration[fact];
  if (value === undefined) {
    throw new SymbolonError("PARAMETER_INVALID", `the registration has no ${fact} yet`);
  }
  return value;
}

/** What a seat is bound to last, by its state. */
const lastFacts: Partial<Record<SeatState, Fact>> = {
  Sampled: "seed",
  Accused: "seed",
  Delivered: "featuresRoot",
  Candidate: "featuresRoot",
  Reviewing: "featuresRoot",
  Answered: "keys",
};

/** The facts of a registration up to the step that brought `last`; without it, the commitment alone. */
function factsAt(registration: Registration, last?: Fact): string {
  const later: string[] = [];
  if (last !== undefined) later.push(known(registration, "seed"));
  if (last === "featuresRoot" || last === "keys") later.push(known(registration, "featuresRoot"));
  if (last === "keys") later.push(keysHash(known(registration, "keys").map((key) => getBytes(key))));
  return factsHash(commitmentHash(registration.commitment), ...later);
}

function lightArguments(terms: SessionTerms, registration: Registration, last: Fact) {
  return [terms.schedule, conditionsHash(terms), registration.seat, factsAt(registration, last)];
}

function numberOf({ seat }: Registration): bigint {
  return seat & 0xffff_ffff_ffff_ffffn;
}
