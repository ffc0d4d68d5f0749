/**
 * The transactions of one account, for all contracts of a market. Each is estimated first, so that a refusal costs
 * nothing and comes as words, and resolves when it is mined. What is thrown is what ethers threw, save where the
 * account cannot pay: whoever calls knows the words for its contract.
 */
import {
  Interface,
  type Provider,
  type Signer,
  type TransactionReceipt,
  type TransactionRequest,
  type TransactionResponse,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
import { fundsMissing, paying } from "./payer.ts";
import { allowanceOf, balanceOf, type SignedPermit, signPermit } from "./tokens.ts";

/** What a transaction will take, told before it is sent. */
export interface GasEstimate {
  method: string;
  gas: bigint;
  /** What the gas can cost at the present fees, in wei. */
  mostWei: bigint;
  /** What is sent along. */
  valueWei: bigint;
}

/** A call of a contract. */
export interface Call {
  to: string;
  abi: Interface;
  method: string;
  args: readonly unknown[];
  valueWei?: bigint;
}

/** The place of a transaction among those of its account, and what it pays for a unit of gas at most. */
export interface Place {
  nonce: number;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
}

/** For a transaction that must be mined soon, whatever became of the one before it. */
export interface Urgency {
  /**
   * Of the last one that was sent so. Where it still waits, this one goes to the first place that is not mined, at a
   * higher fee: what stands there, be it that one or another that pays too little, holds up all behind it.
   */
  last?: Place | undefined;
  /** Called with the place before anybody sees the transaction. */
  onSend: (place: Place) => void;
  /** No fee goes beyond it. */
  mostFeePerGas: bigint;
  /** How long to wait until it is mined. */
  patienceMs: number;
}

/** Estimates are exact for the state they saw; another transaction may come first and change it a little. */
const gasMarginPercent = 15n;
/** And empty a slot that is written then: a count of open challenges that begins anew costs so much more. */
const emptySlotGas = 17_100n;
/** Of the fee before. Nodes take a transaction in another's place for 10 or 12.5 percent more. */
const raisePercent = 125n;
export const minedTimeoutMs = 180_000;
const erc20 = new Interface(["function approve(address spender, uint256 amount) returns (bool)"]);

export class Transactions {
  /** Called before a transaction is sent. */
  onEstimate: ((estimate: GasEstimate) => void) | undefined;
  readonly #runner: Signer | Provider;
  /** One broadcast at a time, so that two calls never draw the same nonce. */
  #broadcasting: Promise<unknown> = Promise.resolve();
  readonly #withCode = new Set<string>();

  /** @throws CONFIG_INVALID for a signer without a provider */
  constructor(runner: Signer | Provider) {
    if (runner.provider === null) throw new SymbolonError("CONFIG_INVALID", "the account has no provider");
    this.#runner = runner;
  }

  get provider(): Provider {
    return this.#runner.provider as Provider;
  }

  /** @throws CONFIG_INVALID for a connection that only reads */
  get signer(): Signer {
    if (!("signTransaction" in this.#runner)) {
      throw new SymbolonError("CONFIG_INVALID", "this connection has no account to send from");
    }
    return this.#runner;
  }

  async send(call: Call): Promise<TransactionReceipt> {
    const request = await this.#prepare(call);
    const sent = await this.#broadcast(request);
    return this.#mined(sent, minedTimeoutMs);
  }

  /**
   * Sends what has to be mined soon. Whoever calls again with the place that it was told sends the same or another call
   * in that place, at a higher fee: of all of them one is mined, and one is paid for. But where the place is behind
   * others that are not mined either, it takes that of the first of them, which is lost. Where the nodes refuse it there
   * since the other pays more than they know how to replace, the next one offers more again.
   * @throws CHAIN_UNREACHABLE also when it was not mined in time; it may still be
   */
  async sendUrgently(call: Call, urgency: Urgency): Promise<TransactionReceipt> {
    const request = await this.#prepare(call);
    const sent = await this.#broadcast(request, async () => {
      const place = await this.#place(urgency);
      urgency.onSend(place);
      return place;
    });
    return this.#mined(sent, urgency.patienceMs);
  }

  /**
   * Whether a call would be taken now and the account can pay for it, for who has much to do before it is sent.
   * @throws FUNDS_MISSING, and what the estimate throws
   */
  async check(call: Call): Promise<void> {
    const { request } = await this.#estimate(call);
    const missing = await fundsMissing(this.signer, request);
    if (missing !== undefined) throw missing;
  }

  async #prepare(call: Call) {
    const { request, estimate } = await this.#estimate(call);
    if (this.onEstimate !== undefined) {
      const mostWei = request.gasLimit * (await this.#pricePerGas());
      this.onEstimate({ method: call.method, gas: estimate, mostWei, valueWei: request.value });
    }
    return request;
  }

  async #estimate({ to, abi, method, args, valueWei = 0n }: Call) {
    const request = { to, data: abi.encodeFunctionData(method, args), value: valueWei };
    await this.#requireCode(to);
    const estimate = await paying(this.signer, request, () => this.signer.estimateGas(request));
    const gasLimit = (estimate * (100n + gasMarginPercent)) / 100n + emptySlotGas;
    return { request: { ...request, gasLimit }, estimate };
  }

  async #pricePerGas(): Promise<bigint> {
    const { maxFeePerGas, gasPrice } = await this.provider.getFeeData();
    return maxFeePerGas ?? gasPrice ?? 0n;
  }

  #broadcast(
    request: TransactionRequest,
    placeOf?: () => Promise<Partial<Place>>,
  ): Promise<TransactionResponse> {
    const sending = this.#broadcasting.then(async () => {
      const placed = { ...request, ...(await placeOf?.()) };
      return paying(this.signer, placed, () => this.signer.sendTransaction(placed));
    });
    this.#broadcasting = sending.catch(() => undefined);
    return sending;
  }

  async #place({ last, mostFeePerGas }: Urgency): Promise<Place> {
    const account = await this.signer.getAddress();
    const [mined, next, fees] = await Promise.all([
      this.provider.getTransactionCount(account, "latest"),
      this.provider.getTransactionCount(account, "pending"),
      this.provider.getFeeData(),
    ]);
    const waiting = last !== undefined && last.nonce >= mined ? last : undefined;
    const feeOf = (kind: "maxFeePerGas" | "maxPriorityFeePerGas"): bigint => {
      const raised = ((waiting?.[kind] ?? 0n) * raisePercent + 99n) / 100n;
      const present = fees[kind] ?? 0n;
      const fee = raised > present ? raised : present;
      return fee < mostFeePerGas ? fee : mostFeePerGas;
    };
    return {
      nonce: waiting === undefined ? next : mined,
      maxFeePerGas: feeOf("maxFeePerGas"),
      maxPriorityFeePerGas: feeOf("maxPriorityFeePerGas"),
    };
  }

  async #mined(sent: TransactionResponse, patienceMs: number): Promise<TransactionReceipt> {
    const receipt = await sent.wait(1, patienceMs).catch((error) => this.#explain(sent, error));
    if (receipt === null) throw notMined();
    return receipt;
  }

  /**
   * Lets `spender` take exactly `amount` of a token.
   * @returns the permit to show it, if one is needed and the token knows permits
   * @throws FUNDS_MISSING
   */
  async allow(
    token: string,
    spender: string,
    amount: bigint,
    deadlineSec: number,
  ): Promise<SignedPermit | undefined> {
    const allowed = await this.#allowance(token, spender, amount);
    // With more than that, a fee that is raised meanwhile could be taken, too.
    if (allowed === amount) return undefined;
    const permit = await signPermit(this.signer, token, spender, amount, deadlineSec);
    if (permit === undefined) await this.#approve(token, spender, allowed, amount);
    return permit;
  }

  /**
   * Lets `spender` take exactly `amount` of a token, for a contract that takes no permits.
   * @throws FUNDS_MISSING
   */
  async approve(token: string, spender: string, amount: bigint): Promise<void> {
    const allowed = await this.#allowance(token, spender, amount);
    if (allowed !== amount) await this.#approve(token, spender, allowed, amount);
  }

  /** What `spender` may take already, of an account that has `amount`. @throws FUNDS_MISSING */
  async #allowance(token: string, spender: string, amount: bigint): Promise<bigint> {
    const owner = await this.signer.getAddress();
    const [held, allowed] = await Promise.all([
      balanceOf(this.provider, token, owner),
      allowanceOf(this.provider, token, owner, spender),
    ]);
    // Tokens have no common words for it, and some are approved in vain first.
    if (held >= amount) return allowed;
    throw new SymbolonError(
      "FUNDS_MISSING",
      `account ${owner} has ${held} units of token ${token}, and ${amount} are due`,
      { hint: "send tokens to the account" },
    );
  }

  async #approve(token: string, spender: string, allowed: bigint, amount: bigint): Promise<void> {
    const approve = { to: token, abi: erc20, method: "approve" };
    // Some tokens take a new allowance only after the old one was set to nothing.
    if (allowed > 0n) await this.send({ ...approve, args: [spender, 0n] });
    await this.send({ ...approve, args: [spender, amount] });
  }

  /** A transaction to an address without code succeeds and takes the money with it. */
  async #requireCode(address: string): Promise<void> {
    if (this.#withCode.has(address)) return;
    if ((await this.provider.getCode(address)) === "0x") {
      throw new SymbolonError("CONFIG_INVALID", `there is no contract at ${address} on this chain`, {
        hint: "check chain and addresses of the deployment",
      });
    }
    this.#withCode.add(address);
  }

  async #explain(sent: TransactionResponse, error: unknown): Promise<TransactionReceipt> {
    const { code, reason, receipt } = error as {
      code?: string;
      reason?: string;
      receipt?: TransactionReceipt;
    };
    if (code === "TIMEOUT") throw notMined(error);
    if (receipt?.status === 1 && code === "TRANSACTION_REPLACED" && reason === "repriced") return receipt;
    if (receipt?.status === 0) {
      // A receipt does not say why a mined transaction was reverted; calling it again in its block does.
      const { from, to, data, value } = sent;
      await this.provider.call({ from, to, data, value, blockTag: receipt.blockNumber });
    }
    throw error;
  }
}

function notMined(cause?: unknown): SymbolonError {
  return new SymbolonError("CHAIN_UNREACHABLE", "the transaction was not mined in time; it still may be", {
    cause,
  });
}
