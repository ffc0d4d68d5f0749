/** Typed reads of the operators' registry: who computes, in which sets, for what. */
import { SymbolonError } from "../mpc/errors.ts";
import { ChainReader } from "./chain-reader.ts";
import { type EventOf, endpointOf } from "./market-events.ts";
import { type IdleMember, type Operator, type OperatorSet, operatorStatuses } from "./market-views.ts";

export class OperatorReader extends ChainReader {
  /** @throws NOT_FOUND for an account that is not registered */
  async operator(address: string): Promise<Operator> {
    const record = (await this.call("OperatorRegistry", "operators", [address])) as {
      status: bigint;
      getValue(name: "keys"): { signer: string; sealKey: string; channelKey: string; jiffKey: string };
      feeWei: bigint;
      bondWei: bigint;
      withdrawableAtSec: bigint;
      endpoint: string;
    };
    const status = operatorStatuses[Number(record.status)] ?? "None";
    if (status === "None") {
      throw new SymbolonError("NOT_FOUND", `no operator ${address}`, {
        hint: "its owner registers it with `symbolon operator register`",
      });
    }
    // Not `record.keys`: that is Array's method, which ethers does not let a field hide.
    const { signer, sealKey, channelKey, jiffKey } = record.getValue("keys");
    return {
      address,
      status,
      signer,
      sealKey,
      channelKey,
      jiffKey,
      endpoint: endpointOf(record),
      feeWei: record.feeWei,
      bondWei: record.bondWei,
      withdrawableAtSec: status === "Leaving" ? Number(record.withdrawableAtSec) : null,
    };
  }

  /** All that ever registered and are still there. */
  async operators(): Promise<Operator[]> {
    const registered = await this.eventsOf("OperatorRegistered", []);
    const addresses = [...new Set(registered.map(({ operator }) => operator))];
    const found = addresses.map((address) => this.operator(address).catch(nullIfNotFound));
    return (await Promise.all(found)).filter((operator) => operator !== null);
  }

  /** The last time that an operator got its bond back: of one that is not registered, how it left. */
  async bondReturn(operator: string): Promise<EventOf<"BondWithdrawn"> | undefined> {
    return (await this.eventsOf("BondWithdrawn", [operator])).at(-1);
  }

  /** Whether one of these operators changed its record after a block, in which its keys stand. */
  async changedSince(operators: readonly string[], blockNumber: number): Promise<boolean> {
    const told = await Promise.all([
      this.eventsOf("OperatorRegistered", [operators]),
      this.eventsOf("OperatorUpdated", [operators]),
    ]);
    return told.flat().some((event) => event.blockNumber > blockNumber);
  }

  /** @throws NOT_FOUND */
  async set(id: string): Promise<OperatorSet> {
    const members = (await this.call("OperatorRegistry", "setMembers", [id])) as { toArray(): string[] };
    return { id, members: members.toArray() as OperatorSet["members"] };
  }

  /** Which of these sets take no new jobs now, each with the members that are the reason. */
  async idleSets(ids: readonly string[]): Promise<Map<string, IdleMember[]>> {
    const idle = await Promise.all(
      [...new Set(ids)].map(async (id) => [id, await this.#idleMembers(id)] as const),
    );
    return new Map(idle.filter(([, members]) => members.length > 0));
  }

  async #idleMembers(id: string): Promise<IdleMember[]> {
    const { members } = await this.set(id);
    const all = members.map(async (operator) => ({ operator, status: await this.operatorStatus(operator) }));
    return (await Promise.all(all)).filter(({ status }) => status !== "Active");
  }

  async sets(): Promise<OperatorSet[]> {
    const created = await this.eventsOf("SetCreated", []);
    return created.map(({ operatorSet, members }) => ({ id: operatorSet, members }));
  }

  async isApproved(operator: string, operatorSet: string, algorithm: string): Promise<boolean> {
    const args = [operator, operatorSet, algorithm];
    return (await this.call("OperatorRegistry", "isApproved", args)) as boolean;
  }

  /** Hashes of the algorithms that an operator runs in a set. */
  async approvals(operator: string, operatorSet: string): Promise<string[]> {
    const approved = await this.eventsOf("AlgorithmApproved", [operator, operatorSet]);
    const ever = [...new Set(approved.map(({ algorithm }) => algorithm))];
    const now = await Promise.all(ever.map((algorithm) => this.isApproved(operator, operatorSet, algorithm)));
    return ever.filter((_, index) => now[index]);
  }

  /** What an operator asks for a job that is paid in a token; null where it takes none. */
  async tokenFee(operator: string, token: string): Promise<bigint | null> {
    const [accepted, fee] = (await this.call("OperatorRegistry", "tokenFee", [operator, token])) as [
      boolean,
      bigint,
    ];
    return accepted ? fee : null;
  }
}

function nullIfNotFound(error: unknown): null {
  if (error instanceof SymbolonError && error.code === "NOT_FOUND") return null;
  throw error;
}
