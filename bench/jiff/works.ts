/**
 * Programs for stock JIFF, written as its users write them, at sizes that end within seconds: each is the
 * part of an engine workload that stands beside it. JIFF gets what suits it best: the smallest prime that
 * holds the values, all independent operations started together, and its server as dealer of correlated
 * randomness (without that help it takes several times as long; ours needs no dealer).
 */
import { uniform } from "../data.ts";

/** What is used of JIFF's instances. */
export interface StockJiff {
  share(
    secret: unknown,
    threshold: number,
    receivers: number[],
    senders: number[],
  ): Record<number, StockShare>;
  open(share: StockShare): Promise<{ toString(): string }>;
}

export interface StockShare {
  readonly value: unknown;
  sadd(other: StockShare): StockShare;
  ssub(other: StockShare): StockShare;
  cadd(constant: number): StockShare;
  csub(constant: number): StockShare;
  /** By a whole number: the quotient rounded down. */
  cdiv(constant: number): StockShare;
  smult_bgw(other: StockShare, operation?: null, reshare?: null, divide?: boolean): StockShare;
  slt(other: StockShare): StockShare;
  cgteq(constant: number): StockShare;
  if_else(whenOne: StockShare | number, whenZero: StockShare | number): StockShare;
}

export type JiffOutputs = readonly StockShare[] | readonly Promise<{ toString(): string }>[];

export interface JiffWork {
  /** Of the engine's workload that it is a part of, without "jiff-". */
  readonly names: readonly string[];
  readonly size: string;
  /** How much of the workload's work (of a step, for training) this is. */
  part(name: string): number;
  /** A prime that the values fit, in decimal digits. */
  readonly prime: string;
  /** Decimal digits of JIFF's fixed point, where it is used. */
  readonly fixed?: { readonly decimal_digits: number; readonly integer_digits: number };
  readonly runs: number;
  /** Values that party 1 shares before the time begins. */
  readonly inputs: readonly number[];
  /** What is timed, until every share of the outputs, or every opened value, is there. */
  run(jiff: StockJiff, inputs: readonly StockShare[], party: number): JiffOutputs;
  /** The right outputs. */
  readonly expected: readonly number[];
  readonly tolerance: number;
}

const everyone = [1, 2, 3];
/** JIFF counts the shares that are needed; two of them tolerate one corrupt party. */
const jiffThreshold = 2;

/** Shares of one party's values at all three; the others pass any numbers. */
export function shareFrom(
  jiff: StockJiff,
  sender: number,
  party: number,
  values: readonly number[],
): StockShare[] {
  return values.map((value) => {
    const secret = party === sender ? value : null;
    return jiff.share(secret, jiffThreshold, everyone, [sender])[sender]!;
  });
}

const decimalDigits = 5;
const ulp = 10 ** -decimalDigits;
/** Values up to 32 with five decimals, whose products have ten digits after the point before they are cut. */
const fixedPoint = {
  prime: String(2n ** 47n - 115n),
  fixed: { decimal_digits: decimalDigits, integer_digits: 4 },
};

const integers = (label: string, count: number, bound: number): number[] =>
  Array.from(uniform(label, count, bound), Math.abs);
/** JIFF's plain fixed point has no negative numbers. */
const decimals = (label: string, count: number, bound: number): number[] =>
  integers(label, count, bound * 10 ** decimalDigits).map((x) => x / 10 ** decimalDigits);

function products(count: number): JiffWork {
  const inputs = integers("jiff products", 2 * count, 2 ** 20);
  return {
    names: ["multiply-1e6"],
    size: `${count} products of integers`,
    part: () => count / 1e6,
    prime: String(2n ** 41n - 21n),
    runs: 3,
    inputs,
    run: (_jiff, shares) =>
      Array.from({ length: count }, (_, i) => shares[2 * i].smult_bgw(shares[2 * i + 1])),
    expected: Array.from({ length: count }, (_, i) => inputs[2 * i] * inputs[2 * i + 1]),
    tolerance: 0,
  };
}

function fixedProducts(count: number): JiffWork {
  const inputs = decimals("jiff fixed products", 2 * count, 32);
  return {
    names: ["multiply-fixed-1e6"],
    size: `${count} fixed-point product, 5 decimals`,
    part: () => count / 1e6,
    ...fixedPoint,
    runs: 1,
    inputs,
    run: (_jiff, shares) =>
      Array.from({ length: count }, (_, i) => shares[2 * i].smult_bgw(shares[2 * i + 1])),
    expected: Array.from({ length: count }, (_, i) => inputs[2 * i] * inputs[2 * i + 1]),
    tolerance: 2 * ulp,
  };
}

