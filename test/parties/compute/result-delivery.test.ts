import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { id } from "ethers";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BridgeClient } from "../../../bridge/client.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { Journal } from "../../../parties/compute/journal.ts";
import { createNodeLogger } from "../../../parties/compute/logger.ts";
import { ResultDelivery } from "../../../parties/compute/result-delivery.ts";
import { SealedStore } from "../../../parties/compute/sealed-store.ts";

const address = `0x${"11".repeat(20)}`;
const deployment = {
  chainId: 1,
  operatorRegistry: address,
  jobEscrow: address,
  gradientRounds: address,
  reviewExchange: address,
  disputes: address,
  blockNumber: 0,
};
const job = id("job 1");
const share = Buffer.from("sealed to the buyer");

let folder: string;
let journal: Journal;
let delivery: ResultDelivery;
let uploads: string[];
let away: number;

async function open(): Promise<void> {
  const bridge = {
    async uploadBlob(bytes: Uint8Array) {
      if (away > 0) {
        away -= 1;
        throw new SymbolonError("BRIDGE_UNREACHABLE", "the bridge does not answer");
      }
      uploads.push(Buffer.from(bytes).toString());
    },
  } as unknown as BridgeClient;
  journal = new Journal(folder, deployment, address);
  const sealed = await SealedStore.open(join(folder, "sealed"), bridge);
  delivery = new ResultDelivery({ journal, sealed, bridge, logger: createNodeLogger("silent") });
}

async function close(): Promise<void> {
  await delivery.close();
  journal.close();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-test-"));
  uploads = [];
  away = 0;
  await open();
});

afterEach(async () => {
  await close();
  await rm(folder, { recursive: true, force: true });
});

const attest = async (name: string): Promise<void> => {
  const hash = await delivery.keep(share);
  const parts = { ciphertextHashes: ["0x01", hash, "0x03"] };
  journal.record(name, { kind: "attestation", digest: "0xd1", post: { point: 2, parts } });
};

describe("a share of a result", () => {
  it("stays on the disk until the chain has the attestation, and is delivered once", async () => {
    await attest(job);
    expect(uploads).toEqual([]);
    delivery.deliver(job);
    delivery.deliver(job);
    await expect.poll(() => journal.resultDelivered(job)).toBe(true);
    delivery.deliver(job);
    expect(uploads).toEqual([share.toString()]);
  });

  it("is not delivered for a job that this node did not attest", () => {
    delivery.deliver(id("job 2"));
    expect(uploads).toEqual([]);
    expect(journal.resultDelivered(id("job 2"))).toBe(false);
  });

  it("is tried again while the bridge is away", async () => {
    await attest(job);
    away = 1;
    delivery.deliver(job);
    await expect.poll(() => uploads.length, { timeout: 10_000 }).toBe(1);
  });

  it("is not swept away while it is owed, however long the attestation is held up", async () => {
    await attest(job);
    const sealed = await SealedStore.open(join(folder, "sealed"), {} as BridgeClient, {
      pinned: () => journal.undeliveredResults(),
    });
    const other = await sealed.keep(Buffer.from("an input"));
    expect(await sealed.sweep(-1)).toBe(1);
    expect(await sealed.kept(other)).toBeUndefined();
    delivery.deliver(job);
    await expect.poll(() => uploads).toEqual([share.toString()]);
    expect(journal.undeliveredResults()).toEqual([]);
  });

  it("outlives a restart between attestation and delivery", async () => {
    await attest(job);
    await close();
    await open();
    delivery.deliver(job);
    await expect.poll(() => uploads).toEqual([share.toString()]);
  });
});
