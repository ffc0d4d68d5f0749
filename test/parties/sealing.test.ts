import { createDecipheriv, createHmac, createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomBytes } from "../../mpc/random.ts";
import {
  chunkBytes,
  type ExchangeSealContext,
  encodeContext,
  hpkeSuite,
  type InputSealContext,
  type ResultSealContext,
  type SealContext,
  Sealer,
  seal,
  sealedBytes,
  unseal,
  unsealChunks,
} from "../../parties/sealing.ts";
import { Secret } from "../../parties/secret.ts";
import { x25519PublicKey } from "../../parties/x25519.ts";

const address = (digit: string) => `0x${digit.repeat(40)}`;
const hash = (digit: string) => `0x${digit.repeat(64)}`;

const inputContext: InputSealContext = {
  kind: "input-share",
  chainId: 31337,
  registry: address("1"),
  owner: address("2"),
  nonce: hash("3"),
  schemaHash: hash("4"),
  rows: 100,
  columns: 31,
  operator: address("5"),
  point: 1,
};

const resultContext: ResultSealContext = {
  kind: "result-share",
  chainId: 31337,
  escrow: address("1"),
  jobId: hash("7"),
  buyer: address("2"),
  operator: address("5"),
  point: 2,
  attempt: 1,
};

const exchangeContext: ExchangeSealContext = {
  kind: "exchange-shard",
  chainId: 31337,
  exchange: address("1"),
  session: hash("6"),
  seat: 7n << 64n,
  shard: 3,
};

const reader = randomBytes(32);
const readerPublic = x25519PublicKey(reader);
const invalid = expect.objectContaining({ code: "SEAL_INVALID" });

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "hex"));
}

