/**
 * The bridge as the others see it: a typed client for parties, sellers and buyers, in Node and the browser.
 *
 * Nothing that comes back is trusted: answers are checked against the schemas, blobs against their hashes.
 * Whether an answer is *true* is for the caller to check on the chain. Every call has a deadline. Problem
 * documents become SymbolonErrors with the bridge's code; silence becomes BRIDGE_UNREACHABLE.
 */
import { sha256 } from "ethers";
import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";
import {
  aborted,
  BridgeRequests,
  type CallOptions,
  pageEntries,
  partsAtMost,
  readAtMost,
} from "./client-requests.ts";
import { type Watch, type WatchOptions, watch } from "./job-watch.ts";
import {
  type AttestationPost,
  type BlobReceipt,
  blobReceiptSchema,
  type DeploymentView,
  deploymentViewSchema,
  type FailurePost,
  type JobEventView,
  type JobSummary,
  type JobView,
  type JoinPost,
  jobEventSchema,
  jobSummarySchema,
  jobViewSchema,
  nextSchema,
  type OfferView,
  type OperatorView,
  offerViewSchema,
  operatorViewSchema,
  type ProgressPost,
  type SetView,
  setViewSchema,
  type UnopenedPost,
} from "./schemas.ts";

export { originOf, unreachableHint } from "./client-requests.ts";
export type { Watch } from "./job-watch.ts";
export type {
  AttestationPost,
  BlobReceipt,
  DeploymentView,
  FailurePost,
  JobEventView,
  JobSummary,
  JobView,
  JoinPost,
  OfferView,
  OpenChallenge,
  OperatorView,
  ProgressPost,
  SetView,
  UnopenedPost,
} from "./schemas.ts";
export { meshRelayPath, pointSchema, reasonSchema, signatureSchema } from "./schemas.ts";

export interface BridgeClientOptions {
  /** Base address of the bridge, `http://host:port`. */
  url: string;
  /** Deadline of one ordinary request. */
  timeoutMs?: number;
  /** Deadline of one blob's way up or down. */
  blobTimeoutMs?: number;
  /** How often to ask when live events do not come through. */
  pollMs?: number;
}

export interface JobQuery {
  state?: JobView["state"];
  operatorSet?: string;
  buyer?: string;
  /** Only jobs whose ids begin with it: 0x and at least 6 hexadecimal digits. */
  prefix?: string;
  after?: number;
  limit?: number;
}

export class BridgeClient {
  readonly url: string;
  readonly #requests: BridgeRequests;
  readonly #blobTimeoutMs: number;
  readonly #watchOptions: WatchOptions;

  constructor(options: BridgeClientOptions) {
    const { timeoutMs = 15_000, blobTimeoutMs = 10 * 60_000, pollMs = 3000 } = options;
    this.url = options.url.replace(/\/+$/, "");
    this.#requests = new BridgeRequests(this.url, timeoutMs);
    this.#blobTimeoutMs = blobTimeoutMs;
    this.#watchOptions = { url: this.url, timeoutMs, pollMs };
  }

  // ---- the market --------------------------------------------------------------------------------

  deployment(options?: CallOptions): Promise<DeploymentView> {
    return this.#requests.get("/v1/deployment", deploymentViewSchema, options);
  }

  async operators(options?: CallOptions): Promise<OperatorView[]> {
    return (
      await this.#requests.get("/v1/operators", z.object({ operators: z.array(operatorViewSchema) }), options)
    ).operators;
  }

