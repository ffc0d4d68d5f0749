/**
 * One attempt at a joined job, from the connection to the peers to the roots that this party will attest. Every
 * wait in it has a deadline; whatever goes wrong ends it with a named error, here and at the peers.
 */
import { join } from "node:path";
import { wrapInputs } from "../../algorithms/inputs.ts";
import type { ResultPart } from "../../algorithms/manifest.ts";
import { type BridgeClient, meshRelayPath } from "../../bridge/client.ts";
import { resultRoot } from "../../contracts/commitments.ts";
import type { AttestationMessage } from "../../contracts/eip712.ts";
import { costSince, type RunCost } from "../../mpc/cost.ts";
import { SymbolonError, toSymbolonError } from "../../mpc/errors.ts";
import type { JiffOperations } from "../../mpc/jiff-program.ts";
import { Party } from "../../mpc/party.ts";
import { admitInputs } from "../../mpc/protocols/admit-inputs.ts";
import { randomId } from "../../mpc/random.ts";
import { SecureBackend } from "../../mpc/session/secure.ts";
import { type ProgressListener, Session } from "../../mpc/session/session.ts";
import type { RowStore } from "../../mpc/tables/row-store.ts";
import { Scratch } from "../../mpc/tables/scratch.ts";
import { attemptContext } from "../../mpc/transport/attempt.ts";
import { connectJiff, type JiffSession } from "../../mpc/transport/jiff.ts";
import { extendByVectors } from "../../mpc/transport/jiff-vectors.ts";
import {
  connectMesh,
  type MeshListener,
  type MeshPeer,
  type RelayFallback,
} from "../../mpc/transport/mesh.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, type FieldArray, fieldSpecs, type Kernel } from "../../mpc/vector/index.ts";
import { encodeShare, rowsPerBlock } from "../data-set.ts";
import type { OperatorKeys } from "../keys.ts";
import {
  encodeResultPayload,
  partyResultRoot,
  type ResultOrigin,
  type ResultParts,
  resultElements,
  resultSalt,
} from "../result.ts";
import { deviation, type RunMeasurement } from "../run-cost.ts";
import { seal } from "../sealing.ts";
import type { NodeConfig } from "./config.ts";
import { parseEndpoint } from "./endpoint.ts";
import type { EvidenceStore } from "./evidence-store.ts";
import { agreeOnRun, exchangeResults, farewell, runDigest } from "./exchange.ts";
import type { ResultDelivery } from "./result-delivery.ts";
import type { JobVerifier, VerifiedJob } from "./verify.ts";

export interface RunOptions {
  config: NodeConfig;
  keys: OperatorKeys;
  bridge: BridgeClient;
  verifier: JobVerifier;
  delivery: ResultDelivery;
  evidence: EvidenceStore;
  listener: MeshListener;
  /** From 1; the same at all three parties. */
  attempt: number;
  onProgress: ProgressListener;
  /** Ends the attempt; the reason is the error that it ends with. */
  signal: AbortSignal;
}

/** What one attempt came to: all that the attestation needs. */
export interface RunResult {
  attestation: AttestationMessage;
  /** What its result root is the hash of. */
  parts: ResultParts;
  measurement: RunMeasurement;
}

/**
 * Computes the job with the two other parties.
 * @throws the error that ended the attempt
 */
export async function runJob(verified: VerifiedJob, options: RunOptions): Promise<RunResult> {
  const { limits, dataDir } = options.config;
  const scratch = await Scratch.open({
    folder: join(dataDir, scratchFolder, randomId()),
    memoryBytes: limits.memoryBytes,
  });
  try {
    return await attemptJob(verified, options, scratch);
  } finally {
    await scratch.close();
  }
}

/** Where rows lie that do not fit the memory, in the node's folder; what a crash leaves there is noise. */
export const scratchFolder = "scratch";

