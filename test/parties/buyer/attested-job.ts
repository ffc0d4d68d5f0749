/**
 * A job whose three operators are played by hand: funded, joined and attested as by their nodes on a real chain
 * through a real bridge, with the shares of the result that a test wants, delivered or not.
 */
import { Wallet } from "ethers";
import { expect } from "vitest";
import type { AttestationPost } from "../../../bridge/client.ts";
import { resultRoot } from "../../../contracts/commitments.ts";
import { signAttestation, signJoin } from "../../../contracts/eip712.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";
import { createKernel, fieldSpecs } from "../../../mpc/vector/index.ts";
import type { BuyerConnection } from "../../../parties/buyer/client.ts";
import type { Three } from "../../../parties/buyer/result-shares.ts";
import type { ResultEvidence } from "../../../parties/compute/evidence-store.ts";
import { ciphertextHash, encodeShare } from "../../../parties/data-set.ts";
import { payoutPlan } from "../../../parties/payout-plan.ts";
import {
  encodeResultPayload,
  partyResultRoot,
  type ResultParts,
  resultElements,
  resultSalt,
} from "../../../parties/result.ts";
import { seal } from "../../../parties/sealing.ts";
import { columns, type MarketWorld, tableOf } from "../compute/market-world.ts";

/** So many columns that a statistics result has two chunks, the second of them short. */
export const wideColumns = Array.from({ length: 50 }, (_, i) => `${columns[i % 2]} ${i}`);
export const wideTable = tableOf(
  wideColumns,
  [0, 1, 2].map((row) => wideColumns.map((_, column) => (row + column) % 7)),
);

export interface AttestOptions {
  /** Changes numbers of the parties' shares before anything is hashed. */
  spoil?: (shares: Three<bigint[]>) => void;
  /** Changes the bytes of the shares: what no root covers. */
  spoilBytes?: (shares: Three<Uint8Array>) => void;
  /** Whose sealed shares the bridge gets. */
  deliver?: readonly PartyIndex[];
  /** Does with its post what it likes, and sends the attestation to the chain itself. */
  rogue?: { point: PartyIndex; post: (post: AttestationPost) => Promise<void> };
}

export interface AttestedJob {
  job: string;
  connection: BuyerConnection;
  amountWei: bigint;
  /** By point: what each node keeps. */
  evidence: Three<ResultEvidence>;
  parts: ResultParts;
  /** Hands the bridge what was not delivered. */
  deliver(point: PartyIndex): Promise<void>;
}

/** Like `MarketWorld.buyer`, as the functions of a dispute take it. */
function buyerOf(world: MarketWorld) {
  const { client, market, address } = world.buyer();
  const connection = { bridge: world.client, market, buyer: address, resultKey: world.resultKey };
  return { client, connection };
}

/** Two jobs with the same terms would have the same name. */
let jobs = 0;

export async function attestJob(
  world: MarketWorld,
  offer: string,
  { spoil = () => {}, spoilBytes = () => {}, deliver = partyIndices, rogue }: AttestOptions = {},
): Promise<AttestedJob> {
  const { deployment, client: bridge } = world;
  const { client, connection } = buyerOf(world);
  const { market, buyer, resultKey } = connection;
  const proposal = await client.propose({ algorithm: "statistics", offers: [offer] });
  const { job, amountWei } = await client.fund(proposal, 3600 + jobs++);
  const signers = world.operators.map(({ signer }) => new Wallet(signer.privateKey.hex()));
  const known = () =>
    bridge.job(job).then(
      ({ state }) => state as string,
      () => "unknown",
    );
  await expect.poll(known).toBe("Funded");
  for (const [i, { owner }] of world.operators.entries()) {
    const signature = await signJoin(signers[i]!, deployment, { job });
    await bridge.postJoin(job, { operator: owner.address, signature });
  }
  await expect.poll(known).toBe("Joined");

  const { plan } = proposal;
  const kernel = await createKernel(plan.fieldBits);
  const { modulus } = fieldSpecs[plan.fieldBits];
  const total = resultElements(plan);
  // Each number lies at 0 of a line of its own.
  const numbers = Array.from({ length: total }, (_, i) => BigInt(i + 1) << 10n);
  const slopes = numbers.map(() => BigInt(`0x${randomBytes(16).toString("hex")}`));
  const shares = partyIndices.map((point) =>
    numbers.map((number, i) => (number + BigInt(point) * slopes[i]!) % modulus),
  ) as Three<bigint[]>;
  spoil(shares);
  const bytes = shares.map((values, i) => {
    const array = kernel.allocate(values.length);
    kernel.fromBigints(array, values);
    const point = partyIndices[i]!;
    return encodeShare(kernel, array, { rows: values.length, cols: 1, fracBits: 0, point });
  }) as Three<Uint8Array>;
  spoilBytes(bytes);

  const none = {
    rounds: 1,
    framesSent: 1,
    bytesSent: 1,
    bytesReceived: 1,
    openings: {},
    localMs: 1,
    waitingMs: 1,
  };
  const measurement = { ...none, protocols: {}, seconds: 0.1, links: {} };
  const made = await Promise.all(
    partyIndices.map(async (point) => {
      const share = bytes[point - 1]!;
      const origin = { jobId: job, attempt: 1, operator: world.operators[point - 1]!.owner.address, point };
      const salt = resultSalt();
      const sealed = await seal(
        resultKey.publicKey,
        { kind: "result-share", chainId: deployment.chainId, escrow: deployment.jobEscrow, buyer, ...origin },
        encodeResultPayload({ salt, measurement, share }),
      );
      return { origin, salt, share, sealed, root: partyResultRoot(origin, salt, share) };
    }),
  );
  const three = <T>(of: (each: (typeof made)[number]) => T) => made.map(of) as Three<T>;
  const parts: ResultParts = {
    roots: three(({ root }) => root),
    ciphertextHashes: three(({ sealed }) => ciphertextHash(sealed)),
    fieldBits: plan.fieldBits,
    total,
  };
  for (const point of deliver) await bridge.uploadBlob(made[point - 1]!.sealed);

  const { offers, operators } = await market.jobPrices(await market.job(job));
  const fees = operators.map(({ operator, feeWei }) => ({ address: operator, feeWei }));
  const { tree } = payoutPlan({ amountWei, offers, operators: fees });
  const said = { job, resultRoot: resultRoot(parts), payoutRoot: tree.root };
  const message = { ...said, budgetSpent: 0n };
  const signatures = (await Promise.all(
    signers.map((signer) => signAttestation(signer, deployment, message)),
  )) as Three<string>;
  for (const point of partyIndices) {
    const post: AttestationPost = {
      operator: world.operators[point - 1]!.owner.address,
      point,
      attestation: { ...said, budgetSpent: "0" },
      parts,
      signature: signatures[point - 1]!,
    };
    if (point === rogue?.point) await rogue.post(post);
    else await bridge.postAttestation(job, post);
  }
  if (rogue !== undefined) await world.account(rogue.point).market.attest({ ...message, parts }, signatures);
  await expect.poll(() => market.jobState(job)).toBe("Attested");
  return {
    ...{ job, connection, amountWei, parts },
    evidence: three(({ origin, salt, share }) => ({ origin, salt, share })),
    deliver: async (point) => void (await bridge.uploadBlob(made[point - 1]!.sealed)),
  };
}
