/**
 * One of the three parties inside an attempt of a job: its kernel, its links, its pair keys, its meter.
 * Protocols are functions of a party. A party runs one round at a time; independent operations share a round
 * by being written into it, or as tasks of `together`.
 */
import { ElementStream, inBlocks } from "./blocks.ts";
import { CostMeter } from "./cost.ts";
import { toSymbolonError } from "./errors.ts";
import { Prss, type PrssPurpose } from "./prss.ts";
import type { Recorder } from "./recorder.ts";
import { Rounds } from "./rounds.ts";
import { embedCoefficient } from "./shamir.ts";
import { nextParty, type PartyIndex, previousParty, type Transport } from "./transport/transport.ts";
import type { FieldArray, Kernel } from "./vector/index.ts";

/** What a party has once in an attempt, whatever the fields it computes in. */
interface AttemptState {
  readonly transport: Transport;
  readonly prss: Prss;
  readonly meter: CostMeter;
  readonly rounds: Rounds;
  readonly recorder: Recorder | undefined;
  workspace: Uint8Array;
  /** Buffers that `keep` may fill again. */
  readonly spare: Uint8Array[];
}

export class Party {
  readonly index: PartyIndex;
  /** The parties after and before this one in the cycle 1, 2, 3. */
  readonly next: PartyIndex;
  readonly previous: PartyIndex;
  readonly kernel: Kernel;
  readonly meter: CostMeter;
  readonly #attempt: AttemptState;
  /** The protocol that all rounds of this view are part of; see `within`. */
  readonly #protocol: string | undefined;
  readonly #embed = new Map<PartyIndex, bigint>();
  readonly #views = new Map<string, Party>();

  constructor(
    kernel: Kernel,
    transport: Transport,
    pairSecrets: ReadonlyMap<PartyIndex, Uint8Array>,
    recorder?: Recorder,
  );
  /** The same party in the field of another kernel or within a protocol; see `inField` and `within`. */
  constructor(kernel: Kernel, attempt: AttemptState, protocol: string | undefined);
  constructor(
    kernel: Kernel,
    at: Transport | AttemptState,
    secretsOrProtocol: ReadonlyMap<PartyIndex, Uint8Array> | string | undefined,
    recorder?: Recorder,
  ) {
    this.kernel = kernel;
    if ("prss" in at) {
      this.#attempt = at;
      this.#protocol = secretsOrProtocol as string | undefined;
    } else {
      const prss = new Prss(at.partyIndex, secretsOrProtocol as ReadonlyMap<PartyIndex, Uint8Array>);
      const meter = new CostMeter();
      const rounds = new Rounds(at, prss, meter);
      this.#attempt = {
        transport: at,
        prss,
        meter,
        rounds,
        recorder,
        workspace: new Uint8Array(0),
        spare: [],
      };
    }
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
    return new Party(kernel, this.#attempt, this.#protocol);
  }

