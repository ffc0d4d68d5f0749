/**
 * A recorder for tests: keeps what all three parties send, receive and state, and rechecks it before every
 * opening. It puts together what no party may see together; what a verification protocol would do on shares, it
 * does in the clear. So it shows that the record suffices for that, and that the hook comes in time.
 */
import { toZn } from "bigint-crypto-utils";
import { SymbolonError } from "../../mpc/errors.ts";
import { comparedBits } from "../../mpc/protocols/comparison-dealing.ts";
import type { Recorder, StatedTerm, Statement } from "../../mpc/recorder.ts";
import { degree2Coefficient, isConsistent, reconstructScalar } from "../../mpc/shamir.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import type { FieldArray, Kernel } from "../../mpc/vector/index.ts";

type Bits = { next: Uint32Array; previous: Uint32Array };
/** A party's array as it was when it was stated, and what it is the local product of, if it is one. */
interface Kept {
  readonly values: bigint[];
  readonly terms?: readonly KeptTerm[];
}
type KeptTerm = Omit<StatedTerm, "a" | "b"> & { readonly a: Kept; readonly b?: Kept };
/** A statement with copies in place of its arrays. */
// biome-ignore lint/suspicious/noExplicitAny: the copy of a union, taken apart by its relation
type Copy = Record<string, any>;

interface Log {
  /** By relation and round. */
  statements: Map<string, Copy>;
  sent: Map<string, string>;
  received: Map<string, string>;
  /** Arrays that were stated as local products. */
  products: Map<FieldArray, Kept>;
}

export class Auditor {
  /** How many statements have been checked, by relation. */
  readonly checked: Record<string, number> = {};
  readonly #logs = new Map<PartyIndex, Log>();
  /** What the comparisons so far found, by their rounds; negative: the helper's part. */
  readonly #comparisons = new Map<number, bigint[]>();
  #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  recorder(index: PartyIndex): Recorder {
    const log: Log = { statements: new Map(), sent: new Map(), received: new Map(), products: new Map() };
    this.#logs.set(index, log);
    const hex = (parts: readonly Uint8Array[]): string =>
      parts.map((part) => Buffer.from(part).toString("hex")).join("");
    return {
      sent: (to, operation, parts) => log.sent.set(`${operation}: ${index}>${to}`, hex(parts)),
      received: (from, operation, bytes) => log.received.set(`${operation}: ${from}>${index}`, hex([bytes])),
      state: (kernel, statement) => keep(log, kernel, statement),
      verify: () => this.verify(),
    };
  }

  /** Waits for all three parties, checks what they kept, and forgets it. @throws PEER_MISBEHAVED */
  verify(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (this.#waiting.length < 3) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      try {
        this.#check();
        for (const party of waiting) party.resolve();
      } catch (error) {
        for (const party of waiting) party.reject(error);
      }
    });
  }

  #check(): void {
    const logs = partyIndices.map((index) => this.#logs.get(index)!);
    const messages = (kind: "sent" | "received") => logs.flatMap((log) => [...log[kind]]).sort();
    if (JSON.stringify(messages("sent")) !== JSON.stringify(messages("received"))) {
      throw wrong("a message that was not sent so was received");
    }
    // In the order of the rounds; the outcomes of a comparison come after what they are outcomes of.
    const keys = [...new Set(logs.flatMap((log) => [...log.statements.keys()]))]
      .map((key) => key.split(" @") as [Statement["relation"], string])
      .sort(([a, i], [b, j]) => Number(i) - Number(j) || (a < b ? -1 : 1));
    for (const [relation, round] of keys) {
      const of = (name: string) => logs.map((log) => log.statements.get(`${name} @${round}`));
      const [stated, expected] = checkRelation(relation, of(relation), of("summand"), this.#comparisons);
      if (describe(stated) !== describe(expected)) throw wrong(`${relation} in round ${round} does not hold`);
      this.checked[relation] = (this.checked[relation] ?? 0) + 1;
    }
    for (const log of logs) for (const part of Object.values(log)) part.clear();
  }
}

const wrong = (what: string): SymbolonError => new SymbolonError("PEER_MISBEHAVED", what);

