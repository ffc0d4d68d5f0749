/**
 * One of the three parties inside an attempt of a job: its kernel, its links, its pair keys, its meter.
 * Protocols are functions of a party. A party runs one round at a time: independent operations share a round
 * by being written into it, which keeps the order of frames and of pseudo-random streams the same everywhere.
 */
import { CostMeter } from "./cost.ts";
import { SymbolonError, toSymbolonError } from "./errors.ts";
import { Prss, type PrssPurpose } from "./prss.ts";
import { embedCoefficient } from "./shamir.ts";
import { nextParty, type PartyIndex, previousParty, type Transport } from "./transport/transport.ts";
import { type FieldArray, type Kernel, randomBlock } from "./vector/index.ts";

/** What a party has once in an attempt, whatever the fields it computes in. */
interface AttemptState {
  readonly transport: Transport;
  readonly prss: Prss;
  readonly meter: CostMeter;
  operation: number;
  busy: boolean;
}

export class Party {
  readonly index: PartyIndex;
  /** The parties after and before this one in the cycle 1, 2, 3. */
  readonly next: PartyIndex;
  readonly previous: PartyIndex;
  readonly kernel: Kernel;
  readonly meter: CostMeter;
  readonly #attempt: AttemptState;
  readonly #embed = new Map<PartyIndex, bigint>();

  constructor(kernel: Kernel, transport: Transport, pairSecrets: ReadonlyMap<PartyIndex, Uint8Array>);
  /** The same party in the field of another kernel; see `inField`. */
  constructor(kernel: Kernel, attempt: AttemptState);
  constructor(
    kernel: Kernel,
    at: Transport | AttemptState,
    pairSecrets?: ReadonlyMap<PartyIndex, Uint8Array>,
  ) {
    this.kernel = kernel;
    this.#attempt =
      "prss" in at
        ? at
        : {
            transport: at,
            prss: new Prss(at.partyIndex, pairSecrets ?? new Map()),
            meter: new CostMeter(),
            operation: 0,
            busy: false,
          };
    this.meter = this.#attempt.meter;
    this.index = this.#attempt.transport.partyIndex;
    this.next = nextParty(this.index);
    this.previous = previousParty(this.index);
    for (const excluded of [this.next, this.previous]) {
      this.#embed.set(excluded, embedCoefficient(this.index, excluded, kernel.spec.modulus));
    }
  }

  /**
   * This party over another field: same links, pair keys, meter and numbering of rounds, so that rounds in
   * either field follow each other and no pseudo-random stream is drawn in both.
   */
  inField(kernel: Kernel): Party {
    return new Party(kernel, this.#attempt);
  }

  /** Runs one communication round; `operation` labels its frames and its pseudo-random streams. */
  async round<T>(body: (operation: number) => Promise<T>): Promise<T> {
    if (this.#attempt.busy) {
      throw new SymbolonError(
        "INTERNAL",
        "two rounds of one party overlap: await one before the next begins",
      );
    }
    this.#attempt.busy = true;
    this.#attempt.operation += 1;
    this.meter.countRound();
    try {
      return await body(this.#attempt.operation);
    } catch (error) {
      const reason = toSymbolonError(error);
      this.#attempt.transport.close(reason);
      throw reason;
    } finally {
      this.#attempt.busy = false;
    }
  }

  /** The number that the next round will have; decides the rotation of roles. */
  get nextOperation(): number {
    return this.#attempt.operation + 1;
  }

  send(to: PartyIndex, operation: number, parts: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.meter.countFrame(bytes);
    this.#attempt.transport.send(to, operation, parts);
  }

  /** The view is valid until the next receive from the same party. */
  receive(from: PartyIndex, operation: number, byteLength: number): Promise<Uint8Array> {
    return this.#attempt.transport.receive(from, operation, byteLength);
  }

  /** Sends field elements in their wire form. */
  sendVector(to: PartyIndex, operation: number, a: FieldArray): void {
    this.send(to, operation, this.kernel.wireParts(a));
  }

  async receiveVector(from: PartyIndex, operation: number, length: number): Promise<FieldArray> {
    const bytes = await this.receive(from, operation, length * this.kernel.spec.elementBytes);
    const out = this.kernel.allocate(length);
    this.kernel.decode(out, bytes);
    return out;
  }

  /** Uniform field elements, or integers below 2^bitLength, known to both parties other than `excluded`. */
  pairVector(
    excluded: PartyIndex,
    purpose: PrssPurpose,
    operation: number,
    length: number,
    bitLength?: number,
  ): FieldArray {
    const { kernel } = this;
    const out = kernel.allocate(length);
    const stream = this.#attempt.prss.stream(excluded, purpose, operation);
    for (let at = 0; at < length; at += randomBlock) {
      const piece = kernel.slice(out, at, Math.min(randomBlock, length - at));
      kernel.fromRandomBytes(piece, stream(kernel.randomByteLength(piece.length)), bitLength);
    }
    return out;
  }

  /** Uniform words known to both parties other than `excluded`. */
  pairWords(excluded: PartyIndex, purpose: PrssPurpose, operation: number, words: number): Uint32Array {
    const bytes = this.#attempt.prss.bytes(excluded, purpose, operation, 4 * words);
    return bytes.byteOffset % 4 === 0
      ? new Uint32Array(bytes.buffer, bytes.byteOffset, words)
      : new Uint32Array(new Uint8Array(bytes).buffer);
  }

  /** An additive sharing of zero: this party's summand, uniform but for the sum. One per round. */
  zeroVector(operation: number, length: number): FieldArray {
    const out = this.pairVector(this.previous, "zero", operation, length);
    const other = this.pairVector(this.next, "zero", operation, length);
    this.kernel.subtract(out, out, other);
    this.kernel.free(other);
    return out;
  }

  /** What this party multiplies onto a value known to itself and the party that is not `excluded`. */
  embed(excluded: PartyIndex): bigint {
    return this.#embed.get(excluded) ?? 0n;
  }
}
