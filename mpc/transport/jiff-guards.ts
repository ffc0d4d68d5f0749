/**
 * Replaces the parts of a JIFF instance that are unsafe or wrong as they stand in jiff-mpc 1.0.0:
 *
 * | stock JIFF                                                        | here                                         |
 * | opens with the first two shares, the modulus from the message     | all three, on one line, the session's modulus |
 * | counts a sender's second share of an opening as another party's   | refused                                       |
 * | opens polynomials of any degree                                   | degree 1 only: degree 2 leaks its factors     |
 * | `share` and `preprocessing` default to threshold 3                | 2, and nothing else                           |
 * | multiplies by triplets, and refreshes before it opens             | BGW, no refresh: nothing to preprocess        |
 * | asks a dealer when preprocessing is missing                       | refused                                       |
 * | sends custom messages in plaintext if told so                     | always sealed                                 |
 * | `mod(-p, p)` is p                                                 | 0                                             |
 * | an exception in a promise leaves the others waiting for ever      | fails the session                             |
 *
 * Why no refresh: a holder who learns the secret x and has its own share s_i knows the whole line, hence the
 * other shares; what an opening shows it beyond x is nothing, for degree 1 and one corrupt party.
 */
import { SymbolonError } from "../errors.ts";
import type { JiffNumber, JiffOperations, SecretShare } from "../jiff-program.ts";
import { randomBytes } from "../random.ts";
import { type JiffInstance, toBigInt } from "./jiff-library.ts";
import { type PartyIndex, partyIndices } from "./transport.ts";

/** What the guards need of the session. */
export interface GuardedSession {
  readonly modulus: bigint;
  readonly partyIndex: PartyIndex;
  readonly failed: Promise<never>;
  readonly failure: SymbolonError | undefined;
  /** Counted here. */
  readonly operations: JiffOperations;
  fail(thrown: unknown): void;
  awaitPeer(from: PartyIndex): () => void;
  takeEarlyShare(operation: string, from: PartyIndex): boolean;
}

/** Tags of the session's own custom messages. */
export const reservedPrefix = "symbolon/";

/** Openings whose shares may be stored before this party has begun them. */
const maxEarlyOpenings = 100_000;

export function applyGuards(jiff: JiffInstance, session: GuardedSession): void {
  guardNumbers(jiff, session);
  guardTables(jiff);
  guardShares(jiff, session);
  guardOpenings(jiff, session);
  guardPreprocessing(jiff);
  guardMessages(jiff);
}

function guardNumbers(jiff: JiffInstance, session: GuardedSession): void {
  const { helpers, hooks } = jiff;
  const { modulus } = session;
  const number = (value: bigint): JiffNumber => helpers.BigNumber(value.toString());
  const stockMod = helpers.mod;
  helpers.mod = (value, of) => {
    const rest = stockMod(value, of);
    return rest.eq(of) ? helpers.BigNumber(0) : rest;
  };
  helpers.random = (max) => number(randomBelow(max === undefined ? modulus : toBigInt(max)));
  helpers.bits_to_number = (bits, length = bits.length) => {
    const value = bits.slice(0, length).reduceRight((sum, bit) => 2n * sum + toBigInt(bit), 0n);
    return number(value);
  };

  // A uniform line through the secret at 0.
  hooks.computeShares = (_jiff, secret, parties, threshold, of) => {
    requireThreshold(threshold);
    if (toBigInt(of as JiffNumber) !== modulus) throw refused("another modulus");
    const constant = mod(toBigInt((secret ?? 0) as JiffNumber), modulus);
    const slope = randomBelow(modulus);
    return Object.fromEntries(
      parties.map((party) => [party, number((constant + slope * BigInt(checkParty(party))) % modulus)]),
    );
  };

  // Called by JIFF to reduce the degree of a product: all three points, weights 3, -3, 1 at 0.
  hooks.reconstructShare = (_jiff, shares) => {
    const weights: Record<PartyIndex, bigint> = { 1: 3n, 2: -3n, 3: 1n };
    if (new Set(shares.map((share) => share.sender_id)).size !== 3) throw refused("fewer than three shares");
    const sum = shares.reduce(
      (total, share) => total + weights[checkParty(share.sender_id)] * toBigInt(share.value),
      0n,
    );
    return number(mod(sum, modulus));
  };
}

/** Operation ids come from peers: in a table with a prototype, `__proto__` would be everyone's. */
function guardTables(jiff: JiffInstance): void {
  jiff.deferreds = Object.create(null);
  jiff.preprocessing_table = Object.create(null);
  jiff.listeners = Object.create(null);
  jiff.custom_messages_mailbox = Object.create(null);
}