  /**
   * This party inside a protocol that consists of others: their rounds are counted as its own. The outermost
   * protocol counts, so that a comparison within the check of inputs is part of that check.
   */
  within(protocol: string): Party {
    if (this.#protocol !== undefined) return this;
    let view = this.#views.get(protocol);
    if (view === undefined) {
      view = new Party(this.kernel, this.#attempt, protocol);
      this.#views.set(protocol, view);
    }
    return view;
  }

  /**
   * Runs one communication round, which opens nothing; `operation` labels its frames and its pseudo-random
   * streams.
   * @param protocol what the round is counted as, unless this party is within another protocol
   */
  round<T>(protocol: string, body: (operation: number) => Promise<T>): Promise<T> {
    return this.#run(protocol, false, body);
  }

  /**
   * A round that opens values, to all parties or to some. Everything recorded before is verified first: an error
   * that a party slipped into a value would overrun the mask under which the value opens, and leak there, long
   * before a check at the end of the run.
   */
  async openingRound<T>(protocol: string, body: (operation: number) => Promise<T>): Promise<T> {
    const { recorder, transport } = this.#attempt;
    if (recorder !== undefined) {
      try {
        await recorder.verify(this);
      } catch (error) {
        transport.close(toSymbolonError(error));
        throw error;
      }
    }
    return this.#run(protocol, true, body);
  }

  async #run<T>(protocol: string, opens: boolean, run: (operation: number) => Promise<T>): Promise<T> {
    const body = { protocol: this.#protocol ?? protocol, opens, run };
    return (await this.#attempt.rounds.run(body)) as T;
  }

  /**
   * What keeps this attempt's messages and statements until they are verified; none while security is passive.
   * A protocol states each of its rounds by `party.recorder?.state(...)`, so that nothing is made for nobody.
   */
  get recorder(): Recorder | undefined {
    return this.#attempt.recorder;
  }

  /**
   * Runs tasks that do not depend on each other, each a chain of protocols, in shared rounds: as many as the
   * longest task has. Their order is part of the protocol: it must be the same at every party.
   * @param resumed called with a task's place in the list whenever that task goes on
   */
  together<T>(tasks: readonly (() => Promise<T>)[], resumed?: (task: number) => void): Promise<T[]> {
    return this.#attempt.rounds.together(tasks, resumed);
  }

  /** Whether what runs now shares its rounds with other tasks. */
  get sharesRounds(): boolean {
    return this.#attempt.rounds.shared;
  }

  /** The number that the next round will have, where none is shared; decides the rotation of roles. */
  get nextOperation(): number {
    return this.#attempt.rounds.operation + 1;
  }

  send(to: PartyIndex, operation: number, parts: readonly Uint8Array[]): void {
    this.#attempt.recorder?.sent(to, operation, parts);
    this.#attempt.rounds.send(to, operation, parts);
  }

  /** The view is valid until the next receive from the same party. */
  receive(from: PartyIndex, operation: number, byteLength: number): Promise<Uint8Array> {
    const { recorder, rounds } = this.#attempt;
    const frame = rounds.receive(from, operation, byteLength);
    if (recorder === undefined) return frame;
    return frame.then((bytes) => {
      recorder.received(from, operation, bytes);
      return bytes;
    });
  }

  /** Counts values that an opening round reveals to parties. Every protocol that reveals a value calls it. */
  countOpening(label: string, values: number): void {
    this.#attempt.rounds.countOpening(label, values);
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
    const stream = this.pairElements(excluded, purpose, operation);
    inBlocks(length, (start, count) => stream.fill(kernel.slice(out, start, count), bitLength));
    return out;
  }

  /** The same elements as of `pairVector`, block by block. */
  pairElements(excluded: PartyIndex, purpose: PrssPurpose, operation: number): ElementStream {
    return new ElementStream(this.kernel, this.#attempt.prss.stream(excluded, purpose, operation));
  }

  /** Uniform words known to both parties other than `excluded`. */
  pairWords(excluded: PartyIndex, purpose: PrssPurpose, operation: number, words: number): Uint32Array {
    const bytes = this.#attempt.prss.bytes(excluded, purpose, operation, 4 * words);
    return bytes.byteOffset % 4 === 0
      ? new Uint32Array(bytes.buffer, bytes.byteOffset, words)
      : new Uint32Array(new Uint8Array(bytes).buffer);
  }

  /** Uniform bytes known to both parties other than `excluded`, piece by piece; a piece is valid until the next. */
  pairStream(excluded: PartyIndex, purpose: PrssPurpose, operation: number): (length: number) => Uint8Array {
    return this.#attempt.prss.stream(excluded, purpose, operation);
  }

  /**
   * A kept buffer for what is sent next; valid until the next call. Fresh pages for each large frame cost more
   * than filling them.
   */
  workspace(length: number): Uint8Array {
    const attempt = this.#attempt;
    if (attempt.workspace.length < length) attempt.workspace = new Uint8Array(length);
    return attempt.workspace.subarray(0, length);
  }

  /** A copy of what was received, in a buffer of this attempt; `discard` gives it back. */
  keep(bytes: Uint8Array): Uint8Array {
    const { spare } = this.#attempt;
    const found = spare.findIndex((buffer) => buffer.length >= bytes.length);
    // Place -1 is the last: where all are too small one makes way, so that they never outnumber what is kept at a time.
    const [taken] = spare.splice(found, 1);
    const buffer = found < 0 ? new Uint8Array(bytes.length) : taken!;
    const kept = buffer.subarray(0, bytes.length);
    kept.set(bytes);
    return kept;
  }

  /** What `keep` returned, when nothing reads it any more. */
  discard(kept: Uint8Array): void {
    this.#attempt.spare.push(new Uint8Array(kept.buffer));
  }

  /** What this party multiplies onto a value known to itself and the party that is not `excluded`. */
  embed(excluded: PartyIndex): bigint {
    return this.#embed.get(excluded) ?? 0n;
  }
}
