/**
 * Two jobs run through a bridge whose every byte is kept: its database and blobs on disk, its log, and both
 * directions of every connection to it. None of it contains a share, in wire, hexadecimal or base64 form, or
 * a marked cell. The shares are known to the test because it holds the operators' keys.
 */
import { readdir, readFile } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BridgeClient } from "../../bridge/client.ts";
import { openTerms } from "../../contracts/use-terms.ts";
import { partyIndices } from "../../mpc/transport/transport.ts";
import { createKernel, type FieldBits } from "../../mpc/vector/index.ts";
import { BuyerClient } from "../../parties/buyer/client.ts";
import { deriveSchema } from "../../parties/data/schema.ts";
import { decodeShare } from "../../parties/data-set.ts";
import { unseal } from "../../parties/sealing.ts";
import { type PublishedDataSet, publishDataSet } from "../../parties/seller/client.ts";
import { MarketWorld, tableOf } from "../parties/compute/market-world.ts";
import { unmaskedWebSocketData } from "./web-socket-frames.ts";

/** Cells that occur nowhere by accident. */
const marked = [0.123456789, 0.987654321, 0.314159265];

interface Secret {
  what: string;
  bytes: Buffer;
}

let world: MarketWorld;
let proxy: Server;
const open = new Set<Socket>();
/** What went over each connection, one direction an entry. */
const streams: Buffer[][] = [];
const published: { seller: string; set: PublishedDataSet; fieldBits: FieldBits }[] = [];

