/**
 * What a JIFF program sees: the part of jiff-mpc's interface that works under this project's guards, typed by
 * hand because jiff-mpc has no types. No code of JIFF is imported here; `transport/jiff.ts` makes the objects.
 *
 * Differences from stock JIFF, all enforced by the adapter: three parties, Shamir points 1, 2, 3, threshold 2
 * (degree 1) always, one field; an opening needs and checks all three shares; multiplication is BGW (one
 * round, no preprocessing) and an opening needs no preprocessing either; there is no dealer.
 */

/** bignumber.js, which is what JIFF computes with above 2^26. Integers only. */
export interface JiffNumber {
  readonly isBigNumber?: boolean;
  toString(base?: number): string;
  plus(other: JiffNumber | number | string): JiffNumber;
  times(other: JiffNumber | number | string): JiffNumber;
  eq(other: JiffNumber | number | string): boolean;
}

/** Public constants: a JavaScript number below 2^53, or a JiffNumber. */
export type JiffConstant = number | JiffNumber;

/** One party's share of a secret, or the promise of one. Operations return at once and run when they can. */
export interface SecretShare {
  /** This party's value, once `ready`; before that a promise of it. Never log it. */
  readonly value: JiffNumber | Promise<JiffNumber>;
  readonly ready: boolean;
  readonly holders: readonly number[];
  readonly threshold: number;
  readonly Zp: JiffNumber;
  readonly jiff: JiffHandle;
  cadd(constant: JiffConstant): SecretShare;
  csub(constant: JiffConstant): SecretShare;
  cmult(constant: JiffConstant): SecretShare;
  sadd(other: SecretShare): SecretShare;
  ssub(other: SecretShare): SecretShare;
  smult(other: SecretShare, opId?: string): SecretShare;
  smult_bgw(other: SecretShare, opId?: string): SecretShare;
  /** On a bit: 1 - bit. */
  not(): SecretShare;
  sxor_bit(other: SecretShare, opId?: string): SecretShare;
  sor_bit(other: SecretShare, opId?: string): SecretShare;
  /** On a bit: `ifTrue` where it is 1. */
  if_else(
    ifTrue: SecretShare | JiffConstant,
    ifFalse: SecretShare | JiffConstant,
    opId?: string,
  ): SecretShare;
  /** Comparisons over the whole field; they need `preprocessing` and are slow. */
  slt(other: SecretShare, opId?: string): SecretShare;
  sgt(other: SecretShare, opId?: string): SecretShare;
  open(parties?: number[], opId?: string): Promise<JiffNumber>;
  /** Calls back with the value as soon as it is there. */
  wThen<T>(done: (value: JiffNumber) => T): T | Promise<T>;
}

export interface JiffBits {
  rejection_sampling(
    lower: JiffConstant,
    upper: JiffConstant,
    threshold: 2,
    parties?: number[],
    Zp?: JiffNumber,
    opId?: string,
  ): SecretShare[];
  bit_composition(bits: SecretShare[]): SecretShare;
  sgteq(left: SecretShare[], right: SecretShare[], opId?: string): SecretShare;
  sgt(left: SecretShare[], right: SecretShare[], opId?: string): SecretShare;
  slt(left: SecretShare[], right: SecretShare[], opId?: string): SecretShare;
  cgteq(bits: SecretShare[], constant: JiffConstant, opId?: string): SecretShare | boolean;
}

/** A guarded JIFF instance. */
export interface JiffHandle {
  readonly id: 1 | 2 | 3;
  readonly party_count: 3;
  readonly computation_id: string;
  readonly Zp: JiffNumber;
  readonly extensions: readonly string[];
  readonly helpers: { BigNumber(value: JiffConstant | string): JiffNumber };
  readonly protocols: { bits: JiffBits };
  /** Shares of what each of `senders` put in, by sender. `null` where this party sends nothing. */
  share(
    secret: JiffConstant | null,
    threshold?: 2,
    receivers?: number[],
    senders?: number[],
    Zp?: JiffNumber,
    shareId?: string,
  ): Record<number, SecretShare>;
  open(share: SecretShare, parties?: number[], opId?: string): Promise<JiffNumber>;
  /** Announces operations that need correlated randomness. The threshold is 2, given or not. */
  preprocessing(
    operation: string,
    count?: number,
    protocols?: null,
    threshold?: 2,
    receivers?: number[] | null,
    computers?: number[] | null,
    Zp?: JiffNumber | null,
    ids?: string[] | null,
    params?: Record<string, unknown>,
  ): Promise<unknown>;
  executePreprocessing(done: () => void): void;
  /** Sends a custom message, encrypted and authenticated always. */
  emit(tag: string, receivers: number[] | null, message: string): void;
  listen(tag: string, handler: (sender: number, message: string) => void): void;
  remove_listener(tag: string): void;
  seed_ids(seed: string | number): void;
  has_extension(name: string): boolean;
}

/** What a JIFF program did, or will do, as one party counts it. All three count alike. */
export interface JiffOperations {
  /** Values that each party shared with the others, those inside multiplications included. */
  shares: number;
  openings: number;
  products: number;
  /** To both peers together; sealed, about 150 bytes each and the operation's name. */
  messagesSent: number;
}

/**
 * An ordinary JIFF program as an algorithm of the market. Runs alike on all three parties and must issue the
 * same operations in the same order on each: nothing may branch on a share.
 *
 * @param inputs shares of the sellers' values, one array per seller, in the order of the job's data sets
 * @param parameters the job's public parameters, already checked against the manifest
 * @returns shares of the result; the program itself opens nothing that its manifest does not list
 */
export type JiffProgram<Parameters = unknown> = (
  jiff: JiffHandle,
  inputs: readonly (readonly SecretShare[])[],
  parameters: Parameters,
) => Promise<SecretShare[]>;