describe("sealing", () => {
  it("opens what it sealed, at every length around the chunks", async () => {
    const plaintext = randomBytes(2 * chunkBytes + 5);
    for (const length of [
      0,
      1,
      100,
      chunkBytes - 1,
      chunkBytes,
      chunkBytes + 1,
      2 * chunkBytes,
      2 * chunkBytes + 5,
    ]) {
      const part = plaintext.subarray(0, length);
      const sealed = await seal(readerPublic, inputContext, part);
      expect(sealed.length).toBe(sealedBytes(length));
      const opened = await unseal(new Secret(reader), inputContext, sealed);
      expect(Buffer.compare(opened, part)).toBe(0);
    }
  });

  it.each([
    ["features", { kind: "exchange-features" }],
    ["another chain", { chainId: 1 }],
    ["another exchange", { exchange: address("2") }],
    ["another session", { session: hash("7") }],
    ["another seat", { seat: (7n << 64n) + 1n }],
    ["another shard", { shard: 4 }],
  ] as [string, Partial<ExchangeSealContext>][])("opens no shard of an exchange as %s", async (_, change) => {
    const sealed = await seal(readerPublic, exchangeContext, hex("0102"));
    expect(await unseal(reader, exchangeContext, sealed)).toEqual(hex("0102"));
    await expect(unseal(reader, { ...exchangeContext, ...change }, sealed)).rejects.toEqual(invalid);
  });

  it("takes the public key in hexadecimal, and a sealed view that does not begin its buffer", async () => {
    const sealed = await seal(`0x${Buffer.from(readerPublic).toString("hex")}`, resultContext, hex("0102"));
    const framed = new Uint8Array(sealed.length + 7);
    framed.set(sealed, 3);
    expect(await unseal(reader, resultContext, framed.subarray(3, 3 + sealed.length))).toEqual(hex("0102"));
  });

  it("never makes the same seal twice", async () => {
    const seals = await Promise.all([1, 2].map(() => seal(readerPublic, inputContext, hex("00"))));
    expect(seals[0]).not.toEqual(seals[1]);
  });

  it("opens with no other key", async () => {
    const sealed = await seal(readerPublic, inputContext, hex("0102"));
    await expect(unseal(randomBytes(32), inputContext, sealed)).rejects.toThrow(invalid);
    await expect(unseal(new Uint8Array(31), inputContext, sealed)).rejects.toThrow(invalid);
  });

  it.each<[string, SealContext, SealContext[]]>([
    [
      "an input share",
      inputContext,
      [
        { ...inputContext, chainId: 1 },
        { ...inputContext, registry: address("9") },
        { ...inputContext, owner: address("9") },
        { ...inputContext, nonce: hash("9") },
        { ...inputContext, schemaHash: hash("9") },
        { ...inputContext, rows: 101 },
        { ...inputContext, columns: 30 },
        { ...inputContext, operator: address("9") },
        { ...inputContext, point: 2 },
        resultContext,
      ],
    ],
    [
      "a result share",
      resultContext,
      [
        { ...resultContext, chainId: 1 },
        { ...resultContext, escrow: address("9") },
        { ...resultContext, jobId: hash("8") },
        { ...resultContext, buyer: address("9") },
        { ...resultContext, operator: address("9") },
        { ...resultContext, point: 3 },
        { ...resultContext, attempt: 2 },
      ],
    ],
  ])("binds every field of the context of %s", async (_, context, others) => {
    const sealed = await seal(readerPublic, context, hex("0102"));
    expect(await unseal(reader, context, sealed)).toEqual(hex("0102"));
    for (const other of others) await expect(unseal(reader, other, sealed)).rejects.toThrow(invalid);
  });

  it("encodes contexts injectively and refuses values that do not fit", () => {
    expect(encodeContext(inputContext)).toHaveLength(9 * 32);
    expect(() => encodeContext({ ...resultContext, jobId: "0x07" })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
    expect(() => encodeContext({ ...inputContext, rows: 2 ** 32 })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
    expect(() => encodeContext({ ...inputContext, columns: 65536 })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
    expect(() => encodeContext({ ...inputContext, owner: "0x12" })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
  });

  it("notices every altered bit, cut and extension of a short seal", async () => {
    const sealed = await seal(readerPublic, inputContext, randomBytes(20));
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length * 8 - 1), async (bit) => {
        // Bit 255 of a Curve25519 coordinate is ignored by the curve, not by the key schedule.
        const altered = Uint8Array.from(sealed);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        await expect(unseal(reader, inputContext, altered)).rejects.toThrow(invalid);
      }),
      { numRuns: 60 },
    );
    for (const length of [0, 1, 33, 41, 56, sealed.length - 1]) {
      await expect(unseal(reader, inputContext, sealed.subarray(0, length))).rejects.toThrow(invalid);
    }
    await expect(unseal(reader, inputContext, Buffer.concat([sealed, hex("00")]))).rejects.toThrow(invalid);
  });

  it("notices chunks that were exchanged, repeated, dropped or passed off as the last", async () => {
    const header = 41;
    const step = chunkBytes + 16;
    const sealed = await seal(readerPublic, inputContext, new Uint8Array(2 * chunkBytes + 3));
    const part = (index: number) => sealed.subarray(header + index * step, header + (index + 1) * step);
    const withLength = (length: number, ...parts: Uint8Array[]) => {
      const head = Uint8Array.from(sealed.subarray(0, header));
      new DataView(head.buffer).setBigUint64(33, BigInt(length));
      return Buffer.concat([head, ...parts]);
    };
    const full = 2 * chunkBytes + 3;
    for (const forged of [
      withLength(full, part(1), part(0), part(2)),
      withLength(full, part(0), part(0), part(2)),
      withLength(2 * chunkBytes, part(0), part(1)),
      withLength(chunkBytes, part(0)),
      withLength(chunkBytes + 3, part(0), part(2)),
      withLength(3 * chunkBytes + 3, part(0), part(1), part(1), part(2)),
    ]) {
      await expect(unseal(reader, inputContext, forged)).rejects.toThrow(invalid);
    }
    expect(await unseal(reader, inputContext, withLength(full, part(0), part(1), part(2)))).toHaveLength(
      full,
    );
  });

  it("is the same in parts as in one piece", async () => {
    const plaintext = randomBytes(2 * chunkBytes + 77);
    for (const step of [1_000_003, chunkBytes, plaintext.length]) {
      const sealer = await Sealer.begin(readerPublic, inputContext, plaintext.length);
      const parts = [sealer.header];
      for (let at = 0; at < plaintext.length; at += step) {
        parts.push(...(await sealer.push(plaintext.subarray(at, at + step))));
      }
      parts.push(await sealer.finish());
      const sealed = Buffer.concat(parts);
      expect(Buffer.compare(await unseal(reader, inputContext, sealed), plaintext)).toBe(0);
      const opened: Buffer[] = [];
      for await (const chunk of unsealChunks(reader, inputContext, parts)) opened.push(Buffer.from(chunk));
      expect(opened.map(({ length }) => length)).toEqual([chunkBytes, chunkBytes, 77]);
      expect(Buffer.compare(Buffer.concat(opened), plaintext)).toBe(0);
    }
  });

  it("takes neither more nor less than was announced", async () => {
    const sealer = await Sealer.begin(readerPublic, inputContext, 10);
    await sealer.push(new Uint8Array(9));
    await expect(sealer.finish()).rejects.toMatchObject({ code: "USAGE" });
    await expect(sealer.push(new Uint8Array(2))).rejects.toMatchObject({ code: "USAGE" });
  });

  it("hands out no chunk that is not authentic in its place, and notices an end that comes early", async () => {
    const sealed = await seal(readerPublic, inputContext, new Uint8Array(2 * chunkBytes + 3));
    const chunk = chunkBytes + 16;
    const [head, first, second, last] = [
      sealed.subarray(0, 41),
      sealed.subarray(41, 41 + chunk),
      sealed.subarray(41 + chunk, 41 + 2 * chunk),
      sealed.subarray(41 + 2 * chunk),
    ];
    const longer = Uint8Array.from(head);
    longer[40]! += 1;
    const opens = async (parts: Uint8Array[]): Promise<number> => {
      let count = 0;
      try {
        for await (const _ of unsealChunks(reader, inputContext, parts)) count += 1;
      } catch (error) {
        expect(error).toMatchObject({ code: "SEAL_INVALID" });
        return count;
      }
      throw new Error("expected a refusal");
    };
    expect(await opens([])).toBe(0);
    expect(await opens([head])).toBe(0);
    expect(await opens([longer, first, second, last])).toBe(0);
    expect(await opens([head, second, first, last])).toBe(0);
    expect(await opens([head, first, first, last])).toBe(1);
    expect(await opens([head, first, last])).toBe(1);
    expect(await opens([head, first, second])).toBe(2);
    expect(await opens([head, first, second, last.subarray(0, -1)])).toBe(2);
    expect(await opens([head, first, second, last, hex("00")])).toBe(3);
  });

  it("does not allocate what a forged length asks for", async () => {
    const sealed = await seal(readerPublic, inputContext, hex("00"));
    new DataView(sealed.buffer).setBigUint64(33, 2n ** 63n);
    await expect(unseal(reader, inputContext, sealed)).rejects.toThrow(invalid);
  });

  it("refuses public keys that are none, and points of small order", async () => {
    const bad = expect.objectContaining({ code: "KEY_INVALID" });
    await expect(seal(new Uint8Array(31), inputContext, hex("00"))).rejects.toThrow(bad);
    await expect(seal("0x12", inputContext, hex("00"))).rejects.toThrow(bad);
    await expect(seal(new Uint8Array(32), inputContext, hex("00"))).rejects.toThrow(bad);
    const one = new Uint8Array(32);
    one[0] = 1;
    await expect(seal(one, inputContext, hex("00"))).rejects.toThrow(bad);
  });

  it("prints neither key nor plaintext when it fails", async () => {
    const plaintext = Buffer.from("marked plaintext 31337");
    const sealed = await seal(readerPublic, inputContext, plaintext);
    const error = await unseal(reader, { ...inputContext, point: 3 }, sealed).catch((thrown) => thrown);
    const printed = inspect(error, { depth: 9, showHidden: true });
    expect(printed).not.toContain("marked");
    expect(printed).not.toContain(reader.toString("hex"));
  });
});

describe("the HPKE suite", () => {
  const vector = JSON.parse(readFileSync(new URL("../vectors/hpke-rfc9180.json", import.meta.url), "utf8"));

  it("gives the bytes of RFC 9180", async () => {
    const recipient = await hpkeSuite.kem.deriveKeyPair(hex(vector.ikmR));
    expect(Buffer.from(await hpkeSuite.kem.serializePublicKey(recipient.publicKey)).toString("hex")).toBe(
      vector.pkRm,
    );
    expect(Buffer.from(x25519PublicKey(hex(vector.skRm))).toString("hex")).toBe(vector.pkRm);
    const sender = await hpkeSuite.createSenderContext({
      recipientPublicKey: recipient.publicKey,
      info: hex(vector.info),
      ekm: await hpkeSuite.kem.deriveKeyPair(hex(vector.ikmE)),
    });
    expect(Buffer.from(sender.enc).toString("hex")).toBe(vector.enc);
    const ciphertext = await sender.seal(hex(vector.plaintext), hex(vector.aad));
    expect(Buffer.from(ciphertext).toString("hex")).toBe(vector.ciphertext);
  });

  it("is opened, chunk by chunk, by the RFC's key schedule written out with node:crypto", async () => {
    // The schedule first proves itself on the vector.
    const known = schedule(hex(vector.skRm), hex(vector.enc), hex(vector.info));
    expect(known.open(0, hex(vector.aad), hex(vector.ciphertext)).toString("hex")).toBe(vector.plaintext);

    const plaintext = randomBytes(chunkBytes + 9);
    const sealed = await seal(readerPublic, inputContext, plaintext);
    const own = schedule(reader, sealed.subarray(1, 33), Buffer.from("symbolon/v1/input-share"));
    const aad = (chunk: number, last: boolean) => {
      const tail = Buffer.alloc(13);
      tail.writeBigUInt64BE(BigInt(plaintext.length), 0);
      tail.writeUInt32BE(chunk, 8);
      tail[12] = last ? 1 : 0;
      return Buffer.concat([encodeContext(inputContext), tail]);
    };
    const border = 41 + chunkBytes + 16;
    expect(
      own.open(0, aad(0, false), sealed.subarray(41, border)).equals(plaintext.subarray(0, chunkBytes)),
    ).toBe(true);
    expect(own.open(1, aad(1, true), sealed.subarray(border)).equals(plaintext.subarray(chunkBytes))).toBe(
      true,
    );
  });
});

/** RFC 9180, sections 4 and 5.1, for this suite in base mode. */
function schedule(privateKey: Uint8Array, enc: Uint8Array, info: Uint8Array) {
  const text = (value: string) => Buffer.from(value, "ascii");
  const kem = Buffer.concat([text("KEM"), hex("0020")]);
  const hpke = Buffer.concat([text("HPKE"), hex("002000010002")]);
  const extract = (suite: Buffer, salt: Uint8Array, label: string, ikm: Uint8Array) =>
    createHmac("sha256", salt.length === 0 ? new Uint8Array(32) : salt)
      .update(Buffer.concat([text("HPKE-v1"), suite, text(label), ikm]))
      .digest();
  const expand = (suite: Buffer, prk: Uint8Array, label: string, data: Uint8Array, length: number) => {
    const size = Buffer.from([length >> 8, length & 255]);
    const labelled = Buffer.concat([size, text("HPKE-v1"), suite, text(label), data, Buffer.from([1])]);
    return createHmac("sha256", prk).update(labelled).digest().subarray(0, length);
  };
  const secretKey = createPrivateKey({
    key: Buffer.concat([hex("302e020100300506032b656e04220420"), privateKey]),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = createPublicKey({
    key: Buffer.concat([hex("302a300506032b656e032100"), enc]),
    format: "der",
    type: "spki",
  });
  const dh = diffieHellman({ privateKey: secretKey, publicKey });
  const kemContext = Buffer.concat([enc, x25519PublicKey(privateKey)]);
  const none = new Uint8Array(0);
  const shared = expand(kem, extract(kem, none, "eae_prk", dh), "shared_secret", kemContext, 32);
  const context = Buffer.concat([
    Buffer.from([0]),
    extract(hpke, none, "psk_id_hash", none),
    extract(hpke, none, "info_hash", info),
  ]);
  const secret = extract(hpke, shared, "secret", none);
  const key = expand(hpke, secret, "key", context, 32);
  const base = expand(hpke, secret, "base_nonce", context, 12);
  return {
    open(sequence: number, aad: Uint8Array, ciphertext: Uint8Array): Buffer {
      const nonce = Buffer.from(base);
      nonce[11]! ^= sequence;
      const decipher = createDecipheriv("aes-256-gcm", key, nonce);
      decipher.setAAD(aad);
      decipher.setAuthTag(ciphertext.subarray(-16));
      return Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
    },
  };
}
