import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addressOf, type BlobStore, maxBlobBytes } from "../../../parties/exchange/blob-store.ts";
import { contentIdentifier } from "../../../parties/exchange/content-identifier.ts";
import { FolderStore } from "../../../parties/exchange/folder-store.ts";
import { IpfsStore } from "../../../parties/exchange/ipfs-store.ts";
import { KeptStore } from "../../../parties/exchange/kept-store.ts";
import { openStore } from "../../../parties/exchange/open-store.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const code = (expected: string) => expect.objectContaining({ code: expected });

/** A server that speaks as much of Kubo's RPC interface as the store uses, and can be made to lie. */
class KuboNode {
  readonly blocks = new Map<string, Uint8Array>();
  readonly calls: string[] = [];
  readonly logins: (string | undefined)[] = [];
  /** What it does instead of the right thing. */
  manner: "honest" | "other bytes" | "other name" | "endless" | "silent" | "gateway" = "honest";
  #server: Server | undefined;

  async listen(): Promise<string> {
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        (answer) => {
          if (answer !== undefined) response.writeHead(answer.status).end(answer.body);
        },
        () => response.destroy(),
      );
    });
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  async #answer(
    request: IncomingMessage,
  ): Promise<{ status: number; body: string | Uint8Array } | undefined> {
    const url = new URL(request.url!, "http://node");
    this.calls.push(`${request.method} ${url.pathname}${url.search}`);
    this.logins.push(request.headers.authorization);
    if (this.manner === "silent") return undefined;
    if (this.manner === "gateway") return { status: 404, body: "404 page not found" };
    if (request.method !== "POST") return { status: 405, body: "" };
    if (url.pathname === "/api/v0/add") {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      const form = await new Response(Buffer.concat(parts), {
        headers: { "content-type": request.headers["content-type"]! },
      }).formData();
      const bytes = new Uint8Array(await (form.get("file") as File).arrayBuffer());
      const { searchParams } = url;
      // Settings under which the real node makes one raw block of it.
      expect(searchParams.get("cid-version")).toBe("1");
      expect(searchParams.get("raw-leaves")).toBe("true");
      expect(searchParams.get("chunker")).toBe("size-1048576");
      const name = contentIdentifier(`0x${createHash("sha256").update(bytes).digest("hex")}`);
      this.blocks.set(name, bytes);
      const told = this.manner === "other name" ? contentIdentifier(addressOf(bytesOf("x"))) : name;
      return { status: 200, body: JSON.stringify({ Name: told, Hash: told, Size: String(bytes.length) }) };
    }
    if (url.pathname === "/api/v0/cat") {
      if (this.manner === "endless") return { status: 200, body: Buffer.alloc(3 * maxBlobBytes) };
      if (this.manner === "other bytes") return { status: 200, body: "other bytes" };
      const bytes = this.blocks.get(url.searchParams.get("arg")!);
      if (bytes !== undefined) return { status: 200, body: bytes };
      return {
        status: 500,
        body: JSON.stringify({ Message: "block was not found locally (offline)", Code: 0 }),
      };
    }
    return { status: 404, body: "" };
  }
}

let folder = "";
let node: KuboNode;
let url = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-store-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  node = new KuboNode();
  url = await node.listen();
});
afterEach(() => node.close());

let count = 0;
const stores: [string, () => BlobStore][] = [
  ["a folder", () => new FolderStore(join(folder, `store-${count++}`))],
  ["an IPFS node", () => new IpfsStore(url, { timeoutMs: 5000 })],
  [
    "an IPFS node with copies at home",
    () => new KeptStore(new FolderStore(join(folder, `home-${count++}`)), new IpfsStore(url)),
  ],
];

describe.each(stores)("%s as a store", (_, make) => {
  test("gives back what was put, under its sha256", async () => {
    const store = make();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 3000 }), async (bytes) => {
        const address = await store.put(bytes);
        expect(address).toBe(`0x${createHash("sha256").update(bytes).digest("hex")}`);
        expect(await store.get(address)).toEqual(bytes);
      }),
      { numRuns: 15 },
    );
  });

  test("takes the same bytes twice, and the largest blob", async () => {
    const store = make();
    const largest = new Uint8Array(maxBlobBytes).fill(7);
    expect(await store.put(largest)).toBe(await store.put(largest));
    expect(await store.get(addressOf(largest))).toEqual(largest);
  });

  test("refuses blobs of no and of too many bytes", async () => {
    const store = make();
    await expect(store.put(new Uint8Array(0))).rejects.toEqual(code("LIMIT_EXCEEDED"));
    await expect(store.put(new Uint8Array(maxBlobBytes + 1))).rejects.toEqual(code("LIMIT_EXCEEDED"));
  });

  test("hands out no more than the reader allows", async () => {
    const store = make();
    const address = await store.put(bytesOf("twelve bytes"));
    expect(await store.get(address, 12)).toHaveLength(12);
    await expect(store.get(address, 11)).rejects.toEqual(code("LIMIT_EXCEEDED"));
  });

  test("says that it lacks a blob", async () => {
    await expect(make().get(addressOf(bytesOf("absent")))).rejects.toEqual(code("NOT_FOUND"));
  });

  test.each(["../../etc/passwd", "0x12", `0x${"AB".repeat(32)}`, `0x${"ab".repeat(33)}`])(
    "does not take %s for an address",
    async (address) => {
      await expect(make().get(address)).rejects.toEqual(code("PARAMETER_INVALID"));
    },
  );
});

