import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hexlify } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { shardKey, shardTree } from "../../../contracts/exchange-commitments.ts";
import { randomBytes } from "../../../mpc/random.ts";
import { conform } from "../../../parties/data/conform.ts";
import { addressOf, type BlobStore } from "../../../parties/exchange/blob-store.ts";
import {
  type DeliveredShard,
  type DeliveryList,
  type DeliveryReader,
  deliver,
  deliveredBlobs,
  readDelivery,
} from "../../../parties/exchange/delivery.ts";
import { canonicalBytes, parseJson } from "../../../parties/exchange/documents.ts";
import { Extractor } from "../../../parties/exchange/extractor.ts";
import type { FeatureBlock } from "../../../parties/exchange/feature-block.ts";
import { FolderStore } from "../../../parties/exchange/folder-store.ts";
import { makeExtractor, splitRows } from "../../../parties/exchange/private-model.ts";
import { keyUnder, openShard } from "../../../parties/exchange/review.ts";
import { cutShards, encryptShard, type LabelledRows } from "../../../parties/exchange/shards.ts";
import { Secret } from "../../../parties/secret.ts";
import { x25519PublicKey } from "../../../parties/x25519.ts";
import { noisySellers } from "./noisy-sellers.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });
const rowsPerShard = 16;
const masterKey = randomBytes(32);
const sealPrivateKey = randomBytes(32);
const sealKey = hexlify(x25519PublicKey(sealPrivateKey));
const scope = {
  chainId: 31337,
  exchange: `0x${"12".repeat(20)}`,
  session: `0x${"34".repeat(32)}`,
  seat: 5n << 64n,
};

let folder = "";
let store: FolderStore;
let world: Awaited<ReturnType<typeof prepare>>;

async function prepare() {
  const { schema, validation, sellers } = await noisySellers([0, 0.4, 0, 0, 0]);
  const { document } = makeExtractor(splitRows(conform(validation, schema) as LabelledRows).fit, schema, {
    hidden: 32,
    width: 5,
  });
  const extractor = new Extractor(document, schema);
  const [right, other] = sellers.map((table) => cutShards(conform(table, schema), schema, rowsPerShard));
  return { schema, extractor, right: right!, other: other! };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "symbolon-delivery-"));
  store = new FolderStore(folder);
  world = await prepare();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Made {
  ciphertext: Uint8Array;
  features: FeatureBlock;
}

/** Honest ciphertexts and features of the shards. */
function makeShards(shards: readonly LabelledRows[] = world.right): Made[] {
  return shards.map((shard, index) => ({
    ciphertext: encryptShard(masterKey, { ...scope, index, shardCount: shards.length }, shard),
    features: world.extractor.extract(shard),
  }));
}

/** Registers what `made` holds and delivers it; `alter` changes the list on its way. */
async function delivered(made: readonly Made[], alter = (list: DeliveryList): DeliveryList => list) {
  const { commitment } = shardTree(
    masterKey,
    made.map(({ ciphertext }) => addressOf(ciphertext)),
  );
  const root = await deliver(store, scope, sealKey, masterKey, made);
  const list = parseJson(await store.get(root)) as DeliveryList;
  return { commitment, featuresRoot: await store.put(canonicalBytes(alter(list))) };
}

function readerOf(
  commitment: DeliveryReader["commitment"],
  change: Partial<DeliveryReader> = {},
): DeliveryReader {
  return {
    ...{ store, scope, commitment, schema: world.schema, rowsPerShard },
    width: world.extractor.width,
    sealPrivateKey: new Secret(sealPrivateKey),
    ...change,
  };
}

async function readAll(reader: DeliveryReader, featuresRoot: string): Promise<DeliveredShard[]> {
  const shards: DeliveredShard[] = [];
  for await (const shard of readDelivery(reader, featuresRoot)) shards.push(shard);
  return shards;
}

const openingScope = (shardCount: number) => ({
  ...{ session: scope.session, seat: scope.seat, shardCount },
  ...{ schema: world.schema, extractor: world.extractor },
});

