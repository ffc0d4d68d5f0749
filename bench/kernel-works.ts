/** What is measured of the vector kernels: each work as a function that runs it once. */
import { randomBytes } from "../mpc/random.ts";
import type { FieldArray, Kernel } from "../mpc/vector/index.ts";
import type { NativeLoop } from "./kernels-native.ts";

export interface KernelWork {
  readonly name: string;
  /** What the time is for: an element, a product, or a whole call where the overhead of calls is the point. */
  readonly unit: "element" | "product" | "call";
  /** Units in one run. */
  readonly count: number;
  /** Part of the short list that the benchmark of the engine prints. */
  readonly headline?: boolean;
  /** Too large for bigint: one run would take seconds. */
  readonly large?: boolean;
  /** The loop in C that does the same. */
  readonly native?: NativeLoop;
  prepare(kernel: Kernel): () => void;
}

const n = 4096;
const [rows, cols] = [128, 100];
const [manyRows, million] = [10_000, 1_000_000];
const scalar = 0x5a5a5a5a5a5a5a5a5a5an;

function uniform(kernel: Kernel, length: number): FieldArray {
  const a = kernel.allocate(length);
  const block = 65_536;
  for (let start = 0; start < length; start += block) {
    const slice = kernel.slice(a, start, Math.min(block, length - start));
    kernel.fromRandomBytes(slice, randomBytes(kernel.randomByteLength(slice.length)));
  }
  return a;
}

type Run = (k: Kernel, out: FieldArray, a: FieldArray, b: FieldArray) => void;

function elementwise(name: string, length: number, run: Run, extra: Partial<KernelWork> = {}): KernelWork {
  return {
    name,
    unit: "element",
    count: length,
    prepare: (k) => {
      const [out, a, b] = [uniform(k, length), uniform(k, length), uniform(k, length)];
      return () => run(k, out, a, b);
    },
    ...extra,
  };
}

/** One call on a short vector, as in a step of training. */
function call(name: string, length: number, run: Run, headline = false): KernelWork {
  return elementwise(`${name}, ${length} elements`, length, run, { unit: "call", count: 1, headline });
}

const shortCalls = [128, 512].flatMap((length) => [
  call("allocate and free", length, (k) => k.free(k.allocate(length)), true),
  call("add", length, (k, out, a, b) => k.add(out, a, b), true),
  call("multiply", length, (k, out, a, b) => k.multiply(out, a, b), true),
  call("multiplyAdd by -2", length, (k, out, a, b) => k.multiplyAdd(out, a, -2n, b)),
  call("shiftRight", length, (k, out, a) => k.shiftRight(out, a, 16)),
  call("extractBits, 17 bits", length, (k, _out, a) => void k.extractBits(a, 0, 17)),
  call("wireParts", length, (k, _out, a) => void k.wireParts(a)),
]);

const bytes: KernelWork[] = [
  elementwise("encode", n, (k, _out, a) => void k.encode(a)),
  {
    name: "decode",
    unit: "element",
    count: n,
    headline: true,
    prepare: (k) => {
      const a = uniform(k, n);
      const encoded = k.encode(a);
      return () => k.decode(a, encoded);
    },
  },
  {
    name: "fromRandomBytes",
    unit: "element",
    count: n,
    prepare: (k) => {
      const drawn = randomBytes(k.randomByteLength(n));
      const a = k.allocate(n);
      return () => k.fromRandomBytes(a, drawn);
    },
  },
  {
    name: "addRandom",
    unit: "element",
    count: n,
    headline: true,
    prepare: (k) => {
      const drawn = randomBytes(k.randomByteLength(n));
      const a = uniform(k, n);
      return () => k.addRandom(a, a, drawn);
    },
  },
];

const numbers = (): Float64Array => Float64Array.from({ length: n }, (_, i) => (i - n / 2) / 7);

const doubles: KernelWork[] = [
  {
    name: "fromNumbers",
    unit: "element",
    count: n,
    prepare: (k) => {
      const [values, a] = [numbers(), k.allocate(n)];
      return () => k.fromNumbers(a, values, 16);
    },
  },
  {
    name: "toNumbers",
    unit: "element",
    count: n,
    prepare: (k) => {
      const a = k.allocate(n);
      k.fromNumbers(a, numbers(), 16);
      return () => void k.toNumbers(a, 16);
    },
  },
];

type MatrixRun = (k: Kernel, out: FieldArray, A: FieldArray, v: FieldArray) => void;

function matrix(name: string, height: number, run: MatrixRun, extra: Partial<KernelWork> = {}): KernelWork {
  return {
    name: `${name} ${height} x ${cols}`,
    unit: "product",
    count: height * cols,
    prepare: (k) => {
      const A = uniform(k, height * cols);
      const [out, v] = [uniform(k, Math.max(height, cols)), uniform(k, Math.max(height, cols))];
      return () => run(k, out, A, v);
    },
    ...extra,
  };
}