function comparisons(count: number): JiffWork {
  const inputs = integers("jiff comparisons", 2 * count, 2 ** 32 - 1);
  return {
    names: ["less-than-1e5"],
    size: `${count} comparisons of 32-bit values`,
    part: () => count / 1e5,
    prime: String(2n ** 34n - 41n),
    runs: 1,
    inputs,
    run: (_jiff, shares) => Array.from({ length: count }, (_, i) => shares[2 * i].slt(shares[2 * i + 1])),
    expected: Array.from({ length: count }, (_, i) => (inputs[2 * i] < inputs[2 * i + 1] ? 1 : 0)),
    tolerance: 0,
  };
}

/**
 * A row of a matrix times a vector: products added up before they are cut to five decimals. The cut is most of
 * the work, so a short row stands for one of a thousand, to JIFF's advantage.
 */
function rowTimesVector(length: number): JiffWork {
  // The sum must fit four digits before the point.
  const inputs = decimals("jiff row", 2 * length, 4);
  const sum = inputs.slice(0, length).reduce((s, x, i) => s + x * inputs[length + i], 0);
  return {
    names: ["matvec-fixed-1000x1000"],
    size: `1 x ${length} matrix times vector, 5 decimals`,
    part: () => 1 / 1000,
    ...fixedPoint,
    runs: 1,
    inputs,
    run: (_jiff, shares) => {
      const raw = Array.from({ length }, (_, i) =>
        shares[i].smult_bgw(shares[length + i], null, null, false),
      );
      const total = raw.reduce((a, b) => a.sadd(b));
      return [total.cdiv(10 ** decimalDigits)];
    },
    expected: [sum],
    tolerance: 2 * ulp,
  };
}

/** Ten vectors, which the parties share in the sellers' place, added up and opened. */
function aggregation(vectors: number, length: number): JiffWork {
  const values = integers("jiff aggregation", vectors * length, 2 ** 16);
  const vector = (v: number): number[] => values.slice(v * length, (v + 1) * length);
  return {
    names: ["aggregate-10x1e6"],
    size: `${vectors} vectors of ${length}: shared, summed, opened`,
    part: () => length / 1e6,
    prime: String(2n ** 34n - 41n),
    runs: 3,
    inputs: [],
    run: (jiff, _inputs, party) => {
      const shared = Array.from({ length: vectors }, (_, v) =>
        shareFrom(jiff, (v % 3) + 1, party, vector(v)),
      );
      return vector(0).map((_, j) =>
        jiff.open(shared.map((shares) => shares[j]).reduce((a, b) => a.sadd(b))),
      );
    },
    expected: vector(0).map((_, j) => values.reduce((sum, x, i) => (i % length === j ? sum + x : sum), 0)),
    tolerance: 0,
  };
}

const [feature, label, weight] = [1.25, 0, 0.3125];
/** Where the sigmoid of three pieces begins and ends to rise, moved up so that nothing is below zero. */
const [low, high] = [1.5, 2.5];
const midpoint = (low + high) / 2;
const rise = Math.min(1, Math.max(0, feature * weight + midpoint - low));

/**
 * A step of logistic regression on one row with one feature: two fixed-point products and a clamped sigmoid of
 * three pieces, with a slope and a learning rate that cost nothing. The values are chosen such that nothing
 * becomes negative, which spares JIFF its extension for negative numbers.
 */
const trainingStep: JiffWork = {
  names: ["lr-569x30-b128", "lr-1000x100-b128", "lr-10000x100-b128", "lr-10000x100-full"],
  size: "a step on 1 row with 1 feature, sigmoid of 3 pieces, 5 decimals",
  // A step on n rows and d features cuts n + d products to five decimals. Only these are counted here, to
  // JIFF's advantage: the comparisons grow with n alone and the products with n d.
  part: (name) => {
    const [, rows, columns, batch] = /^lr-(\d+)x(\d+)-(?:b(\d+)|full)$/.exec(name)!;
    return 2 / (Number(batch ?? rows) + Number(columns));
  },
  ...fixedPoint,
  runs: 1,
  inputs: [feature, label, weight],
  run: (_jiff, [x, y, w]) => {
    const z = x.smult_bgw(w).cadd(midpoint);
    const rising = z.cgteq(low).if_else(z.csub(low), 0);
    const error = z.cgteq(high).if_else(1, rising).ssub(y);
    return [w.ssub(x.smult_bgw(error).cdiv(4))];
  },
  expected: [weight - (feature * (rise - label)) / 4],
  tolerance: 3 * ulp,
};

export const jiffWorks: readonly JiffWork[] = [
  products(500),
  fixedProducts(1),
  comparisons(4),
  rowTimesVector(100),
  aggregation(10, 100),
  trainingStep,
];