describe("an honest delivery", () => {
  test("is read back whole, and opens with the keys alone", async () => {
    const made = makeShards();
    const { commitment, featuresRoot } = await delivered(made);
    const shards = await readAll(readerOf(commitment), featuresRoot);
    expect(shards).toHaveLength(6);
    for (const [index, shard] of shards.entries()) {
      expect(shard.ciphertext).toEqual(made[index]!.ciphertext);
      expect(shard.features).toEqual(made[index]!.features);
      const opened = openShard(openingScope(6), shard, hexlify(shardKey(masterKey, index)));
      expect(opened).toEqual({ rows: world.right[index] });
      expect(keyUnder(hexlify(masterKey), index)).toBe(hexlify(shardKey(masterKey, index)));
    }
  });

  test("names all its blobs", async () => {
    const { featuresRoot } = await delivered(makeShards());
    const names = await deliveredBlobs(store, featuresRoot);
    expect(new Set(names).size).toBe(2 * 6 + 1);
    for (const name of names) expect((await store.get(name)).length).toBeGreaterThan(0);
  });

  test("is for nobody but the collector", async () => {
    const { commitment, featuresRoot } = await delivered(makeShards());
    const stranger = readerOf(commitment, { sealPrivateKey: new Secret(randomBytes(32)) });
    await expect(readAll(stranger, featuresRoot)).rejects.toEqual(code("SEAL_INVALID"));
  });
});

describe("a delivery is refused", () => {
  test("as that of another seat, which copied the list", async () => {
    const { commitment, featuresRoot } = await delivered(makeShards());
    const copied = readerOf(commitment, { scope: { ...scope, seat: 6n << 64n } });
    await expect(readAll(copied, featuresRoot)).rejects.toEqual(code("COMMITMENT_MISMATCH"));
  });

  test("as that of another seat, which copied the blobs under a list of its own", async () => {
    const seat = 6n << 64n;
    const { commitment, featuresRoot } = await delivered(makeShards(), (list) => ({
      ...list,
      seat: String(seat),
    }));
    await expect(readAll(readerOf(commitment, { scope: { ...scope, seat } }), featuresRoot)).rejects.toEqual(
      code("SEAL_INVALID"),
    );
  });

  test.each([
    ["with a shard less", (list: DeliveryList) => ({ ...list, shards: list.shards.slice(1) })],
    [
      "with a shard twice",
      (list: DeliveryList) => ({ ...list, shards: [list.shards[0]!, ...list.shards.slice(0, 5)] }),
    ],
    ["in another order", (list: DeliveryList) => ({ ...list, shards: [...list.shards].reverse() })],
    [
      "under the hash of another key",
      (list: DeliveryList) => ({
        ...list,
        shards: list.shards.map((shard) => ({ ...shard, keyHash: `0x${"00".repeat(32)}` })),
      }),
    ],
  ])("%s", async (_, alter) => {
    const { commitment, featuresRoot } = await delivered(makeShards(), alter);
    await expect(readAll(readerOf(commitment), featuresRoot)).rejects.toEqual(code("COMMITMENT_MISMATCH"));
  });

  test("with another ciphertext than was registered", async () => {
    const honest = makeShards();
    const { commitment } = await delivered(honest);
    const forged = makeShards();
    const { featuresRoot } = await delivered(forged, (list) => ({
      ...list,
      shards: list.shards.map((shard, i) => ({ ...shard, ciphertextHash: addressOf(honest[i]!.ciphertext) })),
    }));
    await expect(readAll(readerOf(commitment), featuresRoot)).rejects.toEqual(code("COMMITMENT_MISMATCH"));
  });

  test("with exchanged blobs", async () => {
    const { commitment, featuresRoot } = await delivered(makeShards(), (list) => {
      const [a, b, ...others] = list.shards;
      return {
        ...list,
        shards: [{ ...a!, features: b!.features }, { ...b!, features: a!.features }, ...others],
      };
    });
    await expect(readAll(readerOf(commitment), featuresRoot)).rejects.toEqual(code("SEAL_INVALID"));
  });

  test("whose shards are not full, so that a sample would count few rows as many", async () => {
    const small = cutShards({ ...world.right[0]!, features: world.right[0]!.features }, world.schema, 4);
    const { commitment, featuresRoot } = await delivered(makeShards(small));
    await expect(readAll(readerOf(commitment), featuresRoot)).rejects.toEqual(code("SHAPE_MISMATCH"));
  });

  test("whose shards are larger than the session allows, without reading them", async () => {
    const { commitment, featuresRoot } = await delivered(makeShards());
    const strict = readerOf(commitment, { rowsPerShard: 8 });
    await expect(readAll(strict, featuresRoot)).rejects.toEqual(code("LIMIT_EXCEEDED"));
  });

  test("with features of another width", async () => {
    const made = makeShards().map(({ ciphertext, features }) => ({
      ciphertext,
      features: { ...features, width: 1, features: features.features.slice(0, features.rows) },
    }));
    const { commitment, featuresRoot } = await delivered(made);
    await expect(readAll(readerOf(commitment), featuresRoot)).rejects.toEqual(code("SHAPE_MISMATCH"));
  });

  test("with blobs that are not there", async () => {
    const { commitment, featuresRoot } = await delivered(makeShards(), (list) => ({
      ...list,
      shards: list.shards.map((shard) => ({ ...shard, shard: addressOf(randomBytes(8)) })),
    }));
    await expect(readAll(readerOf(commitment), featuresRoot)).rejects.toEqual(code("NOT_FOUND"));
  });

  test("with a list that is none", async () => {
    const { commitment } = await delivered(makeShards());
    for (const bytes of [randomBytes(40), canonicalBytes({ version: 1 }), canonicalBytes([])]) {
      const root = await store.put(bytes);
      await expect(readAll(readerOf(commitment), root)).rejects.toEqual(code("PARAMETER_INVALID"));
    }
  });

  test("of more shards than anybody may have, before the store is asked", async () => {
    const { commitment, featuresRoot } = await delivered(makeShards());
    const never: BlobStore = { place: "nowhere", put: () => Promise.reject(), get: () => Promise.reject() };
    const many = readerOf({ ...commitment, shardCount: 4_000_000_000 }, { store: never });
    await expect(readAll(many, featuresRoot)).rejects.toEqual(code("LIMIT_EXCEEDED"));
  });
});