  async sets(options?: CallOptions): Promise<SetView[]> {
    return (await this.#requests.get("/v1/sets", z.object({ sets: z.array(setViewSchema) }), options)).sets;
  }

  offer(id: string, options?: CallOptions): Promise<OfferView> {
    return this.#requests.get(`/v1/offers/${encodeURIComponent(id)}`, offerViewSchema, options);
  }

  /** All offers that fit, in the order of their publication. */
  offers(
    query: { operatorSet?: string; active?: boolean; prefix?: string } = {},
    options?: CallOptions,
  ): Promise<OfferView[]> {
    const page = z.object({ offers: z.array(offerViewSchema).max(pageEntries), next: nextSchema });
    return this.#requests.pages("/v1/offers", query, async (path) => {
      const { offers, next } = await this.#requests.get(path, page, options);
      return { entries: offers, next };
    });
  }

  // ---- jobs --------------------------------------------------------------------------------------

  /** @throws NOT_FOUND until the job's funding has enough confirmations */
  job(id: string, options?: CallOptions): Promise<JobView> {
    return this.#requests.get(`/v1/jobs/${encodeURIComponent(id)}`, jobViewSchema, options);
  }

  /** All jobs that fit, in the order of their funding. */
  jobs(query: Omit<JobQuery, "limit"> = {}, options?: CallOptions): Promise<JobSummary[]> {
    const page = z.object({ jobs: z.array(jobSummarySchema).max(pageEntries), next: nextSchema });
    return this.#requests.pages("/v1/jobs", query, async (path) => {
      const { jobs, next } = await this.#requests.get(path, page, options);
      return { entries: jobs, next };
    });
  }

  async jobEvents(id: string, after = 0, options?: CallOptions): Promise<JobEventView[]> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/events?after=${after}&limit=500`;
    return (await this.#requests.get(path, z.object({ events: z.array(jobEventSchema) }), options)).events;
  }

  postJoin(id: string, post: JoinPost, options?: CallOptions): Promise<JobView> {
    return this.#post(id, "joins", post, options);
  }

  postAttestation(id: string, post: AttestationPost, options?: CallOptions): Promise<JobView> {
    return this.#post(id, "attestations", post, options);
  }

  postFailure(id: string, post: FailurePost, options?: CallOptions): Promise<JobView> {
    return this.#post(id, "failures", post, options);
  }

  postUnopened(id: string, post: UnopenedPost, options?: CallOptions): Promise<JobView> {
    return this.#post(id, "unopened", post, options);
  }

  postProgress(id: string, post: ProgressPost, options?: CallOptions): Promise<JobView> {
    return this.#post(id, "progress", post, options);
  }

  // ---- blobs -------------------------------------------------------------------------------------

  /**
   * Uploads bytes and checks that the bridge stored just these. A `Blob`, which may be a file on disk, is
   * streamed; its hash is then the caller's to give.
   * @throws LIMIT_EXCEEDED, BRIDGE_UNREACHABLE, COMMITMENT_MISMATCH
   */
  async uploadBlob(
    bytes: Uint8Array | { blob: Blob; hash: string },
    options?: CallOptions,
  ): Promise<BlobReceipt> {
    const [body, hash, size] =
      bytes instanceof Uint8Array
        ? [bytes as Uint8Array<ArrayBuffer>, sha256(bytes), bytes.byteLength]
        : [bytes.blob, bytes.hash.toLowerCase(), bytes.blob.size];
    const response = await this.#requests.fetch("/v1/blobs", this.#blobTimeoutMs, options, {
      method: "PUT",
      headers: { "content-type": "application/octet-stream" },
      body,
    });
    const receipt = await this.#requests.json(response, blobReceiptSchema);
    if (receipt.hash !== hash || receipt.bytes !== size) {
      throw new SymbolonError("COMMITMENT_MISMATCH", "the bridge stored other bytes than were sent");
    }
    return receipt;
  }

  /**
   * Downloads a blob and checks it against its hash.
   * @param maxBytes refuses more than this without reading it
   * @throws NOT_FOUND, COMMITMENT_MISMATCH, LIMIT_EXCEEDED, BRIDGE_UNREACHABLE
   */
  async downloadBlob(hash: string, maxBytes: number, options?: CallOptions): Promise<Uint8Array> {
    const response = await this.#requests.fetch(`/v1/blobs/${hash}`, this.#blobTimeoutMs, options);
    const bytes = await readAtMost(response, maxBytes);
    if (sha256(bytes) !== hash.toLowerCase()) throw wrongBytes(hash);
    return bytes;
  }

  /**
   * The bytes of a blob as they come. They are **not** checked here: whoever takes them hashes them on the way
   * and uses nothing of them when the hash is another.
   * @throws NOT_FOUND, LIMIT_EXCEEDED, BRIDGE_UNREACHABLE
   */
  async *streamBlob(hash: string, maxBytes: number, options?: CallOptions): AsyncGenerator<Uint8Array> {
    const response = await this.#requests.fetch(`/v1/blobs/${hash}`, this.#blobTimeoutMs, options);
    yield* partsAtMost(response, maxBytes);
  }

  /** Whether the bridge holds an intact blob; it may have to read all of it to say so. */
  async hasBlob(hash: string, options?: CallOptions): Promise<boolean> {
    const response = await this.#requests.fetch(
      `/v1/blobs/${hash}`,
      this.#blobTimeoutMs,
      options,
      { method: "HEAD" },
      true,
    );
    return response.ok;
  }

  // ---- following ---------------------------------------------------------------------------------

  /**
   * Calls `onView` with the present view of a job and each one after it, each version once, in order. Live
   * events carry it; polling fills in while they do not come through.
   * @param onTrouble told when the bridge does not answer; watching goes on
   */
  watchJob(
    id: string,
    onView: (view: JobSummary) => void,
    onTrouble: (error: SymbolonError) => void = () => {},
  ): Watch {
    return watch(this.#watchOptions, { job: id }, async () => [await this.job(id)], onView, onTrouble);
  }

  /** The same for all jobs, or those of one operator set. Jobs that have ended are not listed at the start. */
  watchJobs(
    onView: (view: JobSummary) => void,
    query: { operatorSet?: string } = {},
    onTrouble: (error: SymbolonError) => void = () => {},
  ): Watch {
    const open: JobView["state"][] = ["Funded", "Joined", "Attested", "Disputed", "Failed"];
    const list = async (): Promise<JobSummary[]> => {
      const lists = await Promise.all(open.map((state) => this.jobs({ ...query, state })));
      return lists.flat();
    };
    const wanted = query.operatorSet?.toLowerCase();
    const filtered = (view: JobSummary): void => {
      if (wanted === undefined || view.operatorSet === wanted) onView(view);
    };
    return watch(this.#watchOptions, { jobs: true }, list, filtered, onTrouble);
  }

  /**
   * Resolves with the first view for which `done` holds.
   * @throws BRIDGE_UNREACHABLE when `timeoutMs` passes first
   */
  async waitForJob(
    id: string,
    done: (view: JobSummary) => boolean,
    options: CallOptions & { timeoutMs: number; onView?: (view: JobSummary) => void },
  ): Promise<JobSummary> {
    const { promise, resolve, reject } = Promise.withResolvers<JobSummary>();
    let lastTrouble: SymbolonError | undefined;
    const watched = this.watchJob(
      id,
      (view) => {
        options.onView?.(view);
        if (done(view)) resolve(view);
      },
      (error) => {
        lastTrouble = error;
      },
    );
    const timer = setTimeout(() => {
      reject(
        new SymbolonError("BRIDGE_UNREACHABLE", `job ${id} did not get on within ${options.timeoutMs} ms`, {
          cause: lastTrouble,
        }),
      );
    }, options.timeoutMs);
    const abort = (): void => reject(aborted());
    options.signal?.addEventListener("abort", abort, { once: true });
    if (options.signal?.aborted === true) abort();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", abort);
      watched.close();
    }
  }

  #post(id: string, what: string, body: object, options?: CallOptions): Promise<JobView> {
    return this.#requests.post(`/v1/jobs/${encodeURIComponent(id)}/${what}`, body, jobViewSchema, options);
  }
}

function wrongBytes(hash: string): SymbolonError {
  return new SymbolonError("COMMITMENT_MISMATCH", `the bridge sent other bytes for blob ${hash}`);
}