const along = (height: number): MatrixRun => {
  return (k, out, A, v) => k.matvec(k.slice(out, 0, height), A, height, cols, k.slice(v, 0, cols));
};
const down = (height: number): MatrixRun => {
  return (k, out, A, v) => k.matvecTransposed(k.slice(out, 0, cols), A, height, cols, k.slice(v, 0, height));
};

const matrices: KernelWork[] = [
  matrix("matvec", rows, along(rows), { native: "matvec", headline: true }),
  matrix("matvecTransposed", rows, down(rows), { headline: true }),
  {
    name: `transpose ${rows} x ${cols}`,
    unit: "element",
    count: rows * cols,
    prepare: (k) => {
      const [out, A] = [k.allocate(rows * cols), uniform(k, rows * cols)];
      return () => k.transpose(out, A, rows, cols);
    },
  },
  {
    name: "matmul 64 x 64 x 64",
    unit: "product",
    count: 64 ** 3,
    headline: true,
    prepare: (k) => {
      const [out, A, B] = [k.allocate(4096), uniform(k, 4096), uniform(k, 4096)];
      return () => k.matmul(out, A, 64, 64, B, 64);
    },
  },
  matrix("matvec", manyRows, along(manyRows), { large: true }),
  matrix("matvecTransposed", manyRows, down(manyRows), { large: true, headline: true }),
];

/** Works over one field. */
export const kernelWorks: readonly KernelWork[] = [
  elementwise("add", n, (k, out, a, b) => k.add(out, a, b), { native: "add", headline: true }),
  elementwise("subtract", n, (k, out, a, b) => k.subtract(out, a, b)),
  elementwise("multiply", n, (k, out, a, b) => k.multiply(out, a, b), { native: "multiply", headline: true }),
  elementwise("multiplyScalar", n, (k, out, a) => k.multiplyScalar(out, a, scalar)),
  elementwise("multiplyAdd", n, (k, out, a, b) => k.multiplyAdd(out, a, scalar, b)),
  elementwise("multiplyAdd by -2", n, (k, out, a, b) => k.multiplyAdd(out, a, -2n, b), { headline: true }),
  elementwise("interpolate", n, (k, out, a, b) => void k.interpolate(out, a, b, a)),
  elementwise("sum", n, (k, out, a) => k.sum(k.slice(out, 0, 1), a)),
  elementwise("dot", n, (k, out, a, b) => k.dot(k.slice(out, 0, 1), a, b)),
  elementwise("shiftRight", n, (k, out, a) => k.shiftRight(out, a, 16), { headline: true }),
  elementwise("extractBits, 32 bits", n, (k, _out, a) => void k.extractBits(a, 0, 32)),
  elementwise("toWords", n, (k, _out, a) => void k.toWords(a)),
  ...bytes,
  ...doubles,
  ...matrices,
  elementwise("multiply, a million", million, (k, out, a, b) => k.multiply(out, a, b), {
    large: true,
    headline: true,
  }),
  elementwise("add, a million", million, (k, out, a, b) => k.add(out, a, b), { large: true }),
  ...shortCalls,
];

/** One party's work in comparisons, on bytes modulo 127: the same for every field. */
export const byteWorks: readonly KernelWork[] = [
  [512, 17],
  [100_000, 33],
].flatMap(([elements, bits]) => comparison(elements!, bits!));

function comparison(elements: number, m: number): KernelWork[] {
  const size = `${elements} x ${m} bits`;
  const width = m + 1;
  const drawn = (length: number) => Uint8Array.from(randomBytes(length), (byte) => 1 + (byte % 126));
  const large = elements > 1000;
  return [
    {
      name: `private comparison, ${size}`,
      unit: "element",
      count: elements,
      headline: true,
      large,
      prepare: ({ bytes127 }) => {
        const request = {
          aBits: drawn(elements * m).map((byte) => byte & 1),
          rShare: drawn(elements * m),
          coins: new Uint32Array(Math.ceil(elements / 32)).fill(0x9a5c3f21),
          multipliers: drawn(elements * width),
          zeros: drawn(elements * width),
          rotations: drawn(elements).map((byte) => byte % width),
          n: elements,
          m,
          isFirst: true,
        };
        const out = new Uint8Array(elements * width);
        return () => bytes127.privateCompare(out, request);
      },
    },
    {
      name: `zero flags, ${size}`,
      unit: "element",
      count: elements,
      large,
      prepare: ({ bytes127 }) => {
        const [x, y] = [drawn(elements * width), drawn(elements * width)];
        return () => void bytes127.zeroFlags(x, y, elements, width);
      },
    },
    {
      name: `uniform bytes, ${size}`,
      unit: "element",
      count: elements,
      large,
      prepare: ({ bytes127 }) => {
        const stream = randomBytes(2 ** 16);
        const out = new Uint8Array(elements * width);
        return () => bytes127.sampleUniform(out, (length) => stream.subarray(0, length));
      },
    },
  ];
}