function guardShares(jiff: JiffInstance, session: GuardedSession): void {
  const { internal_share, share } = jiff;
  const stillPending = new Promise<never>(() => undefined);
  // Unbound on purpose: JIFF passes it as `this.error`, without its object. It never settles, so that nothing
  // goes on computing with what is missing.
  jiff.SecretShare.prototype.error = (thrown: unknown): Promise<never> => {
    session.fail(thrown);
    return stillPending;
  };
  jiff.hooks.createSecretShare.push((_jiff, made: SecretShare) => {
    const allHold = made.holders.length === 3 && made.holders.every((holder, i) => holder === i + 1);
    if (!allHold || toBigInt(made.Zp) !== session.modulus || (made.threshold !== 2 && made.threshold !== 3)) {
      throw refused("a share of other holders, another field or another degree");
    }
    return made;
  });
  const { prototype } = jiff.SecretShare;
  const bgw = prototype.smult_bgw as (this: SecretShare, other: SecretShare, opId?: string) => SecretShare;
  const multiply = function (this: SecretShare, other: SecretShare, opId?: string): SecretShare {
    session.operations.products++;
    return bgw.call(this, other, opId);
  };
  for (const name of ["smult", "ismult", "smult_bgw", "ismult_bgw"]) prototype[name] = multiply;
  jiff.preprocessing_function_map.base!.smult = [];

  jiff.share = (secret, threshold, ...rest) => share(secret, requireThreshold(threshold), ...rest);
  jiff.internal_share = (secret, threshold, receivers, senders, Zp, shareId) => {
    const from = (senders ?? [...partyIndices]).map(checkParty);
    const id = shareId ?? jiff.counters.gen_op_id2("share", receivers ?? partyIndices, from);
    const degree = requireThreshold(threshold);
    if (receivers != null && receivers.map(checkParty).length !== 3)
      throw refused("a share for some parties only");
    if (from.includes(session.partyIndex)) session.operations.shares++;
    const missing = from.filter((sender) => !session.takeEarlyShare(id, sender));
    const shares = internal_share(secret, degree, receivers, senders, Zp, id);
    for (const sender of missing) {
      const received = shares[sender];
      if (received !== undefined && !received.ready) void received.wThen(session.awaitPeer(sender));
    }
    return shares;
  };
}

/** An opening in progress, here or at a peer that is ahead. */
interface Opening {
  shares: Map<PartyIndex, bigint>;
  begun: PromiseWithResolvers<bigint> | undefined;
  waits: Map<PartyIndex, () => void>;
}

