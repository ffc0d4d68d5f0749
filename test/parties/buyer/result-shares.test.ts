import { id } from "ethers";
import { beforeAll, describe, expect, it } from "vitest";
import { findAlgorithm } from "../../../algorithms/catalog.ts";
import type { JobShape } from "../../../algorithms/manifest.ts";
import { planJob } from "../../../algorithms/planner.ts";
import { createKernel, type Kernel } from "../../../mpc/vector/index.ts";
import type { FinishedJob } from "../../../parties/buyer/finished-job.ts";
import { openPayloads, reconstructParts, type Three } from "../../../parties/buyer/result-shares.ts";
import { ciphertextHash, decodeShare, encodeShare, shareMatrix } from "../../../parties/data-set.ts";
import { createKeys } from "../../../parties/keys.ts";
import { encodeResultPayload, partyResultRoot, resultSalt } from "../../../parties/result.ts";
import { seal } from "../../../parties/sealing.ts";

const job = id("job 3");
const escrow = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0";
const deployment = { chainId: 31337, jobEscrow: escrow };
const shape: JobShape = {
  fieldBits: 127,
  fracBits: 16,
  inputs: [{ rows: 4, columns: 2, hasLabel: false, weight: 4 }],
};
const measurement = {
  rounds: 1,
  framesSent: 1,
  bytesSent: 1,
  bytesReceived: 1,
  openings: {},
  localMs: 1,
  waitingMs: 1,
  protocols: {},
  seconds: 0.1,
  links: { 2: "direct" as const, 3: "relay" as const },
};
/** sum and variance of two columns, at the fractional bits of the plan. */
const values = { sum: [1.5, -2.25], squares: [0.5, 0.125] };

let kernel: Kernel;
let plan: FinishedJob["plan"];
let shares: Three<Uint8Array>;
const buyer = createKeys("buyer");
const members = [createKeys("operator"), createKeys("operator"), createKeys("operator")].map(
  (k) => k.owner.address,
);

beforeAll(async () => {
  const algorithm = findAlgorithm("statistics");
  plan = await planJob(algorithm, shape, {});
  kernel = await createKernel(plan.fieldBits);
  const raw = plan.parts.flatMap(({ name, fracBits }) =>
    values[name as keyof typeof values].map((value) => value * 2 ** fracBits),
  );
  shares = resultShares(raw);
});

/** Shares of numbers as parties hold those of a result: elements at all points. */
function resultShares(raw: number[]): Three<Uint8Array> {
  const shape = { rows: raw.length, cols: 1, fracBits: 0, point: 1 as const };
  const [seeded, two, three] = shareMatrix(kernel, Float64Array.from(raw), raw.length, 1, 0);
  return [encodeShare(kernel, decodeShare(kernel, seeded, { ...shape, seeded: true }), shape), two, three];
}

/** A finished job over these shares, each sealed to the buyer as its party does it. */
async function finishedJob(of: Three<Uint8Array> = shares) {
  const salts = of.map(() => resultSalt());
  const origin = (i: number) => ({
    jobId: job,
    attempt: 1,
    operator: members[i]!,
    point: (i + 1) as 1 | 2 | 3,
  });
  const ciphertexts = await Promise.all(
    of.map((share, i) =>
      seal(
        buyer.resultKey.publicKey,
        { kind: "result-share", chainId: 31337, escrow, buyer: buyer.account.address, ...origin(i) },
        encodeResultPayload({ salt: salts[i]!, measurement, share }),
      ),
    ),
  );
  const finished = {
    job: {
      ...{ job, buyer: buyer.account.address, members },
      parts: {
        roots: of.map((share, i) => partyResultRoot(origin(i), salts[i]!, share)),
        ciphertextHashes: ciphertexts.map(ciphertextHash),
      },
    },
    plan,
    shape,
  } as unknown as FinishedJob;
  return { finished, ciphertexts: ciphertexts as Three<Uint8Array> };
}

const tampered = expect.objectContaining({ code: "RESULT_TAMPERED", exitCode: 3 });

describe("reading a result", () => {
  it("opens three payloads and reconstructs the parts by name", async () => {
    const { finished, ciphertexts } = await finishedJob();
    const payloads = await openPayloads(finished, ciphertexts, buyer.resultKey, deployment);
    const parts = await reconstructParts(finished, payloads);
    expect(Array.from(parts.sum!)).toEqual(values.sum);
    expect(Array.from(parts.squares!)).toEqual(values.squares);
  });

  it.each([0, 1, 2])("refuses a flipped bit in the sealed result of party %i + 1", async (party) => {
    const { finished, ciphertexts } = await finishedJob();
    ciphertexts[party]![60]! ^= 4;
    await expect(openPayloads(finished, ciphertexts, buyer.resultKey, deployment)).rejects.toEqual(tampered);
  });

  it("refuses a payload that its party did not attest", async () => {
    const { finished } = await finishedJob();
    const other = await finishedJob();
    const { ciphertextHashes } = other.finished.job.parts;
    const { job } = finished;
    const mixed = { ...finished, job: { ...job, parts: { ...job.parts, ciphertextHashes } } };
    await expect(openPayloads(mixed, other.ciphertexts, buyer.resultKey, deployment)).rejects.toEqual(
      tampered,
    );
  });

  it("does not open a result that is sealed to another key or for another escrow", async () => {
    const { finished, ciphertexts } = await finishedJob();
    const sealed = expect.objectContaining({ code: "SEAL_INVALID" });
    const stranger = createKeys("buyer").resultKey;
    await expect(openPayloads(finished, ciphertexts, stranger, deployment)).rejects.toEqual(sealed);
    const elsewhere = { ...deployment, chainId: 1 };
    await expect(openPayloads(finished, ciphertexts, buyer.resultKey, elsewhere)).rejects.toEqual(sealed);
  });

  it.each([0, 1, 2])(
    "refuses a wrong share that party %i + 1 attested: three shares lie on no line",
    async (party) => {
      const wrong = shares.map((share) => Uint8Array.from(share)) as Three<Uint8Array>;
      wrong[party]![16]! ^= 1;
      const { finished, ciphertexts } = await finishedJob(wrong);
      const payloads = await openPayloads(finished, ciphertexts, buyer.resultKey, deployment);
      await expect(reconstructParts(finished, payloads)).rejects.toEqual(
        expect.objectContaining({ code: "RESULT_TAMPERED", message: expect.stringContaining("one line") }),
      );
    },
  );

  it("refuses shares of another length or point", async () => {
    const short = resultShares([1, 2]).map((share) => ({ share })) as Three<{ share: Uint8Array }>;
    const { finished } = await finishedJob();
    await expect(reconstructParts(finished, short)).rejects.toEqual(tampered);
    const [one, two, three] = shares.map((share) => ({ share })) as Three<{ share: Uint8Array }>;
    await expect(reconstructParts(finished, [two, one, three])).rejects.toEqual(tampered);
  });
});
