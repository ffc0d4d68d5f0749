/** Results of jobs with the trees that parties make of their shares, on the market of market-fixture.ts. */
import { keccak256 } from "ethers";
import { payoutTree } from "../../contracts/payouts.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import { createKernel, type Kernel } from "../../mpc/vector/index.ts";
import { encodeShare } from "../../parties/data-set.ts";
import {
  chunkElements,
  openChunk,
  partyResultRoot,
  type ResultOrigin,
  type ResultParts,
} from "../../parties/result.ts";
import { bytes32, startMarket } from "./market-fixture.ts";

export const bits = 61;
export const prime = (1n << BigInt(bits)) - 1n;
/** Two chunks, the second of 6 elements. */
export const total = chunkElements + 6;
export const burnt = "0x000000000000000000000000000000000000dEaD";

/** What a party makes of its share of a coordinate. */
export type Lie = (value: bigint, coordinate: number, point: number) => bigint;

export type DisputeFixture = Awaited<ReturnType<typeof startDisputes>>;

export async function startDisputes() {
  const market = await startMarket();
  const kernel = await createKernel(bits);
  const { offer } = await market.publish("disputed");

  /** A job whose result is attested. */
  const attested = async (lie?: Lie) => {
    const { job, amountWei } = await market.fund([offer]);
    await market.join(job);
    const result = resultOf(kernel, job, market.members, lie);
    const { root } = payoutTree([{ account: market.seller.address, amountWei }]);
    await market.attest(job, root, result.parts);
    return { job, told: await market.of(market.stranger).attestedJob(job), amountWei, ...result };
  };

  const balance = (account: string) => market.provider.getBalance(account);

  return { market, offer, attested, balance };
}

function shareOf(kernel: Kernel, values: readonly bigint[], point: PartyIndex): Uint8Array {
  const region = kernel.beginRegion();
  const array = kernel.allocate(values.length);
  kernel.fromBigints(array, values);
  const bytes = encodeShare(kernel, array, { rows: values.length, cols: 1, fracBits: 0, point });
  kernel.endRegion(region);
  return bytes;
}

/** The three shares of a result of a job, each on a line through its secret, but for what a party makes of its own. */
function resultOf(kernel: Kernel, job: string, members: readonly string[], lie: Lie = (v) => v) {
  const parties = ([1, 2, 3] as const).map((point) => {
    const values = Array.from({ length: total }, (_, coordinate) => {
      const slope = BigInt(keccak256(`0x${(coordinate + 1).toString(16).padStart(4, "0")}`)) % prime;
      const honest = (BigInt(coordinate) * 1000n + slope * BigInt(point)) % prime;
      return lie(honest, coordinate, point) % prime;
    });
    const origin: ResultOrigin = { jobId: job, attempt: 1, operator: members[point - 1]!, point };
    const salt = new Uint8Array(32).fill(point);
    const share = shareOf(kernel, values, point);
    return {
      root: partyResultRoot(origin, salt, share),
      open: (chunk: number) => openChunk(origin, salt, share, chunk),
    };
  });
  const [one, two, three] = parties as [(typeof parties)[0], (typeof parties)[0], (typeof parties)[0]];
  const parts: ResultParts = {
    roots: [one.root, two.root, three.root],
    ciphertextHashes: [bytes32("sealed 1"), bytes32("sealed 2"), bytes32("sealed 3")],
    fieldBits: bits,
    total,
  };
  return {
    parts,
    open: (point: PartyIndex, chunk: number) => parties[point - 1]!.open(chunk),
    openAll: (chunk: number) => [one.open(chunk), two.open(chunk), three.open(chunk)] as const,
  };
}