describe("a review finds", () => {
  async function first(made: Made[]): Promise<DeliveredShard> {
    const { commitment, featuresRoot } = await delivered(made);
    const [shard] = await readAll(readerOf(commitment), featuresRoot);
    return shard!;
  }
  const key = hexlify(shardKey(masterKey, 0));

  test("a key that is not the committed one", async () => {
    const shard = await first(makeShards());
    const opened = openShard(openingScope(6), shard, hexlify(shardKey(masterKey, 1)));
    expect(opened).toEqual({ problem: expect.objectContaining({ shard: 0, code: "KEY_INVALID" }) });
  });

  test("a ciphertext that does not decrypt", async () => {
    const made = makeShards();
    const noise = { ...made[0]!, ciphertext: Uint8Array.from(randomBytes(made[0]!.ciphertext.length)) };
    const shard = await first([noise, ...made.slice(1)]);
    expect(openShard(openingScope(6), shard, key)).toEqual({
      problem: expect.objectContaining({ shard: 0, code: "SEAL_INVALID" }),
    });
  });

  test("features of other rows", async () => {
    const [features] = makeShards(world.other).map((made) => made.features);
    const made = makeShards();
    const shard = await first([{ ...made[0]!, features: features! }, ...made.slice(1)]);
    expect(openShard(openingScope(6), shard, key)).toEqual({
      problem: expect.objectContaining({ code: "COMMITMENT_MISMATCH" }),
    });
  });

  test("one label that is another than was scored", async () => {
    const made = makeShards();
    const labels = Uint8Array.from(made[0]!.features.labels);
    labels[3] = 1 - labels[3]!;
    const shard = await first([
      { ...made[0]!, features: { ...made[0]!.features, labels } },
      ...made.slice(1),
    ]);
    expect(openShard(openingScope(6), shard, key)).toEqual({
      problem: expect.objectContaining({ code: "COMMITMENT_MISMATCH" }),
    });
  });

  test("rows outside the schema", async () => {
    const [shard, ...others] = world.right;
    const wild = { ...shard!, features: shard!.features.map((value) => value + 1e6) };
    const found = await first(makeShards([wild, ...others]));
    expect(openShard(openingScope(6), found, key)).toEqual({
      problem: expect.objectContaining({ code: "CSV_OUT_OF_RANGE" }),
    });
  });
});
