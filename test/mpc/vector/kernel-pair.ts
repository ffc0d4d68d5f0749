/** The WASM kernel and its bigint reference side by side, and operands that reach the edges of a field. */
import fc from "fast-check";
import { beforeAll, expect } from "vitest";
import {
  createKernel,
  createReferenceKernel,
  type FieldArray,
  type FieldBits,
  fieldSpecs,
  type Kernel,
} from "../../../mpc/vector/index.ts";
import { deterministicBytes } from "./deterministic.ts";

type Work = (kernel: Kernel, put: (values: bigint[]) => FieldArray) => FieldArray;

/** To be called in a `describe`; both kernels are there when its tests run. */
export function kernelPair(bits: FieldBits) {
  const { modulus: p, limbBits, elementBytes } = fieldSpecs[bits];
  const kernels = {} as { wasm: Kernel; reference: Kernel };
  beforeAll(async () => {
    kernels.wasm = await createKernel(bits);
    kernels.reference = createReferenceKernel(bits);
  });

  const edges = [0n, 1n, 2n, p - 1n, p - 2n, p >> 1n, (p >> 1n) + 1n];
  for (let j = 1; j < bits; j++)
    if (j % limbBits < 2 || j % limbBits === limbBits - 1)
      edges.push((1n << BigInt(j)) - 1n, 1n << BigInt(j), (1n << BigInt(j)) + 1n);
  const element = fc.oneof(fc.bigInt({ min: 0n, max: p - 1n }), fc.constantFrom(...edges));
  const elements = (length: number) => fc.array(element, { minLength: length, maxLength: length });

  /** Runs the same work on both kernels, whose results must be the same. */
  function agree(work: Work): void {
    const [fast, slow] = [kernels.wasm, kernels.reference].map((kernel) => {
      const region = kernel.beginRegion();
      const put = (values: bigint[]) => {
        const a = kernel.allocate(values.length);
        kernel.fromBigints(a, values);
        return a;
      };
      const result = kernel.toBigints(work(kernel, put));
      kernel.endRegion(region);
      return result;
    });
    expect(fast).toEqual(slow);
  }

  /** n uniform elements, the same in every run. */
  function deterministicElements(n: number, seed: number): bigint[] {
    const { reference } = kernels;
    const a = reference.allocate(n);
    reference.fromRandomBytes(a, deterministicBytes(elementBytes * n, seed));
    const values = reference.toBigints(a);
    reference.free(a);
    return values;
  }

  return { kernels, edges, element, elements, agree, deterministicElements };
}

/** Lengths around the vectors of four and the words of 32. */
export const lengths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 130];
