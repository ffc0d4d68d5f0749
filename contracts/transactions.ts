/**
 * The transactions of one account, for all contracts of a market. Each is estimated first, so that a refusal costs
 * nothing and comes as words, and resolves when it is mined. What is thrown is what ethers threw: whoever calls knows
 * the words for its contract.
 */
import {
  Interface,
  type Provider,
  type Signer,
  type TransactionReceipt,
  type TransactionResponse,
} from "ethers";
import { SymbolonError } from "../mpc/errors.ts";
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

/** Estimates are exact for the state they saw; another transaction may come first and change it a little. */
const gasMarginPercent = 15n;
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

  async send({ to, abi, method, args, valueWei = 0n }: Call): Promise<TransactionReceipt> {
    const { signer } = this;
    const request = { to, data: abi.encodeFunctionData(method, args), value: valueWei };
    await this.#requireCode(to);
    const estimate = await signer.estimateGas(request);
    const gasLimit = (estimate * (100n + gasMarginPercent)) / 100n;
    if (this.onEstimate !== undefined) {
      const { maxFeePerGas, gasPrice } = await this.provider.getFeeData();
      const pricePerGas = maxFeePerGas ?? gasPrice ?? 0n;
      this.onEstimate({ method, gas: estimate, mostWei: gasLimit * pricePerGas, valueWei });
    }
    const sending = this.#broadcasting.then(() => signer.sendTransaction({ ...request, gasLimit }));
    this.#broadcasting = sending.catch(() => undefined);
    const sent = await sending;
    const receipt = await sent.wait(1, minedTimeoutMs).catch((error) => this.#replay(sent, error));
    if (receipt === null) throw new SymbolonError("CHAIN_UNREACHABLE", "the transaction was not mined");
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
    const { provider, signer } = this;
    const owner = await signer.getAddress();
    const [held, allowed] = await Promise.all([
      balanceOf(provider, token, owner),
      allowanceOf(provider, token, owner, spender),
    ]);
    // Tokens have no common words for it, and some are approved in vain first.
    if (held < amount) {
      throw new SymbolonError(
        "FUNDS_MISSING",
        `the account has ${held} units of token ${token}, and the job costs ${amount}`,
        { hint: "send tokens to the account" },
      );
    }
    // With more than that, a fee that is raised meanwhile could be taken, too.
    if (allowed === amount) return undefined;
    const permit = await signPermit(signer, token, spender, amount, deadlineSec);
    if (permit !== undefined) return permit;
    const approve = { to: token, abi: erc20, method: "approve" };
    // Some tokens take a new allowance only after the old one was set to nothing.
    if (allowed > 0n) await this.send({ ...approve, args: [spender, 0n] });
    await this.send({ ...approve, args: [spender, amount] });
    return undefined;
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

  /** A receipt does not say why a mined transaction was reverted; calling it again in its block does. */
  async #replay(sent: TransactionResponse, error: unknown): Promise<never> {
    const { receipt } = error as { receipt?: TransactionReceipt };
    if (receipt?.status === 0) {
      const { from, to, data, value } = sent;
      await this.provider.call({ from, to, data, value, blockTag: receipt.blockNumber });
    }
    throw error;
  }
}