function guardOpenings(jiff: JiffInstance, session: GuardedSession): void {
  const { modulus, partyIndex } = session;
  const openings = new Map<string, Opening>();
  const openingOf = (operation: string): Opening => {
    let opening = openings.get(operation);
    if (opening === undefined) {
      if (openings.size >= maxEarlyOpenings)
        throw new SymbolonError("LIMIT_EXCEEDED", "too many openings ahead");
      opening = { shares: new Map(), begun: undefined, waits: new Map() };
      openings.set(operation, opening);
    }
    return opening;
  };
  const arrive = (operation: string, from: PartyIndex, share: bigint): void => {
    const opening = openingOf(operation);
    if (opening.shares.has(from)) {
      throw new SymbolonError("PEER_MISBEHAVED", `party ${from} sent two shares to one opening`);
    }
    opening.shares.set(from, share);
    opening.waits.get(from)?.();
    opening.waits.delete(from);
    conclude(operation, opening);
  };
  const conclude = (operation: string, { shares, begun }: Opening): void => {
    if (begun === undefined || shares.size < 3) return;
    openings.delete(operation);
    const [first, second, third] = partyIndices.map((party) => shares.get(party)!) as [
      bigint,
      bigint,
      bigint,
    ];
    if (mod(first - 2n * second + third, modulus) !== 0n) {
      throw new SymbolonError("SHARES_INCONSISTENT", "the three shares of an opening do not lie on one line");
    }
    begun.resolve(mod(2n * first - second, modulus));
  };
  const send = (to: number, value: JiffNumber, operation: string): void => {
    let message: Record<string, unknown> = { party_id: to, share: value, op_id: operation, Zp: jiff.Zp };
    message = jiff.hooks.execute_array_hooks("beforeOperation", [jiff, "open", message], 2);
    message.share = jiff.hooks.encryptSign(jiff, toBigInt(value).toString());
    jiff.socket?.safe_emit("open", JSON.stringify(message));
  };

  const receiveOpen = (message: Record<string, unknown>): void => {
    const opened = { ...message, share: jiff.hooks.decryptSign(jiff, message.share) };
    const checked: { share: JiffNumber } = jiff.hooks.execute_array_hooks(
      "afterOperation",
      [jiff, "open", opened],
      2,
    );
    const from = checkParty(message.party_id);
    const parameters = [jiff, from, checked.share, jiff.Zp];
    const share: JiffNumber = jiff.hooks.execute_array_hooks("receiveOpen", parameters, 2);
    arrive(String(message.op_id), from, toBigInt(share));
  };
  // JIFF makes its handlers when it connects: this one stays.
  Object.defineProperty(jiff.handlers, "receive_open", { get: () => receiveOpen, set: () => undefined });

  /** Stays pending when the session fails: JIFF's protocols chain on it without catching. */
  const internalOpen = (share: SecretShare, parties?: number[], opId?: string): Promise<JiffNumber> => {
    if ((share.jiff as unknown) !== jiff) throw refused("a share of another instance");
    if (share.threshold !== 2) throw refused("opening a sharing of degree 2, which would show its factors");
    const receivers = (parties ?? [...partyIndices]).map(checkParty).sort();
    if (new Set(receivers).size !== receivers.length || receivers.length === 0) {
      throw refused("an opening to nobody or twice to one party");
    }
    const operation = opId ?? jiff.counters.gen_op_id2("open", receivers, partyIndices);
    const hooked: SecretShare = jiff.hooks.execute_array_hooks("beforeOpen", [jiff, share, receivers], 1);
    jiff.counters.pending_opens++;
    session.operations.openings++;
    const receives = receivers.includes(partyIndex);
    const done = Promise.withResolvers<bigint>();
    let opening: Opening | undefined;
    if (receives) {
      opening = openingOf(operation);
      if (opening.begun !== undefined) throw refused("two openings under one operation id");
      opening.begun = done;
    }
    void hooked.wThen((value) => {
      try {
        jiff.counters.pending_opens--;
        for (const to of receivers) if (to !== partyIndex) send(to, value, operation);
        if (opening === undefined) return;
        for (const from of partyIndices) {
          if (from !== partyIndex && !opening.shares.has(from)) {
            opening.waits.set(from, session.awaitPeer(from));
          }
        }
        arrive(operation, partyIndex, toBigInt(value));
      } catch (thrown) {
        session.fail(thrown);
      }
    });
    if (!receives) return Promise.resolve(null as never);
    return done.promise.then((secret) => {
      const value = jiff.helpers.BigNumber(secret.toString());
      return jiff.hooks.execute_array_hooks("afterReconstructShare", [jiff, value], 1) as JiffNumber;
    });
  };
  jiff.internal_open = internalOpen;
  jiff.open = (share, parties, opId) => {
    const opened = Promise.race([internalOpen(share, parties, opId), session.failed]);
    // Whoever awaits it sees the rejection; whoever does not must not bring the process down.
    opened.catch(() => undefined);
    return opened;
  };
  jiff.preprocessing_function_map.base!.open = [];
}

function guardPreprocessing(jiff: JiffInstance): void {
  const { preprocessing } = jiff;
  // Stock JIFF takes the number of parties as default and opens with two shares: wrong in 4 of 80 runs.
  jiff.preprocessing = (operation, count, protocols, threshold, ...rest) =>
    preprocessing(operation, count, protocols, requireThreshold(threshold), ...rest);
  jiff.get_preprocessing = (opId) => {
    const values = jiff.preprocessing_table[opId];
    if (values != null) return values;
    throw new SymbolonError("STATE_INVALID", "a JIFF operation was not announced by `preprocessing`");
  };
  jiff.from_crypto_provider = () => {
    throw refused("a dealer");
  };
}

function guardMessages(jiff: JiffInstance): void {
  const { emit } = jiff;
  jiff.emit = (tag, receivers, message, encrypt) => {
    if (encrypt === false) throw refused("a custom message in plaintext");
    if (tag.startsWith(reservedPrefix)) throw refused("a tag of the session's own");
    emit(tag, receivers, message, true);
  };
  const closed = () => {
    throw refused("ending the session from inside; the session's owner closes it");
  };
  jiff.disconnect = closed;
  jiff.free = closed;
}

function requireThreshold(threshold: number | null | undefined): 2 {
  if (threshold === undefined || threshold === null || threshold === 2) return 2;
  throw refused(`threshold ${threshold}; it is 2 of 3`);
}

function checkParty(party: unknown): PartyIndex {
  if (partyIndices.includes(party as PartyIndex)) return party as PartyIndex;
  throw refused("a party other than 1, 2 and 3");
}

const refused = (what: string) => new SymbolonError("PARAMETER_INVALID", `JIFF is asked for ${what}`);

const mod = (value: bigint, modulus: bigint): bigint => ((value % modulus) + modulus) % modulus;

/** Uniform in [0, bound), by rejection. */
function randomBelow(bound: bigint): bigint {
  const bits = (bound - 1n).toString(2).length;
  for (;;) {
    const value = BigInt(`0x${randomBytes(Math.ceil(bits / 8)).toString("hex")}`);
    const cut = BigInt.asUintN(bits, value);
    if (cut < bound) return cut;
  }
}
