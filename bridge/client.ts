/**
 * The bridge as the others see it: a typed client for parties, sellers and buyers, in Node and the browser.
 *
 * Nothing that comes back is trusted: answers are checked against the schemas, blobs against their hashes.
 * Whether an answer is *true* is for the caller to check on the chain. Every call has a deadline. Problem
 * documents become SymbolonErrors with the bridge's code; silence becomes BRIDGE_UNREACHABLE.
 */
import { sha256 } from "ethers";
import { io, Fetch as LongPolling, WebSocket as PlatformWebSocket, type Socket } from "socket.io-client";
import { z } from "zod";
import { type ErrorCode, errorCodes, SymbolonError } from "../mpc/errors.ts";
import { RecentMap } from "../mpc/recent-map.ts";
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

export interface CallOptions {
  signal?: AbortSignal | undefined;
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

export interface Watch {
  close(): void;
}

const maxJsonBytes = 16 * 1024 * 1024;
const pageEntries = 500;
/** Of a list, and of the jobs whose last version a watch knows. */
const maxEntries = 50_000;

export class BridgeClient {
  readonly url: string;
  readonly #timeoutMs: number;
  readonly #blobTimeoutMs: number;
  readonly #pollMs: number;

  constructor(options: BridgeClientOptions) {
    this.url = options.url.replace(/\/+$/, "");
    this.#timeoutMs = options.timeoutMs ?? 15_000;
    this.#blobTimeoutMs = options.blobTimeoutMs ?? 10 * 60_000;
    this.#pollMs = options.pollMs ?? 3000;
  }

  // ---- the market --------------------------------------------------------------------------------

  deployment(options?: CallOptions): Promise<DeploymentView> {
    return this.#get("/v1/deployment", deploymentViewSchema, options);
  }

  async operators(options?: CallOptions): Promise<OperatorView[]> {
    return (await this.#get("/v1/operators", z.object({ operators: z.array(operatorViewSchema) }), options))
      .operators;
  }

  async sets(options?: CallOptions): Promise<SetView[]> {
    return (await this.#get("/v1/sets", z.object({ sets: z.array(setViewSchema) }), options)).sets;
  }

  offer(id: string, options?: CallOptions): Promise<OfferView> {
    return this.#get(`/v1/offers/${encodeURIComponent(id)}`, offerViewSchema, options);
  }

  /** All offers that fit, in the order of their publication. */
  offers(
    query: { operatorSet?: string; active?: boolean; prefix?: string } = {},
    options?: CallOptions,
  ): Promise<OfferView[]> {
    const page = z.object({ offers: z.array(offerViewSchema).max(pageEntries), next: nextSchema });
    return this.#pages("/v1/offers", query, async (path) => {
      const { offers, next } = await this.#get(path, page, options);
      return { entries: offers, next };
    });
  }

  // ---- jobs --------------------------------------------------------------------------------------

  /** @throws NOT_FOUND until the job's funding has enough confirmations */
  job(id: string, options?: CallOptions): Promise<JobView> {
    return this.#get(`/v1/jobs/${encodeURIComponent(id)}`, jobViewSchema, options);
  }