function keep(log: Log, kernel: Kernel, statement: Statement): void {
  const { modulus } = kernel.spec;
  const copy = (value: unknown): unknown => {
    if (value instanceof Uint32Array) return value.slice();
    if (Array.isArray(value)) return value.map(copy);
    if (typeof value !== "object" || value === null) return value;
    if ("next" in value) return { next: copy(value.next), previous: copy((value as Bits).previous) };
    if (!("ptr" in value)) return value;
    const array = value as FieldArray;
    return { ...log.products.get(array), values: kernel.toBigints(array) };
  };
  if (statement.relation === "local product") {
    const terms = statement.terms.map((term) => {
      const { a, b, ...rest } = term;
      return { ...rest, a: copy(a) as Kept, ...(b === undefined ? {} : { b: copy(b) as Kept }) };
    });
    log.products.set(statement.product, { values: kernel.toBigints(statement.product), terms });
    return;
  }
  const number = "operation" in statement ? statement.operation : statement.comparison;
  const entries = Object.entries(statement).map(([name, value]) => [name, copy(value)]);
  log.statements.set(`${statement.relation} @${number}`, { ...Object.fromEntries(entries), modulus });
}

/** The secrets of three shares of degree 1, or of a stated product the product of its operands' secrets. */
function secretsOf(what: string, three: readonly Kept[], modulus: bigint): bigint[] {
  const [{ values, terms }] = three;
  if (terms === undefined) {
    return values.map((_, i) => {
      const shares = three.map((kept) => kept.values[i]) as [bigint, bigint, bigint];
      if (!isConsistent(shares, modulus)) throw wrong(`${what}: shares are not on a line`);
      return reconstructScalar(shares, modulus);
    });
  }
  const sum = values.map(() => 0n);
  for (const [t, { kind, rows, inner = 1, cols, scale = 1n }] of terms.entries()) {
    const operand = (name: "a" | "b"): bigint[] =>
      terms[t][name] === undefined
        ? []
        : secretsOf(
            what,
            three.map((kept) => kept.terms![t][name]!),
            modulus,
          );
    const [a, b] = [operand("a"), operand("b")];
    const cell = (i: number, j: number): bigint => {
      let out = 0n;
      for (let k = 0; k < inner; k++) {
        if (kind === "matmul") out += a[i * inner + k] * b[k * cols + j];
        else if (kind === "transposed-matmul") out += a[k * rows + i] * b[k * cols + j];
        else if (kind === "column-dots") out += a[k * cols + j] * b[k * cols + j];
        else if (kind === "times-row") out += a[i * cols + j] * b[j];
        else if (kind === "times-column") out += a[i * cols + j] * b[i];
        else if (kind === "elementwise") out += a[i * cols + j] * b[i * cols + j];
        else out += a[i * cols + j];
      }
      return out;
    };
    if (kind === "sum-columns") {
      for (let i = 0; i < rows * cols; i++) sum[i % cols] += scale * a[i];
    } else {
      sum.forEach((_, at) => {
        sum[at] += scale * cell(Math.floor(at / cols), at % cols);
      });
    }
  }
  return sum.map((x) => toZn(x, modulus));
}

/** The secrets of local values of degree 2 whose factors were not stated. */
function productsOf(what: string, three: readonly Kept[], modulus: bigint): bigint[] {
  if (three[0].terms !== undefined) return secretsOf(what, three, modulus);
  return three[0].values.map((_, i) =>
    toZn(
      partyIndices.reduce((sum, index) => sum + degree2Coefficient[index] * three[index - 1].values[i], 0n),
      modulus,
    ),
  );
}

function same<T>(what: string, list: readonly (T | undefined)[]): T {
  const [first, ...others] = list.filter((each) => each !== undefined);
  for (const other of others) {
    if (describe(other) !== describe(first)) throw wrong(`${what}: parties hold different values`);
  }
  return first!;
}

const describe = (value: unknown): string =>
  JSON.stringify(value instanceof Uint32Array ? [...value] : value, (_, x) =>
    typeof x === "bigint" ? x.toString() : x,
  );

