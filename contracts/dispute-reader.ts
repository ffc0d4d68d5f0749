/** Typed reads of disputes: what is owed by the contract's own word, in which no event can be missing. */
import { MaxUint256 } from "ethers";
import type { OpenChallenge } from "./market-views.ts";
import { OperatorReader } from "./operator-reader.ts";

/** Each is a request of its own, and public endpoints limit them. */
const viewsAtOnce = 10;

export class DisputeReader extends OperatorReader {
  /** How many chunks an operator owes, of whatever jobs. */
  async openAgainst(operator: string, blockTag?: number): Promise<number> {
    return Number(await this.call("Disputes", "openAgainst", [operator, ...atBlock(blockTag)]));
  }

  /** Whether somebody owes a chunk of this result. */
  async isChallenged(id: string, blockTag?: number): Promise<boolean> {
    return (await this.heldUntilSec(id, blockTag)) === null;
  }

  /** Last second in which nobody but its buyer can settle a job; null while somebody owes a chunk, 0 if none ever did. */
  async heldUntilSec(id: string, blockTag?: number): Promise<number | null> {
    const until = (await this.call("Disputes", "heldUntilSec", [id, ...atBlock(blockTag)])) as bigint;
    return until === MaxUint256 ? null : Number(until);
  }

  /**
   * The chunks of its share that a party owes: the contract is asked about one after the other, some at a time.
   * @param chunks how many the result has
   */
  async *openChallenges(
    { job, point, chunks }: { job: string; point: number; chunks: number },
    { blockTag, signal }: { blockTag?: number; signal?: AbortSignal } = {},
  ): AsyncGenerator<OpenChallenge> {
    for (let first = 0; first < chunks; first += viewsAtOnce) {
      signal?.throwIfAborted();
      const some = Array.from({ length: Math.min(viewsAtOnce, chunks - first) }, (_, i) => first + i);
      const due = some.map((chunk) =>
        this.call("Disputes", "dueSec", [job, point, chunk, ...atBlock(blockTag)]),
      );
      for (const [i, dueSec] of (await Promise.all(due)).entries()) {
        if (dueSec !== 0n) yield { chunk: first + i, dueSec: Number(dueSec) };
      }
    }
  }

  /** Last second in which only its buyer can settle an attested job; null while somebody owes a chunk of its result. */
  async contestedUntilSec(id: string): Promise<number | null> {
    const [{ windowEndSec }, heldUntilSec] = await Promise.all([
      this.call("JobEscrow", "jobOf", [id]) as Promise<{ windowEndSec: bigint }>,
      this.heldUntilSec(id),
    ]);
    return heldUntilSec === null ? null : Math.max(Number(windowEndSec), heldUntilSec);
  }

  /** What a challenge costs, also two blocks from now: full ones raise the base fee by 27 % meanwhile. */
  async challengeFeeWei(): Promise<bigint> {
    const block = await this.guard(() => this.provider.getBlock("latest"));
    return (await this.call("Disputes", "challengeFeeAt", [
      ((block?.baseFeePerGas ?? 0n) * 13n) / 10n,
    ])) as bigint;
  }

  /** The fees of a buyer's challenges that nobody answered, until they are fetched. */
  async returnedFeesWei(buyer: string): Promise<bigint> {
    return (await this.call("Disputes", "returnedFeesWei", [buyer])) as bigint;
  }
}

/** The last argument of a view that is asked about a block; none for the newest one. */
function atBlock(blockTag: number | undefined): [] | [{ blockTag: number }] {
  return blockTag === undefined ? [] : [{ blockTag }];
}
