/**
 * Verifies a bundle without a network: everything that follows from hashes and signatures. What does not follow
 * from them is named too, so that nobody takes a checked bundle for more than it is.
 */
import { findAlgorithm, identify, parseParameters } from "../../algorithms/catalog.ts";
import { decodeJobSpec, encodeJobSpec } from "../../algorithms/job-spec.ts";
import { planJob } from "../../algorithms/planner.ts";
import { dataRoot, jobId, operatorSetId, resultRoot, specHash } from "../../contracts/commitments.ts";
import { type AttestationMessage, recoverAttestation } from "../../contracts/eip712.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import { verifyPayout } from "../../contracts/payouts.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { schemaHash } from "../data/schema.ts";
import { jobShape } from "../job-shape.ts";
import { payoutPlan } from "../payout-plan.ts";
import type { Bundle } from "./bundle.ts";

export interface Check {
  name: string;
  ok: boolean;
  /** Why not, or what exactly was checked. */
  detail: string;
}

export interface Verification {
  /** Whether every check passed. */
  valid: boolean;
  checks: Check[];
  /** What a bundle cannot show by itself. */
  notChecked: string[];
}

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase();

export async function verifyBundle(bundle: Bundle): Promise<Verification> {
  const { job, offers, attestation, deployment } = bundle;
  const spec = Buffer.from(job.spec.slice(2), "hex");
  const checks: Check[] = [];
  const check = (name: string, detail: string, test: () => boolean): void => {
    checks.push(judged(name, detail, test));
  };

  check("operator set", "the set's id is the hash of its three members, all different", () => {
    const distinct = new Set(job.members.map((member) => member.toLowerCase())).size === 3;
    return distinct && same(operatorSetId(job.members), job.operatorSet);
  });
  for (const { offer, ...o } of offers) {
    check(
      `data set of offer ${offer}`,
      "its root commits to chain, registry, seller, schema, shape, operators and sealed shares",
      () =>
        same(
          dataRoot({
            ...o,
            chainId: deployment.chainId,
            registry: deployment.jobEscrow,
            members: job.members,
          }),
          offer,
        ),
    );
  }
  check(
    "data sets",
    "each once",
    () => new Set(offers.map(({ offer }) => offer.toLowerCase())).size === offers.length,
  );
  check("schema", "the hash in the specification and in every offer is that of the schema", () => {
    const hash = schemaHash(bundle.schema);
    return decodeJobSpec(spec).schemaHash === hash && offers.every((o) => same(o.schemaHash, hash));
  });
  check("specification", "canonical, and its parameters are within the algorithm's limits", () => {
    const decoded = decodeJobSpec(spec);
    const algorithm = findAlgorithm(decoded.algorithm.id, decoded.algorithm.version);
    parseParameters(algorithm, decoded.parameters);
    return Buffer.from(encodeJobSpec(decoded)).equals(spec);
  });
  check(
    "name of the job",
    "the hash of buyer, payment, deadline, signers, algorithm, operators, result key, privacy, purpose, data sets and specification",
    () => {
      const { operatorSet, algorithm, resultKey, purpose, buyer, token, deadlineSec, signers } = job;
      const roots = offers.map(({ offer }) => offer);
      const order = { operatorSet, algorithm, resultKey, microRho: BigInt(job.microRho), purpose };
      const hash = specHash({ ...order, spec, offers: roots });
      const terms = { buyer, token, amount: BigInt(job.amountWei), deadlineSec, specHash: hash, signers };
      return same(jobId(terms), job.id);
    },
  );
  check("result root", "over the three parties' roots and sealed results, field and length", () => {
    const { shareRoots: roots, ciphertextHashes, fieldBits, elements: total } = attestation;
    return same(resultRoot({ roots, ciphertextHashes, fieldBits, total }), attestation.resultRoot);
  });
  const message: AttestationMessage = {
    job: job.id,
    resultRoot: attestation.resultRoot,
    payoutRoot: attestation.payoutRoot,
    budgetSpent: BigInt(attestation.budgetSpent),
  };
  job.signers.forEach((signer, i) => {
    check(`signature of party ${i + 1}`, `${signer} signed this attestation`, () =>
      same(recoverAttestation(deployment, message, attestation.signatures[i]!), signer),
    );
  });
  check(
    "payouts",
    "prices and fees add up to what was escrowed, and the attested root pays exactly them",
    () => {
      const { tree } = payoutPlan({
        amountWei: BigInt(job.amountWei),
        offers: offers.map(({ seller, priceWei }) => ({ seller, priceWei: BigInt(priceWei) })),
        operators: bundle.operators.map(({ operator, feeWei }) => ({
          address: operator,
          feeWei: BigInt(feeWei),
        })),
      });
      const listed = bundle.payouts.every((payout, i) => {
        const due = tree.payouts[i];
        const fits =
          due !== undefined &&
          same(due.account, payout.account) &&
          due.amountWei === BigInt(payout.amountWei);
        return fits && payout.index === i && verifyPayout(tree.root, { ...payout, amountWei: due.amountWei });
      });
      const operators = bundle.operators.every(({ operator }, i) => same(operator, job.members[i]!));
      return (
        listed &&
        operators &&
        bundle.payouts.length === tree.payouts.length &&
        same(tree.root, attestation.payoutRoot)
      );
    },
  );
  checks.push(await checkPlan(bundle));
  const notChecked = [
    "that these terms, prices, signers and the attestation stand on chain (give --rpc to compare)",
    "that the parties computed rightly: three signatures say that they agree, and at most one of them is assumed corrupt",
    "that the sellers' data is genuine",
    "the result itself, which only the buyer can read",
    "the transaction hashes, the deployment's block number, and whether an account was paid as a seller or as an operator",
  ];
  const code = await checkCode(bundle);
  if (typeof code === "string") notChecked.unshift(code);
  else checks.push(code);
  return { valid: checks.every(({ ok }) => ok), checks, notChecked };
}