/** The bits behind three parties' components; whoever knows a component knows the same. */
function bitsOf(what: string, three: readonly Bits[]): Uint32Array {
  const [one, two, third] = three;
  const components = [
    same(what, [two.previous, third.next]),
    same(what, [one.next, third.previous]),
    same(what, [one.previous, two.next]),
  ];
  return one.next.map((_, w) => components[0][w] ^ components[1][w] ^ components[2][w]);
}

/** What was stated, and what it should be by what else was. */
function checkRelation(
  relation: Statement["relation"],
  list: readonly (Copy | undefined)[],
  summands: readonly (Copy | undefined)[],
  comparisons: Map<number, bigint[]>,
): [stated: unknown, expected: unknown] {
  const stated = list.filter((each): each is Copy => each !== undefined);
  const [{ modulus, operation, comparison }] = stated;
  const what = `${relation} in round ${operation ?? comparison}`;
  const all = (name: string): Kept[] => stated.map((each) => each[name]);
  const common = (name: string): Kept =>
    same(
      what,
      list.map((each) => each?.[name]),
    );
  switch (relation) {
    case "degree reduction":
      return [secretsOf(what, all("shares"), modulus), productsOf(what, all("product"), modulus)];
    case "opening":
      return [common("value").values, secretsOf(what, all("shares"), modulus)];
    case "masked opening": {
      const { degree, offset } = stated[0];
      const x =
        degree === 2 ? productsOf(what, all("values"), modulus) : secretsOf(what, all("values"), modulus);
      const [c, one, two] = ["opened", "firstMask", "secondMask"].map((name) => common(name).values);
      return [c, x.map((v, i) => toZn(v + offset + one[i] + two[i], modulus))];
    }
    case "conjunction": {
      const [a, b, out] = ["a", "b", "out"].map((name) =>
        bitsOf(
          what,
          stated.map((each) => each[name]),
        ),
      );
      return [out, a.map((word, w) => word & b[w])];
    }
    case "bit opening":
      return [
        common("value"),
        bitsOf(
          what,
          stated.map((each) => each.bits),
        ),
      ];
    case "bit sharing": {
      const out = bitsOf(
        what,
        stated.map((each) => each.out),
      );
      const locals = stated.map((each) => each.local.flatMap((part: Uint32Array) => [...part]));
      return [out, out.map((_, w) => locals.reduce((sum, local) => sum ^ (local[w] ?? 0), 0))];
    }
    case "comparison": {
      const { request, offset } = stated[0];
      const g = BigInt(request.coarseBits);
      const m = BigInt(comparedBits(request));
      const [c, one, two] = ["opened", "firstMask", "secondMask"].map((name) => common(name).values);
      const expected = (request.thresholds as bigint[]).flatMap((t) =>
        c.map((x, i) => {
          const constant = (1n << m) - ((offset + t) >> g);
          return (((x >> g) + constant - (one[i] >> g) - (two[i] >> g)) >> m) & 1n;
        }),
      );
      const helper = stated.find((each) => each.opened === undefined)!.planes as Uint32Array;
      const openers = same(
        what,
        stated.map((each) => each.opened && each.planes),
      ) as Uint32Array;
      const words = Math.ceil(c.length / 32);
      const bit = (planes: Uint32Array, at: number): bigint => {
        const i = at % c.length;
        return BigInt((planes[Math.floor(at / c.length) * words + (i >> 5)] >>> (i & 31)) & 1);
      };
      comparisons.set(operation, expected);
      comparisons.set(
        -operation,
        expected.map((_, at) => bit(helper, at)),
      );
      return [expected, expected.map((_, at) => bit(helper, at) ^ bit(openers, at))];
    }
    case "dealt bits":
      return [secretsOf(what, all("shares"), modulus), comparisons.get(-comparison)];
    case "outcomes":
      return [secretsOf(what, all("shares"), modulus), comparisons.get(comparison)];
    case "sum": {
      const parts = summands.flatMap((each) => (each === undefined ? [] : [(each.values as Kept).values]));
      return [
        secretsOf(what, all("shares"), modulus),
        parts[0].map((_, i) =>
          toZn(
            parts.reduce((sum, part) => sum + part[i], 0n),
            modulus,
          ),
        ),
      ];
    }
    case "summand":
    case "local product":
      return [0, 0];
  }
}