async function attemptJob(verified: VerifiedJob, options: RunOptions, scratch: Scratch): Promise<RunResult> {
  const { config, signal } = options;
  const { deployment } = config;
  const { job, shape, plan, point } = verified;
  const kernel = await createKernel(plan.fieldBits);
  const dataKernel = shape.fieldBits === plan.fieldBits ? kernel : await createKernel(shape.fieldBits);
  const shares = await openInputs(verified, options, scratch, dataKernel);
  const contextId = attemptContext({
    chainId: deployment.chainId,
    escrow: deployment.jobEscrow,
    jobId: job.job,
    attempt: options.attempt,
  });
  options.onProgress("connecting", 0, 1);
  const { transport, pairSecrets, paths } = await connectMesh({
    listener: options.listener,
    contextId,
    partyIndex: point,
    staticPrivateKey: options.keys.channelKey.privateKey.reveal(),
    peers: meshPeers(verified),
    relay: relayFallback(verified, options),
    deadlineMs: config.limits.connectMs,
    idleTimeoutMs: config.limits.roundMs,
    signal,
  });
  let jiff: JiffSession | undefined;
  const stop = (): void => {
    const reason = reasonOf(signal);
    transport.close(reason);
    jiff?.abort(reason);
  };
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) throw reasonOf(signal);
    const party = new Party(kernel, transport, pairSecrets);
    await agreeOnRun(party, runDigest(verified, contextId));
    jiff = await joinJiff(verified, options, pairSecrets);
    // A JIFF program ends with its session. Vector protocols run over the mesh, which notices a lost peer
    // itself: a bridge that restarts under a long training must not end it.
    if (verified.algorithm.engine === "jiff") jiff.onFailure((error) => transport.close(error));
    const computed = await compute(verified, options, party, jiff, { kernel: dataKernel, shares, scratch });
    const links = Object.fromEntries(paths);
    const measurement = { ...computed.measurement, links };
    const result = await deliver(verified, options, party, { ...computed, measurement });
    await farewell(party);
    return result;
  } catch (thrown) {
    const error = signal.aborted ? reasonOf(signal) : toSymbolonError(thrown);
    jiff?.abort(error);
    transport.close(error);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
    await jiff?.close();
    transport.close();
  }
}

/** Reads this party's shares of all inputs, in the field of the data, into memory or scratch files. */
async function openInputs(
  verified: VerifiedJob,
  { verifier, signal }: RunOptions,
  scratch: Scratch,
  kernel: Kernel,
): Promise<RowStore<FieldArray>[]> {
  const stores: RowStore<FieldArray>[] = [];
  for (const input of verified.inputs) {
    const { rows, columns } = input.context;
    const store = await scratch.rows(kernel, rows, columns, rowsPerBlock(columns));
    for await (const block of verifier.readInput(verified, input, kernel, signal)) {
      await store.append(block.values, block.rows);
    }
    stores.push(store);
  }
  return stores;
}

/** This party's shares of all inputs, in the field of the data, and where the rows of the run may lie. */
interface OpenedInputs {
  kernel: Kernel;
  shares: readonly RowStore<FieldArray>[];
  scratch: Scratch;
}

interface Computed {
  /** Bytes of this party's share of the whole result. */
  share: Uint8Array;
  measurement: Omit<RunMeasurement, "links">;
}

