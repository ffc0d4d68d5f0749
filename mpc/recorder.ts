/**
 * Room for security against active parties: what a party would keep of an attempt until it is verified, and
 * when it must be. Parties are passive in this version, so none has a recorder and nothing is kept; a test's
 * recorder proves that the record suffices (test/mpc/auditor.ts).
 *
 * Every message is recorded as it is sent or received, and every protocol states what it did with them: which
 * shares it took and which it made. A pair's pseudo-random streams are not recorded: one of the two parties that
 * know a stream is honest. Local linear steps need no record either: with two honest parties of three, the
 * shares that a product takes determine its operands.
 */
import type { Party } from "./party.ts";
import type { CompareRequest } from "./protocols/comparison-dealing.ts";
import type { PartyIndex } from "./transport/transport.ts";
import type { FieldArray, Kernel } from "./vector/index.ts";

/** One summand of a local product: scale * a o b, in the shape that `kind` names; `a` alone where it is linear. */
export interface StatedTerm {
  readonly kind: string;
  readonly a: FieldArray;
  readonly b?: FieldArray;
  readonly rows: number;
  readonly inner?: number;
  readonly cols: number;
  /** 1 where it is not given. */
  readonly scale?: bigint;
}

/** The two components that a party holds of bits in replicated form. */
interface StatedBits {
  readonly next: Uint32Array;
  readonly previous: Uint32Array;
}

/**
 * What one party states about one round. Arrays are the protocol's own: they are freed or overwritten later, so
 * a recorder copies what it keeps.
 */
export type Statement =
  /** How the `product` of a statement that follows was made: it is the same array there. Has no round. */
  | {
      readonly relation: "local product";
      readonly terms: readonly StatedTerm[];
      readonly product: FieldArray;
    }
  /** `shares` are of degree 1 and hold the same values as the `product`s, which are of degree 2. */
  | {
      readonly relation: "degree reduction";
      readonly operation: number;
      readonly product: FieldArray;
      readonly shares: FieldArray;
    }
  /** c = value + offset + both masks, at the openers; each mask where it is known. */
  | {
      readonly relation: "masked opening";
      readonly operation: number;
      /** Shares, or with degree 2 local products. */
      readonly values: FieldArray;
      readonly degree: 1 | 2;
      readonly offset: bigint;
      readonly opened?: FieldArray;
      readonly firstMask?: FieldArray;
      readonly secondMask?: FieldArray;
    }
  | {
      readonly relation: "opening";
      readonly operation: number;
      readonly shares: FieldArray;
      readonly value: FieldArray;
    }
  | {
      readonly relation: "conjunction";
      readonly operation: number;
      readonly a: StatedBits;
      readonly b: StatedBits;
      readonly out: StatedBits;
    }
  | {
      readonly relation: "bit opening";
      readonly operation: number;
      readonly bits: StatedBits;
      readonly value: Uint32Array;
    }
  /** The sum of the openers' `local` bits as replicated shares. */
  | {
      readonly relation: "bit sharing";
      readonly operation: number;
      readonly local: readonly Uint32Array[];
      readonly out: StatedBits;
    }
  /** The outcomes of a comparison of what an earlier round opened: `planes` of the helper plus those of an opener. */
  | {
      readonly relation: "comparison";
      readonly operation: number;
      readonly request: CompareRequest;
      readonly offset: bigint;
      readonly opened?: FieldArray;
      readonly firstMask?: FieldArray;
      readonly secondMask?: FieldArray;
      readonly planes: Uint32Array;
    }
  /** The helper's bits of a comparison as `shares` of degree 1. */
  | {
      readonly relation: "dealt bits";
      readonly operation: number;
      readonly comparison: number;
      readonly shares: FieldArray;
    }
  /** The outcomes of a comparison as `shares` of degree 1; has no round. */
  | { readonly relation: "outcomes"; readonly comparison: number; readonly shares: FieldArray }
  /** An opener's part of a sum, and the shares of degree 1 that the round makes of both parts. */
  | { readonly relation: "summand"; readonly operation: number; readonly values: FieldArray }
  | { readonly relation: "sum"; readonly operation: number; readonly shares: FieldArray };

export interface Recorder {
  /** A frame that this party sends. The parts are overwritten later. */
  sent(to: PartyIndex, operation: number, parts: readonly Uint8Array[]): void;
  /** A frame that this party received. The bytes are overwritten later. */
  received(from: PartyIndex, operation: number, bytes: Uint8Array): void;
  /** @param kernel of the statement's field arrays */
  state(kernel: Kernel, statement: Statement): void;
  /**
   * Called before values are opened, between rounds: it may run rounds of its own. Resolves when everything
   * recorded before is verified, and may forget it then; rejects when something is wrong, which ends the attempt.
   */
  verify(party: Party): Promise<void>;
}
