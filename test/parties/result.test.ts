import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { AbiCoder, keccak256 } from "ethers";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { resultRoot } from "../../contracts/commitments.ts";
import { randomBytes } from "../../mpc/random.ts";
import { createKernel, type FieldBits, fieldBits, type Kernel } from "../../mpc/vector/index.ts";
import { encodeShare } from "../../parties/data-set.ts";
import {
  chunkElements,
  chunkSalt,
  decodeResultPayload,
  encodeResultPayload,
  openChunk,
  partyResultRoot,
  partyResultTree,
  type ResultParts,
  resultChunks,
  resultSalt,
} from "../../parties/result.ts";

const kernels = new Map<FieldBits, Kernel>();
beforeAll(async () => {
  for (const bits of fieldBits) kernels.set(bits, await createKernel(bits));
});

const cost = {
  rounds: 7,
  framesSent: 14,
  bytesSent: 1234,
  bytesReceived: 1230,
  openings: { coin: 128 },
  localMs: 200.5,
  waitingMs: 40,
};
const measurement = {
  ...cost,
  protocols: { "check inputs": cost },
  seconds: 0.25,
  links: { 2: "direct" as const, 3: "relay" as const },
};
const abi = AbiCoder.defaultAbiCoder();
const hash = (byte: string) => `0x${byte.repeat(32)}`;
const origin = { jobId: hash("05"), attempt: 1, operator: `0x${"ab".repeat(20)}`, point: 2 as const };
const salt = new Uint8Array(32).fill(9);

/** The bytes of an n x 1 share with these element values. */
function shareOf(values: readonly bigint[], bits: FieldBits = 127): Uint8Array {
  const kernel = kernels.get(bits)!;
  const region = kernel.beginRegion();
  const array = kernel.allocate(values.length);
  kernel.fromBigints(array, values);
  const bytes = encodeShare(kernel, array, { rows: values.length, cols: 1, fracBits: 0, point: 2 });
  kernel.endRegion(region);
  return bytes;
}

describe("the payload", () => {
  test("comes back as it went", () => {
    const share = Uint8Array.from(randomBytes(99));
    const fresh = resultSalt();
    const decoded = decodeResultPayload(encodeResultPayload({ salt: fresh, measurement, share }));
    expect(decoded).toEqual({ salt: fresh, measurement, share });
  });

  test("is refused when it is cut, altered in its header or of another form", () => {
    const bytes = encodeResultPayload({ salt, measurement, share: new Uint8Array(8) });
    const altered = (at: number, value: number) => {
      const copy = bytes.slice();
      copy[at] = value;
      return copy;
    };
    const refused = { code: "RESULT_TAMPERED" };
    const wrong = [
      new Uint8Array(),
      bytes.subarray(0, 43),
      bytes.subarray(0, 60),
      altered(0, 0),
      altered(4, 2),
      altered(6, 1),
      altered(42, 255),
      altered(44, 0x5b),
    ];
    for (const each of wrong)
      expect(() => decodeResultPayload(each)).toThrow(expect.objectContaining(refused));
  });

  test("takes no measurement with other fields: it is shown to people", () => {
    const extra = { ...measurement, share: 1 } as never;
    expect(() => encodeResultPayload({ salt, measurement: extra, share: new Uint8Array() })).toThrow();
    const hidden = { ...measurement, protocols: { "\u001b[2Jcompare": cost } };
    expect(() => encodeResultPayload({ salt, measurement: hidden, share: new Uint8Array() })).toThrow();
  });
});

