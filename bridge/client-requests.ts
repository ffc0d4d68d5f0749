/**
 * Requests to a bridge: each with a deadline, each answer limited in length and checked against its schema. Problem
 * documents become SymbolonErrors with the bridge's code; silence becomes BRIDGE_UNREACHABLE.
 */
import { z } from "zod";
import { type ErrorCode, errorCodes, SymbolonError } from "../mpc/errors.ts";

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

const maxJsonBytes = 16 * 1024 * 1024;
/** Of one page of a list. */
export const pageEntries = 500;
const maxEntries = 50_000;

export class BridgeRequests {
  readonly #url: string;
  readonly #timeoutMs: number;

  /**
   * @param url base address of the bridge, without a slash at its end
   * @param timeoutMs of an ordinary request
   */
  constructor(url: string, timeoutMs: number) {
    this.#url = url;
    this.#timeoutMs = timeoutMs;
  }

  async get<Value>(path: string, schema: z.ZodType<Value>, options?: CallOptions): Promise<Value> {
    return this.json(await this.fetch(path, this.#timeoutMs, options), schema);
  }

  async post<Value>(
    path: string,
    body: object,
    schema: z.ZodType<Value>,
    options?: CallOptions,
  ): Promise<Value> {
    const response = await this.fetch(path, this.#timeoutMs, options, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return this.json(response, schema);
  }

  /** All entries of a list that comes in pages. @throws LIMIT_EXCEEDED, BRIDGE_UNREACHABLE */
  async pages<Entry>(
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

  /** @param missingIsFine whether an answer "not found" is no error */
  async fetch(
    path: string,
    timeoutMs: number,
    options: CallOptions | undefined,
    init: RequestInit = {},
    missingIsFine = false,
  ): Promise<Response> {
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = options?.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
    const response = await fetch(`${this.#url}${path}`, { ...init, signal, redirect: "error" }).catch(
      (error) => {
        if (options?.signal?.aborted === true) throw aborted();
        throw unreachable(this.#url, error);
      },
    );
    if (response.ok || (missingIsFine && response.status === 404)) return response;
    throw await problemOf(this.#url, response);
  }

  /** An answer of the form that is due. @throws BRIDGE_UNREACHABLE for another */
  async json<Value>(response: Response, schema: z.ZodType<Value>): Promise<Value> {
    const text = new TextDecoder().decode(await readAtMost(response, maxJsonBytes));
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new SymbolonError("BRIDGE_UNREACHABLE", "the answer is not of the form that a bridge gives", {
      hint: `is ${originOf(this.#url)} a Symbolon bridge of this version?`,
    });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads a body without trusting the length that was declared. @throws LIMIT_EXCEEDED, BRIDGE_UNREACHABLE */
export async function readAtMost(response: Response, maxBytes: number): Promise<Uint8Array> {
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

/** The parts of a body as they come. @throws LIMIT_EXCEEDED, BRIDGE_UNREACHABLE */
export async function* partsAtMost(response: Response, maxBytes: number): AsyncGenerator<Uint8Array> {
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

/** @param cause what `fetch` threw */
export function unreachable(url: string, cause: unknown): SymbolonError {
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

export function aborted(): SymbolonError {
  return new SymbolonError("RUN_ABORTED", "the caller ended the request");
}