describe("a folder", () => {
  test("that holds other bytes under a name is found out", async () => {
    const path = join(folder, "altered");
    const store = new FolderStore(path);
    const address = await store.put(bytesOf("right"));
    await writeFile(join(path, address.slice(2)), "wrong");
    await expect(store.get(address)).rejects.toEqual(code("COMMITMENT_MISMATCH"));
    await truncate(join(path, address.slice(2)), 0);
    await expect(store.get(address)).rejects.toEqual(code("LIMIT_EXCEEDED"));
  });

  test("leaves nothing half written, and keeps the mode that was asked for", async () => {
    const path = join(folder, "modes");
    const address = await new FolderStore(path, 0o600).put(bytesOf("secret"));
    expect(await readdir(path)).toEqual([address.slice(2)]);
    expect((await stat(join(path, address.slice(2)))).mode & 0o777).toBe(0o600);
  });

  test("that is a file is no store", async () => {
    await writeFile(join(folder, "file"), "");
    const store = new FolderStore(join(folder, "file"));
    await expect(store.put(bytesOf("x"))).rejects.toEqual(code("STORE_UNREACHABLE"));
  });
});

describe("an IPFS node", () => {
  test("is asked by POST under the identifier of one raw block", async () => {
    const store = new IpfsStore(`${url}/`);
    await store.put(bytesOf("hello world"));
    await store.get(addressOf(bytesOf("hello world")));
    // The published identifier of these bytes.
    const name = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
    expect(contentIdentifier(addressOf(bytesOf("hello world")))).toBe(name);
    expect(node.calls[1]).toBe(`POST /api/v0/cat?arg=${name}`);
  });

  test("that sends other bytes is found out", async () => {
    const store = new IpfsStore(url);
    const address = await store.put(bytesOf("right"));
    node.manner = "other bytes";
    await expect(store.get(address)).rejects.toEqual(code("COMMITMENT_MISMATCH"));
  });

  test("that adds something else is found out", async () => {
    node.manner = "other name";
    await expect(new IpfsStore(url).put(bytesOf("right"))).rejects.toEqual(code("COMMITMENT_MISMATCH"));
  });

  test("that does not end is cut off", async () => {
    node.manner = "endless";
    await expect(new IpfsStore(url).get(addressOf(bytesOf("x")))).rejects.toEqual(code("LIMIT_EXCEEDED"));
  });

  test("that says nothing is given up on in time", async () => {
    node.manner = "silent";
    const store = new IpfsStore(url, { timeoutMs: 200 });
    await expect(store.get(addressOf(bytesOf("x")))).rejects.toEqual(code("STORE_UNREACHABLE"));
    await expect(store.put(bytesOf("x"))).rejects.toEqual(code("STORE_UNREACHABLE"));
  });

  test("that is none is named without what may be secret in its address", async () => {
    node.manner = "gateway";
    const store = new IpfsStore(url.replace("//", "//user:password@"));
    const error = await store.get(addressOf(bytesOf("x"))).catch((thrown: Error) => thrown);
    expect(error).toEqual(code("STORE_UNREACHABLE"));
    expect((error as Error).message).toContain("answered with status 404");
    expect(node.logins).toEqual([`Basic ${Buffer.from("user:password").toString("base64")}`]);
    expect((error as Error).message).not.toContain("password");
  });

  test("is needed once for what was kept", async () => {
    const store = new KeptStore(new FolderStore(join(folder, "kept")), new IpfsStore(url));
    const address = await new IpfsStore(url).put(bytesOf("kept"));
    await store.get(address);
    node.manner = "other bytes";
    expect(await store.get(address)).toEqual(bytesOf("kept"));
    // A damaged copy is fetched again.
    await writeFile(join(folder, "kept", address.slice(2)), "gone");
    node.manner = "honest";
    expect(await store.get(address)).toEqual(bytesOf("kept"));
  });
});

test("a place with a scheme is a node, any other a folder", () => {
  expect(openStore("http://127.0.0.1:5001")).toBeInstanceOf(IpfsStore);
  expect(openStore("some/folder")).toBeInstanceOf(FolderStore);
  expect(() => openStore("ftp://example.org")).toThrow(code("USAGE"));
  expect(() => openStore("")).toThrow(code("USAGE"));
});