describe("the chunks of a share", () => {
  test("are its elements, 16 bytes each, 64 a chunk, in every field", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...fieldBits),
        fc.array(fc.bigInt(0n, 2n ** 127n), { minLength: 1, maxLength: 200 }),
        (bits, raw) => {
          const modulus = 2n ** BigInt(bits) - 1n;
          const values = raw.map((value) => value % modulus);
          const chunks = resultChunks(shareOf(values, bits));
          expect(chunks.map(({ length }) => length / 16)).toEqual(
            Array.from({ length: Math.ceil(values.length / chunkElements) }, (_, i) =>
              Math.min(chunkElements, values.length - i * chunkElements),
            ),
          );
          const all = Buffer.concat(chunks).toString("hex");
          expect(values.map((_, i) => BigInt(`0x${all.slice(32 * i, 32 * i + 32)}`))).toEqual(values);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("go on across the blocks of a long share", () => {
    const n = 2 ** 16 + 65;
    const values = Array.from({ length: n }, (_, i) => BigInt(i) ** 3n);
    const chunks = resultChunks(shareOf(values));
    expect(chunks.length).toBe(2 ** 10 + 2);
    const last = Buffer.from(chunks.at(-1)!).toString("hex");
    expect(BigInt(`0x${last}`)).toBe(values.at(-1));
  });

  test("are refused where the bytes are no share", () => {
    const share = shareOf([1n, 2n]);
    const other = share.slice();
    other[5] = 64;
    for (const bytes of [new Uint8Array(3), share.subarray(0, share.length - 1), other]) {
      expect(() => resultChunks(bytes)).toThrow(expect.objectContaining({ code: "RESULT_TAMPERED" }));
    }
  });
});

describe("the roots", () => {
  const values = Array.from({ length: 130 }, (_, i) => BigInt(i * 7919));

  test("are those of the documented leaves", () => {
    const share = shareOf(values);
    const leaves = resultChunks(share).map((chunk, index) => [
      keccak256(abi.encode(["bytes32", "uint256"], [`0x${Buffer.from(salt).toString("hex")}`, index])),
      origin.jobId,
      1n,
      origin.operator,
      2,
      index,
      130,
      keccak256(chunk),
    ]);
    const types = ["bytes32", "bytes32", "uint256", "address", "uint8", "uint256", "uint256", "bytes32"];
    expect(partyResultRoot(origin, salt, share)).toBe(StandardMerkleTree.of(leaves, types).root);
    const tree = partyResultTree(origin, salt, share);
    expect(StandardMerkleTree.verify(tree.root, types, leaves[1]!, tree.getProof(1))).toBe(true);
  });

  test("change with every element, the salt and whose result of which job it is", () => {
    const root = (o = origin, s = salt, v = values) => partyResultRoot(o, s, shareOf(v));
    const reference = root();
    const others = [
      root({ ...origin, jobId: hash("06") }),
      root({ ...origin, attempt: 2 }),
      root({ ...origin, operator: `0x${"ac".repeat(20)}` }),
      root({ ...origin, point: 3 as never }),
      root(origin, new Uint8Array(32)),
      root(origin, salt, values.with(129, 0n)),
      root(origin, salt, values.slice(0, 129)),
    ];
    expect(new Set([reference, ...others]).size).toBe(others.length + 1);
    expect(root()).toBe(reference);
  });

  test("of the three parties are bound to their ciphertexts, places, field and length", () => {
    const roots: ResultParts["roots"] = [hash("01"), hash("02"), hash("03")];
    const ciphertexts: ResultParts["roots"] = [hash("0a"), hash("0b"), hash("0c")];
    const parts: ResultParts = { roots, ciphertextHashes: ciphertexts, fieldBits: 127, total: 130 };
    const types = ["bytes32[3]", "bytes32[3]", "uint8", "uint32"];
    const root = keccak256(abi.encode(types, [roots, ciphertexts, 127, 130]));
    expect(resultRoot(parts)).toBe(root);
    for (const other of [
      { ...parts, roots: [roots[1], roots[0], roots[2]] as ResultParts["roots"] },
      {
        ...parts,
        ciphertextHashes: [ciphertexts[0], ciphertexts[2], ciphertexts[1]] as ResultParts["roots"],
      },
      { ...parts, fieldBits: 107 as const },
      { ...parts, total: 129 },
    ]) {
      expect(resultRoot(other)).not.toBe(root);
    }
  });
});

describe("an opened chunk", () => {
  const values = Array.from({ length: 130 }, (_, i) => BigInt(i * 7919));
  const share = () => shareOf(values);

  /** The leaf as the contract computes it, by hand. */
  function leafOf(opening: ReturnType<typeof openChunk>, chunk: number): string {
    const types = ["bytes32", "bytes32", "uint256", "address", "uint8", "uint256", "uint256", "bytes32"];
    const elements = keccak256(opening.elements);
    const { jobId, operator, point } = origin;
    const facts = [opening.salt, jobId, opening.attempt, operator, point, chunk, values.length, elements];
    return keccak256(keccak256(abi.encode(types, facts)));
  }

  /** Pairs are hashed in order of their size, as OpenZeppelin's contracts do it. */
  function rootFrom(leaf: string, proof: readonly string[]): string {
    return proof.reduce((hashed, sibling) => {
      const [low, high] = BigInt(hashed) < BigInt(sibling) ? [hashed, sibling] : [sibling, hashed];
      return keccak256(`${low}${high.slice(2)}`);
    }, leaf);
  }

  test.each([
    [0, 64],
    [1, 64],
    [2, 2],
  ])("%i proves its %i elements under the party's root", (chunk, length) => {
    const opening = openChunk(origin, salt, share(), chunk);
    expect(opening.elements.length).toBe(16 * length);
    const first = Buffer.from(opening.elements.subarray(0, 16)).toString("hex");
    expect(BigInt(`0x${first}`)).toBe(values[64 * chunk]);
    const root = partyResultRoot(origin, salt, share());
    expect(rootFrom(leafOf(opening, chunk), opening.proof)).toBe(root);
    // In its place only.
    expect(rootFrom(leafOf(opening, chunk + 1), opening.proof)).not.toBe(root);
  });

  test("has a salt of its own, which tells nothing about those of the others", () => {
    const salts = [0, 1, 2].map((chunk) => openChunk(origin, salt, share(), chunk).salt);
    expect(new Set(salts).size).toBe(3);
    expect(salts).not.toContain(`0x${Buffer.from(salt).toString("hex")}`);
    expect(salts[2]).toBe(chunkSalt(salt, 2));
    expect(chunkSalt(new Uint8Array(32).fill(8), 2)).not.toBe(salts[2]);
  });

  test("is one that the share has", () => {
    const usage = expect.objectContaining({ code: "USAGE" });
    for (const chunk of [3, -1, 0.5]) expect(() => openChunk(origin, salt, share(), chunk)).toThrow(usage);
  });
});
