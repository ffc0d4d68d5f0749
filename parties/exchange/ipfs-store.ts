/**
 * IPFS as the store, through the RPC interface of a Kubo node (https://docs.ipfs.tech/reference/kubo/rpc/). The node
 * is as little believed as any store: what it adds must get the identifier that follows from the bytes, and what it
 * hands out is hashed. Blobs are single raw blocks, so that a sha256 on chain is all that a reader needs.
 */
import { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";
import {
  addressOf,
  type BlobStore,
  blobMissing,
  maxBlobBytes,
  requireAddress,
  requireBlobSize,
  requireContent,
} from "./blob-store.ts";
import { contentIdentifier } from "./content-identifier.ts";

const addedSchema = z.object({ Hash: z.string().max(200) });
const failureSchema = z.object({ Message: z.string() });
const maxAnswerBytes = 64 * 1024;

export interface IpfsOptions {
  /** Deadline of one call, in which a node that lacks a block looks for it among its peers. */
  timeoutMs?: number;
}

export class IpfsStore implements BlobStore {
  readonly place: string;
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #timeoutMs: number;

  /**
   * @param url where the RPC interface listens, such as http://127.0.0.1:5001; user and password in it are sent as basic
   * authentication
   * @throws USAGE
   */
  constructor(url: string, { timeoutMs = 60_000 }: IpfsOptions = {}) {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new SymbolonError("USAGE", "the RPC interface of an IPFS node has an address with http or https");
    }
    const address = new URL(url);
    const { username, password, origin, pathname } = address;
    const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    this.#headers = login === ":" ? {} : { authorization: `Basic ${Buffer.from(login).toString("base64")}` };
    this.#url = `${origin}${pathname.replace(/\/+$/, "")}`;
    this.#timeoutMs = timeoutMs;
    this.place = `the IPFS node at ${origin}`;
  }

  async put(bytes: Uint8Array): Promise<string> {
    requireBlobSize(bytes.length, maxBlobBytes, this.place);
    const address = addressOf(bytes);
    const form = new FormData();
    form.append("file", new Blob([Uint8Array.from(bytes)]));
    // The chunk is as large as the largest blob: one block, whatever its size.
    const settings = `cid-version=1&raw-leaves=true&chunker=size-${maxBlobBytes}&pin=true&progress=false`;
    const answer = await this.#call(`add?${settings}`, form, maxAnswerBytes);
    const added = addedSchema.safeParse(parseJson(answer.bytes));
    if (answer.status !== 200 || !added.success) throw this.#refused(answer);
    if (added.data.Hash !== contentIdentifier(address)) {
      throw new SymbolonError("COMMITMENT_MISMATCH", `${this.place} added other bytes than were sent`);
    }
    return address;
  }

  async get(address: string, maxBytes = maxBlobBytes): Promise<Uint8Array> {
    requireAddress(address);
    const answer = await this.#call(`cat?arg=${contentIdentifier(address)}`, undefined, maxBytes);
    if (answer.status !== 200) {
      // A node that is offline says at once that it lacks a block; one that is not looks until the deadline.
      if (/not found|no link named|could not find/i.test(messageOf(answer))) {
        throw blobMissing(address, this.place);
      }
      throw this.#refused(answer);
    }
    requireContent(address, answer.bytes, this.place);
    return answer.bytes;
  }

  async #call(method: string, body: FormData | undefined, maxBytes: number): Promise<Answer> {
    try {
      // POST for reading too: Kubo takes no other method.
      const response = await fetch(`${this.#url}/api/v0/${method}`, {
        method: "POST",
        headers: this.#headers,
        ...(body === undefined ? {} : { body }),
        redirect: "error",
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      const limit = response.status === 200 ? maxBytes : maxAnswerBytes;
      return { status: response.status, bytes: await readAtMost(response, limit, this.place) };
    } catch (cause) {
      if (cause instanceof SymbolonError) throw cause;
      const late = cause instanceof Error && cause.name === "TimeoutError";
      throw new SymbolonError(
        "STORE_UNREACHABLE",
        `${this.place} ${late ? "did not answer in time" : "does not answer"}`,
        { hint: "is the node running there, and does a peer have the blob? --store names another", cause },
      );
    }
  }

  #refused({ status }: Answer): SymbolonError {
    return new SymbolonError("STORE_UNREACHABLE", `${this.place} answered with status ${status}`, {
      hint: "the address must be that of Kubo's RPC interface, not of its gateway",
    });
  }
}

interface Answer {
  status: number;
  bytes: Uint8Array;
}

function messageOf({ bytes }: Answer): string {
  const parsed = failureSchema.safeParse(parseJson(bytes));
  return parsed.success ? parsed.data.Message : "";
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

async function readAtMost(response: Response, maxBytes: number, place: string): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.byteLength;
    if (length > maxBytes) {
      throw new SymbolonError("LIMIT_EXCEEDED", `${place} sent more than the ${maxBytes} bytes expected`);
    }
    parts.push(part);
  }
  return Uint8Array.from(Buffer.concat(parts));
}