/** Compares the bundle with the chain that it speaks of. @throws NOT_FOUND, CHAIN_UNREACHABLE */
export async function compareWithChain(bundle: Bundle, market: MarketReader): Promise<Check[]> {
  // Reading the job compares its name with its terms, and the bundle was compared with the same name.
  const onChain = await market.job(bundle.job.id);
  const prices = await market.jobPrices(onChain);
  const { attestation } = bundle;
  const list = (values: readonly unknown[]): string => values.map(String).join(" ").toLowerCase();
  return [
    judged("job on chain", "funded under these terms", () => same(onChain.job, bundle.job.id)),
    judged("attestation on chain", "result root, payout root and budget", () => {
      if (onChain.attestation === null) return false;
      const { resultRoot: result, payoutRoot, budgetSpent } = onChain.attestation;
      return (
        list([result, payoutRoot, budgetSpent]) ===
        list([attestation.resultRoot, attestation.payoutRoot, attestation.budgetSpent])
      );
    }),
    judged("prices on chain", "as they stood when the job was funded", () => {
      const told = [...bundle.offers.map((o) => o.priceWei), ...bundle.operators.map((o) => o.feeWei)];
      const found = [...prices.offers.map((o) => o.priceWei), ...prices.operators.map((o) => o.feeWei)];
      return list(told) === list(found);
    }),
  ];
}

function judged(name: string, detail: string, test: () => boolean): Check {
  try {
    return { name, ok: test(), detail };
  } catch (error) {
    // A value that cannot even be encoded is a failed check, not a defect.
    return { name, ok: false, detail: error instanceof SymbolonError ? error.message : "malformed" };
  }
}

/** The job's shape is one that its algorithm takes. */
async function checkPlan({ job, schema, offers }: Bundle): Promise<Check> {
  const name = "shape and ranges";
  try {
    const spec = decodeJobSpec(Buffer.from(job.spec.slice(2), "hex"));
    const algorithm = findAlgorithm(spec.algorithm.id, spec.algorithm.version);
    const parameters = parseParameters(algorithm, spec.parameters);
    const { declaration } = await planJob(algorithm, jobShape(spec, schema, offers), parameters);
    return { name, ok: true, detail: `the run fits its field; it takes ${declaration.rounds} rounds` };
  } catch (error) {
    if (!(error instanceof SymbolonError)) throw error;
    return { name, ok: false, detail: error.message };
  }
}

/** Whether the algorithm's hash is that of this checkout; words when it is another build. */
async function checkCode({ job }: Bundle): Promise<Check | string> {
  const spec = decodeJobSpec(Buffer.from(job.spec.slice(2), "hex"));
  const { id, version } = spec.algorithm;
  try {
    const { hash } = await identify(findAlgorithm(id, version).manifest);
    if (same(hash, job.algorithm)) {
      return {
        name: "code",
        ok: true,
        detail: `the algorithm's hash is that of ${id} ${version} in this checkout`,
      };
    }
  } catch (error) {
    if (!(error instanceof SymbolonError)) throw error;
  }
  return `which code ${job.algorithm} is: ${id} ${version} of this checkout has another hash`;
}