/** Forwards to the bridge and keeps a copy of everything. */
async function recordingProxy(target: string): Promise<string> {
  const { hostname, port } = new URL(target);
  proxy = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      const kept: Buffer[] = [];
      streams.push(kept);
      open.add(from);
      from.on("data", (data) => {
        kept.push(Buffer.from(data));
        to.write(data);
      });
      from.on("close", () => to.destroy());
      from.on("error", () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return `http://127.0.0.1:${address.port}`;
}

beforeAll(async () => {
  world = await MarketWorld.open(["statistics", "jiff-program"]);
  const url = await recordingProxy(world.bridge.url);
  const configOf = world.config.bind(world);
  world.config = (point, limits) => ({ ...configOf(point, limits), bridgeUrl: url });
  const bridge = new BridgeClient({ url, pollMs: 100 });
  for (const point of partyIndices) await world.start(point);

  const offer = async (account: number, columns: string[], rows: number[][]) => {
    const { market, address } = world.account(account);
    const table = tableOf(columns, rows);
    const schema = deriveSchema([tableOf(columns, [columns.map(() => 0), columns.map(() => 1)])], {
      outOfRange: "refuse",
    });
    const set = await publishDataSet(
      { bridge, market, seller: address },
      { table, schema, operatorSet: world.operatorSet, terms: openTerms(1n) },
    );
    published.push({ seller: address, set, fieldBits: schema.fieldBits });
    return set.offer;
  };
  const run = async (account: number, algorithm: string, offers: string[]) => {
    const { market, address } = world.account(account);
    const buyer = new BuyerClient({ bridge, market, buyer: address, resultKey: world.resultKey });
    const { job } = await buyer.fund(await buyer.propose({ algorithm, offers }), 600);
    await buyer.waitForResult(job);
    await buyer.result(job);
  };
  const rows = marked.map((x) => [x, 1 - x]);
  await run(9, "statistics", [await offer(5, ["a", "b"], rows), await offer(6, ["a", "b"], rows.slice(1))]);
  await run(10, "jiff-program", [
    await offer(7, ["bid"], [[marked[0]]]),
    await offer(8, ["bid"], [[marked[1]]]),
  ]);
  for (const point of partyIndices) await world.stop(point);
});

afterAll(async () => {
  for (const socket of open) socket.destroy();
  await new Promise<void>((resolve) => proxy.close(() => resolve()));
  await world?.close();
});

/** Everything that the bridge stored and everything that was said to it or by it. */
async function haystacks(): Promise<{ where: string; data: Buffer }[]> {
  const folder = join(world.folder, "bridge");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
  const stored = await Promise.all(files.map(async (file) => ({ where: file, data: await readFile(file) })));
  const said = streams.flatMap((parts, i) => {
    const data = Buffer.concat(parts);
    return [
      { where: `connection ${i}`, data },
      { where: `web socket messages of connection ${i}`, data: unmaskedWebSocketData(data) },
    ];
  });
  return [...stored, ...said];
}

/** Every share of every data set: each limb plane as it travels, and each element as a number. */
async function sharesOf(): Promise<Secret[]> {
  const secrets: Secret[] = [];
  for (const { seller, set, fieldBits } of published) {
    for (const [i, keys] of world.operators.entries()) {
      const point = partyIndices[i];
      const sealed = await world.client.downloadBlob(set.ciphertextHashes[i], 1 << 20);
      const context = {
        kind: "input-share" as const,
        chainId: world.deployment.chainId,
        registry: world.deployment.jobEscrow,
        owner: seller,
        nonce: set.nonce,
        schemaHash: set.schemaHash,
        rows: set.rows,
        columns: set.columns,
        operator: keys.owner.address,
        point,
      };
      const plain = await unseal(keys.sealKey.privateKey.reveal(), context, sealed);
      const kernel = await createKernel(fieldBits);
      const shape = { rows: set.rows, cols: set.columns, fracBits: 16 };
      const share = decodeShare(kernel, plain, { ...shape, point, seeded: true });
      const what = `share of party ${point}`;
      if (point === 1) secrets.push({ what: "seed of party 1", bytes: Buffer.from(plain.subarray(16)) });
      secrets.push({ what: `${what}, encoded`, bytes: Buffer.from(kernel.encode(share)).subarray(0, 24) });
      kernel.toBigints(share).forEach((element, at) => {
        const hex = element.toString(16).padStart(2 * Math.ceil(fieldBits / 8), "0");
        const number = Buffer.from(hex, "hex");
        secrets.push({ what: `${what}, element ${at}`, bytes: number });
        secrets.push({ what: `${what}, element ${at}, reversed`, bytes: Buffer.from(number).reverse() });
        secrets.push({ what: `${what}, element ${at}, decimal`, bytes: Buffer.from(element.toString()) });
      });
    }
  }
  return secrets;
}

/** A secret as it stands, in hexadecimal (both cases) and in base64 at each of the three alignments. */
function forms({ what, bytes }: Secret): Secret[] {
  const base64 = [0, 1, 2].map((skip) => {
    // Leading bytes that are not whole groups of three are cut off; so is an unfinished last group.
    const whole = bytes.subarray(skip, bytes.length - ((bytes.length - skip) % 3));
    return { what: `${what}, base64 at ${skip}`, bytes: Buffer.from(whole.toString("base64")) };
  });
  return [
    { what, bytes },
    { what: `${what}, hex`, bytes: Buffer.from(bytes.toString("hex")) },
    { what: `${what}, upper hex`, bytes: Buffer.from(bytes.toString("hex").toUpperCase()) },
    ...base64,
  ];
}

describe("the bridge", () => {
  it("never holds, logs, sends or receives a share", async () => {
    const shares = (await sharesOf()).flatMap(forms);
    expect(shares.length).toBeGreaterThan(500);
    for (const { where, data } of await haystacks()) {
      for (const { what, bytes } of shares)
        expect(data.includes(bytes) ? `${what} in ${where}` : "").toBe("");
    }
  });

  it("never holds, logs, sends or receives a cell", async () => {
    const cells = marked.flatMap((x) => {
      const double = Buffer.alloc(8);
      double.writeDoubleLE(x);
      const bigEndian = Buffer.from(double).reverse();
      return [
        { what: `${x} in decimal`, bytes: Buffer.from(String(x)) },
        ...forms({ what: `${x} as a double`, bytes: double }),
        ...forms({ what: `${x} as a big-endian double`, bytes: bigEndian }),
      ];
    });
    for (const { where, data } of await haystacks()) {
      for (const { what, bytes } of cells) expect(data.includes(bytes) ? `${what} in ${where}` : "").toBe("");
    }
  });

  it("would be caught: what it does hold is found in the same places", async () => {
    const all = await haystacks();
    const found = (bytes: Buffer): string[] =>
      all.filter(({ data }) => data.includes(bytes)).map((h) => h.where);
    const sealed = await world.client.downloadBlob(published[0].set.ciphertextHashes[0], 1 << 20);
    const places = found(Buffer.from(sealed.subarray(10, 60)));
    expect(places.some((where) => where.includes("blobs"))).toBe(true);
    expect(places.some((where) => where.startsWith("connection"))).toBe(true);
    expect(
      found(Buffer.from(published[0].set.nonce.slice(2))).some(
        (where) => where.endsWith(".sqlite") || where.includes("bridge"),
      ),
    ).toBe(true);
    expect(found(Buffer.from('"msg"')).some((where) => where.endsWith("log.jsonl"))).toBe(true);
    // JIFF's sealed messages went through the relay's web sockets.
    expect(found(Buffer.from("sb1.")).some((where) => where.startsWith("web socket"))).toBe(true);
  });
});