  /** All jobs that fit, in the order of their funding. */
  jobs(query: Omit<JobQuery, "limit"> = {}, options?: CallOptions): Promise<JobSummary[]> {
    const page = z.object({ jobs: z.array(jobSummarySchema).max(pageEntries), next: nextSchema });
    return this.#pages("/v1/jobs", query, async (path) => {
      const { jobs, next } = await this.#get(path, page, options);
      return { entries: jobs, next };
    });
  }

  async jobEvents(id: string, after = 0, options?: CallOptions): Promise<JobEventView[]> {
    const path = `/v1/jobs/${encodeURIComponent(id)}/events?after=${after}&limit=500`;
    return (await this.#get(path, z.object({ events: z.array(jobEventSchema) }), options)).events;
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
    const response = await this.#fetch("/v1/blobs", this.#blobTimeoutMs, options, {
      method: "PUT",
      headers: { "content-type": "application/octet-stream" },
      body,
    });
    const receipt = await this.#json(response, blobReceiptSchema);
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
    const response = await this.#fetch(`/v1/blobs/${hash}`, this.#blobTimeoutMs, options);
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
    const response = await this.#fetch(`/v1/blobs/${hash}`, this.#blobTimeoutMs, options);
    yield* partsAtMost(response, maxBytes);
  }

  /** Whether the bridge holds an intact blob; it may have to read all of it to say so. */
  async hasBlob(hash: string, options?: CallOptions): Promise<boolean> {
    const response = await this.#fetch(
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
    return this.#watch({ job: id }, async () => [await this.job(id)], onView, onTrouble);
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
    return this.#watch({ jobs: true }, list, filtered, onTrouble);
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
    const watch = this.watchJob(
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
      watch.close();
    }
  }

  #watch(
    subscription: { job: string } | { jobs: true },
    list: () => Promise<JobSummary[]>,
    onView: (view: JobSummary) => void,
    onTrouble: (error: SymbolonError) => void,
  ): Watch {
    const shown = new RecentMap<string, { version: number; progress: string }>(maxEntries);
    let closed = false;
    let live = false;
    const take = (view: JobSummary): void => {
      const progress = JSON.stringify(view.progress);
      const before = shown.get(view.id);
      const stale = before !== undefined && before.version > view.version;
      if (closed || stale || (before?.version === view.version && before.progress === progress)) return;
      shown.set(view.id, { version: view.version, progress });
      onView(view);
    };
    const refresh = async (): Promise<void> => {
      try {
        for (const view of await list()) take(view);
      } catch (thrown) {
        if (!closed) onTrouble(thrown instanceof SymbolonError ? thrown : unreachable(this.url, thrown));
      }
    };
    const socket = connect(this.url);
    socket.on("job", (raw: unknown) => {
      const parsed = jobSummarySchema.safeParse(raw);
      if (parsed.success) take(parsed.data);
    });
    socket.on("connect", () => {
      socket
        .timeout(this.#timeoutMs)
        .emit("subscribe", subscription, (error: Error | null, reply: unknown) => {
          // A refusal, say of a job that is not known yet, leaves the asking to the polls.
          live = error === null && (reply as { ok?: unknown } | undefined)?.ok === true;
          // What happened before the subscription is read once; the rest is pushed.
          void refresh();
        });
    });
    socket.on("disconnect", () => {
      live = false;
    });
    // Even a live connection is asked now and then, since a push that never comes makes no noise.
    let ticks = 0;
    const timer = setInterval(() => {
      ticks += 1;
      if (!live || ticks % 10 === 0) void refresh();
    }, this.#pollMs);
    void refresh();
    return {
      close: () => {
        closed = true;
        clearInterval(timer);
        socket.close();
      },
    };
  }

  // ---- requests ----------------------------------------------------------------------------------

  async #pages<Entry>(
    path: string,
    query: object,
    page: (path: string) => Promise<{ entries: Entry[]; next: number | null }>,
  ): Promise<Entry[]> {
    const all: Entry[] = [];
    const search = new URLSearchParams({ limit: `${pageEntries}` });
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) search.set(name, String(value));
    // Each page but the last begins further on and has entries, so that no bridge can make the list endless.
    for (let after = 0; ; ) {
      const { entries, next } = await page(`${path}?${search}`);
      all.push(...entries);
      if (all.length > maxEntries) {
        throw new SymbolonError("LIMIT_EXCEEDED", `the bridge lists more than ${maxEntries} entries`);
      }
      if (next === null) return all;
      if (next <= after || entries.length === 0) {
        throw new SymbolonError("BRIDGE_UNREACHABLE", "the pages of the bridge's list do not go on");
      }
      after = next;
      search.set("after", String(next));
    }
  }

  async #get<Value>(path: string, schema: z.ZodType<Value>, options?: CallOptions): Promise<Value> {
    return this.#json(await this.#fetch(path, this.#timeoutMs, options), schema);
  }

  async #post(id: string, what: string, body: object, options?: CallOptions): Promise<JobView> {
    const response = await this.#fetch(
      `/v1/jobs/${encodeURIComponent(id)}/${what}`,
      this.#timeoutMs,
      options,
      {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      },
    );
    return this.#json(response, jobViewSchema);
  }

  async #fetch(
    path: string,
    timeoutMs: number,
    options: CallOptions | undefined,
    init: RequestInit = {},
    missingIsFine = false,
  ): Promise<Response> {
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = options?.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
    const response = await fetch(`${this.url}${path}`, { ...init, signal, redirect: "error" }).catch(
      (error) => {
        if (options?.signal?.aborted === true) throw aborted();
        throw unreachable(this.url, error);
      },
    );
    if (response.ok || (missingIsFine && response.status === 404)) return response;
    throw await problemOf(this.url, response);
  }

  async #json<Value>(response: Response, schema: z.ZodType<Value>): Promise<Value> {
    const text = new TextDecoder().decode(await readAtMost(response, maxJsonBytes));
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new SymbolonError("BRIDGE_UNREACHABLE", "the answer is not of the form that a bridge gives", {
      hint: `is ${originOf(this.url)} a Symbolon bridge of this version?`,
    });
  }
}