async function compute(
  verified: VerifiedJob,
  options: RunOptions,
  party: Party,
  jiff: JiffSession,
  opened: OpenedInputs,
): Promise<Computed> {
  const { shape, plan, algorithm, parameters, point } = verified;
  const { kernel } = party;
  const backend = new SecureBackend(party, opened.scratch);
  const session = new Session(backend, plan.fieldBits, options.onProgress, plan.fracBits);
  const handle = extendByVectors(jiff.jiff, session, party);
  // Measured from here on: the plan declares the checks and the program together.
  const before = party.meter.measurement();
  const startedMs = performance.now();
  options.onProgress("checking inputs", 0, 1);
  const shares = await admitted(verified, party, opened);
  options.onProgress("computing", 0, 1);
  let values: FieldArray;
  if (algorithm.engine === "session") {
    const inputs = wrapInputs(session, shape, (which) =>
      which === "validation" ? shares[shape.inputs.length]! : shares[which]!,
    );
    const parts = await algorithm.run(session, inputs, shape, parameters);
    checkParts(verified, parts);
    values = session.backend.concat(
      parts.map(({ tensor }) => tensor.data),
      parts.map(({ tensor }) => tensor.rows * tensor.cols),
    );
  } else {
    const { inputs } = wrapInputs(session, shape, (which) => shares[which as number]!);
    const tensors = await Promise.all(inputs.map((input) => input.tensor()));
    values = await jiff.run(async () => {
      const result = await algorithm.run(handle, tensors.map(handle.lower), shape, parameters);
      return (await handle.lift(result, { fracBits: 0, bound: Number.POSITIVE_INFINITY })).data;
    });
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const cost = costSince(before, party.meter.measurement());
  checkDeclared(verified, cost, jiff);
  const elements = resultElements(plan);
  if (values.length !== elements) {
    throw new SymbolonError("INTERNAL", `the result has ${values.length} elements, the plan ${elements}`);
  }
  return {
    share: encodeShare(kernel, values, { rows: elements, cols: 1, fracBits: 0, point }),
    measurement: { ...cost, seconds },
  };
}

/** The inputs in the field of the run, once they have passed their checks. */
function admitted(
  verified: VerifiedJob,
  party: Party,
  { kernel, shares, scratch }: OpenedInputs,
): Promise<readonly RowStore<FieldArray>[]> {
  const source = kernel === party.kernel ? party : party.inField(kernel);
  return admitInputs(source, party, checkedInputs(verified, shares), (rows, cols) =>
    scratch.rows(party.kernel, rows, cols, rowsPerBlock(cols)),
  );
}

/** Nothing may be opened that was not declared, and a run that went another way than planned is no result. */
function checkDeclared({ plan }: VerifiedJob, cost: RunCost, jiff: JiffSession): void {
  const strayed = deviation(cost, plan.declaration);
  if (strayed !== undefined) {
    throw new SymbolonError("INTERNAL", `the run is not the declared one (${strayed})`);
  }
  const none: JiffOperations = { shares: 0, openings: 0, products: 0, messagesSent: 0 };
  const declared = plan.jiff ?? none;
  for (const kind of ["shares", "openings", "products"] as const) {
    if (jiff.operations[kind] !== declared[kind]) {
      throw new SymbolonError("INTERNAL", `the JIFF program made other ${kind} than declared`);
    }
  }
}

/** Seals the share to the buyer, keeps it, and learns what the peers will deliver. */
async function deliver(
  verified: VerifiedJob,
  options: RunOptions,
  party: Party,
  { share, measurement }: { share: Uint8Array; measurement: RunMeasurement },
): Promise<RunResult> {
  const { job, point, plan, payoutRoot } = verified;
  const { deployment } = options.config;
  options.onProgress("sealing the result", 0, 1);
  const operator = job.members[point - 1]!;
  const { attempt } = options;
  const salt = resultSalt();
  const origin: ResultOrigin = { jobId: job.job, attempt, operator, point };
  const root = partyResultRoot(origin, salt, share);
  const payload = encodeResultPayload({ salt, measurement, share });
  const sealed = await seal(
    job.resultKey,
    {
      kind: "result-share",
      chainId: deployment.chainId,
      escrow: deployment.jobEscrow,
      jobId: job.job,
      buyer: job.buyer,
      ...{ operator, point, attempt },
    },
    payload,
  );
  payload.fill(0);
  // On this node's disk until the chain says that the job is attested; see result-delivery.ts.
  const ciphertextHash = await options.delivery.keep(sealed);
  const all = await exchangeResults(party, { root, ciphertextHash });
  const parts: ResultParts = {
    roots: [all[0].root, all[1].root, all[2].root],
    ciphertextHashes: [all[0].ciphertextHash, all[1].ciphertextHash, all[2].ciphertextHash],
    fieldBits: plan.fieldBits,
    total: resultElements(plan),
  };
  // Before the attestation is signed: whoever cannot show what it attested loses its bond.
  await options.evidence.keep({ origin, salt, share });
  share.fill(0);
  return {
    attestation: {
      job: job.job,
      resultRoot: resultRoot(parts),
      payoutRoot,
      budgetSpent: 0n,
    },
    parts,
    measurement,
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until the bridge knows the job as joined (its relay admits no other), then joins its JIFF session. */
async function joinJiff(
  verified: VerifiedJob,
  options: RunOptions,
  pairSecrets: ReadonlyMap<PartyIndex, Uint8Array>,
): Promise<JiffSession> {
  const { bridge, config, keys, signal } = options;
  const { job, members, point, plan } = verified;
  const until = performance.now() + config.limits.connectMs;
  while ((await bridge.job(job.job, { signal })).state === "Funded") {
    if (performance.now() > until) {
      throw new SymbolonError("BRIDGE_UNREACHABLE", "the bridge does not see that the job was joined");
    }
    await pause(100);
  }
  const { relayPath } = await bridge.deployment({ signal });
  const publicKeys = Object.fromEntries(
    partyIndices.map((index) => [index, keyBytes(members[index - 1]!.jiffKey)]),
  ) as Record<PartyIndex, Uint8Array>;
  return connectJiff({
    relayUrl: bridge.url,
    relayPath,
    computationId: computationId(verified, options),
    partyIndex: point,
    secretKey: keys.jiffKey.privateKey.reveal(),
    publicKeys,
    pairSecrets,
    modulus: fieldSpecs[plan.fieldBits].modulus,
    timeoutMs: config.limits.connectMs,
    signal,
  });
}

/** Names the attempt toward the bridge's relays. */
function computationId({ job }: VerifiedJob, { config, attempt }: RunOptions): string {
  const { chainId, jobEscrow } = config.deployment;
  return `${chainId}-${jobEscrow.toLowerCase()}-${job.job}-${attempt}`;
}

function relayFallback(verified: VerifiedJob, options: RunOptions): RelayFallback | undefined {
  const { bridge, config, keys } = options;
  const { relay, directMs } = config.mesh;
  if (relay === "never") return undefined;
  return {
    url: `${bridge.url}${meshRelayPath}`,
    computationId: computationId(verified, options),
    secretKey: keys.jiffKey.privateKey.reveal(),
    directMs: relay === "always" ? 0 : directMs,
  };
}

function meshPeers({ members, point }: VerifiedJob): Record<number, MeshPeer> {
  const peers: Record<number, MeshPeer> = {};
  for (const index of partyIndices) {
    if (index === point) continue;
    const { endpoint, channelKey } = members[index - 1]!;
    peers[index] = { ...parseEndpoint(endpoint), publicKey: keyBytes(channelKey) };
  }
  return peers;
}

const keyBytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.slice(2), "hex"));

function checkedInputs({ shape, inputs }: VerifiedJob, shares: readonly RowStore<FieldArray>[]) {
  return inputs.map(({ name, hasLabel }, i) => ({
    name,
    shares: shares[i]!,
    hasLabel,
    fracBits: shape.fracBits,
  }));
}

/** The parts must be the plan's: from it the buyer knows what the numbers mean. */
function checkParts({ plan }: VerifiedJob, parts: readonly ResultPart<FieldArray>[]): void {
  const same =
    parts.length === plan.parts.length &&
    plan.parts.every(({ name, rows, cols, fracBits }, i) => {
      const { name: got, tensor } = parts[i]!;
      return got === name && tensor.rows === rows && tensor.cols === cols && tensor.fracBits === fracBits;
    });
  if (!same) throw new SymbolonError("INTERNAL", "the result is not of the form that was planned");
}

function reasonOf(signal: AbortSignal): SymbolonError {
  return toSymbolonError(signal.reason, "RUN_ABORTED");
}