function connect(url: string): Socket {
  return io(url, {
    path: "/v1/events",
    // The run time's own WebSocket, in Node as in a browser; where a proxy stops it, long polling.
    transports: [PlatformWebSocket, LongPolling],
    tryAllTransports: true,
    reconnectionDelayMax: 5000,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads a body without trusting the length that was declared. @throws LIMIT_EXCEEDED, BRIDGE_UNREACHABLE */
async function readAtMost(response: Response, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of partsAtMost(response, maxBytes)) {
    length += part.byteLength;
    parts.push(part);
  }
  if (parts.length === 1) return parts[0]!;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.byteLength;
  }
  return whole;
}

async function* partsAtMost(response: Response, maxBytes: number): AsyncGenerator<Uint8Array> {
  let length = 0;
  if (Number(response.headers.get("content-length") ?? 0) > maxBytes) {
    await response.body?.cancel();
    throw tooLong(maxBytes);
  }
  try {
    for await (const part of response.body ?? []) {
      length += part.byteLength;
      if (length > maxBytes) throw tooLong(maxBytes);
      yield part;
    }
  } catch (thrown) {
    if (thrown instanceof SymbolonError) throw thrown;
    throw unreachable(response.url, thrown);
  }
}

function wrongBytes(hash: string): SymbolonError {
  return new SymbolonError("COMMITMENT_MISMATCH", `the bridge sent other bytes for blob ${hash}`);
}

function tooLong(maxBytes: number): SymbolonError {
  return new SymbolonError("LIMIT_EXCEEDED", `the bridge sent more than the ${maxBytes} bytes expected`);
}

const problemLikeSchema = z.object({ code: z.string(), detail: z.string(), hint: z.string().optional() });

/** The error that a problem document stands for. */
async function problemOf(url: string, response: Response): Promise<SymbolonError> {
  const body = await readAtMost(response, 64 * 1024).catch(() => new Uint8Array());
  const parsed = problemLikeSchema.safeParse(parseJson(new TextDecoder().decode(body)));
  if (parsed.success && Object.hasOwn(errorCodes, parsed.data.code)) {
    const { code, detail, hint } = parsed.data;
    return new SymbolonError(code as ErrorCode, `bridge: ${detail}`, hint === undefined ? {} : { hint });
  }
  if (response.status === 404) return new SymbolonError("NOT_FOUND", "bridge: no such thing");
  if (response.status === 403) return new SymbolonError("COMMITMENT_MISMATCH", "bridge: refused");
  return new SymbolonError(
    "BRIDGE_UNREACHABLE",
    `the bridge at ${originOf(url)} answered with status ${response.status}`,
  );
}

/** Scheme, host and port: what may be shown of an address whose rest may hold a password or an access key. */
export function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : "an address that is not a URL";
}

/** What to do about a bridge that does not answer, for all that this client knows. */
export const unreachableHint = "is the bridge running, and is its address right?";

function unreachable(url: string, cause: unknown): SymbolonError {
  const late = cause instanceof Error && cause.name === "TimeoutError";
  return new SymbolonError(
    "BRIDGE_UNREACHABLE",
    `the bridge at ${originOf(url)} ${late ? "did not answer in time" : "does not answer"}`,
    {
      hint: unreachableHint,
      cause,
    },
  );
}

function aborted(): SymbolonError {
  return new SymbolonError("RUN_ABORTED", "the caller ended the request");
}
