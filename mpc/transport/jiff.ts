/**
 * JIFF as the session of a job: three jiff-mpc clients joined through the bridge's relay, with the guards that
 * stock jiff-mpc 1.0.0 lacks. The relay and the network may drop, delay, reorder, replay and inject: what they
 * reach is an aborted run with a named error.
 *
 * - Messages are sealed by `jiff-seal.ts`; JIFF itself never holds a long-term key, so none can be in an error.
 * - Public keys are the caller's (pinned from the chain); the relay's key map carries ephemeral keys only.
 * - An opening waits for all three shares and checks that they lie on one line (`jiff-guards.ts`).
 * - No dealer: nothing from `crypto_provider` is asked for or accepted.
 * - Whatever goes wrong, in a socket callback, in JIFF or in a peer, becomes the one failure of the session:
 *   every waiting call ends with it, the peers are told, and the process lives.
 *
 * This layer is as secure as JIFF's protocols: against one *passive* party. An active party can make a product
 * wrong; openings show it only when the shares do not fit.
 */
import { SymbolonError, toSymbolonError } from "../errors.ts";
import type { JiffHandle, JiffOperations, SecretShare } from "../jiff-program.ts";
import { type JiffInstance, toBigInt } from "./jiff-library.ts";
import { Session } from "./jiff-session.ts";
import { publicKeyOf } from "./keys.ts";
import { type PartyIndex, partyIndices } from "./transport.ts";

export interface JiffOptions {
  /** Origin of the bridge, `http(s)://host:port`, a path prefix allowed. */
  relayUrl: string;
  /** The relay's path on it. */
  relayPath: string;
  /** Names the attempt: 1 to 128 characters of `A-Za-z0-9:_.-`. */
  computationId: string;
  partyIndex: PartyIndex;
  /** This operator's JIFF key (X25519, 32 bytes) and the three registered public keys. */
  secretKey: Uint8Array;
  publicKeys: Readonly<Record<PartyIndex, Uint8Array>>;
  /**
   * Secrets of this attempt with each peer (`AttemptChannels.pairSecrets`). With them the session is bound to
   * the attempt's mesh. Without them the keys still are fresh, through the ephemeral keys alone.
   */
  pairSecrets?: ReadonlyMap<PartyIndex, Uint8Array>;
  /** The field's prime. */
  modulus: bigint;
  /** For joining, and for each wait on a peer's message while the program runs. */
  timeoutMs: number;
  signal?: AbortSignal;
}

export interface JiffSession {
  readonly jiff: JiffHandle;
  /** Rejects with the session's failure; never resolves. No need to catch it if nobody waits for it. */
  readonly failed: Promise<never>;
  readonly failure: SymbolonError | undefined;
  /** What the programs on this session have done so far. */
  readonly operations: Readonly<JiffOperations>;
  /** Called once, at once if the session has failed already. */
  onFailure(listener: (error: SymbolonError) => void): void;
  /**
   * Runs a program on the session: ends with its result or with the session's failure, whichever is first. An
   * exception anywhere inside it, also in a callback that JIFF calls later, fails the session.
   */
  run<T>(program: (jiff: JiffHandle) => Promise<T>): Promise<T>;
  /** Fails the session, telling the peers why. */
  abort(error: SymbolonError): void;
  /** Orderly end, when nothing is waited for any more. Idempotent. */
  close(): Promise<void>;
}

/**
 * Joins the computation and waits until both peers have proved that they hold their registered keys.
 * @throws PEER_TIMEOUT when somebody does not come in time; BRIDGE_UNREACHABLE; CHANNEL_AUTH when the relay or
 *   a peer is not who it should be; NOT_AUTHORISED or LIMIT_EXCEEDED when the relay refuses.
 */
export async function connectJiff(options: JiffOptions): Promise<JiffSession> {
  checkOptions(options);
  const session = new Session(options);
  try {
    await session.join();
  } catch (error) {
    session.abort(toSymbolonError(error));
    throw session.failure;
  }
  return session;
}

/** Local share values of `shares`, in [0, p), when they are there. No interaction. */
export async function liftShares(shares: readonly SecretShare[]): Promise<bigint[]> {
  const values = await Promise.all(shares.map(async (share) => share.wThen((value) => value)));
  return values.map((value) => toBigInt(value));
}

/** What `applyVectorExtension` adds to a handle. */
export interface VectorHandle<Vectors> extends JiffHandle {
  readonly vectors: Vectors;
  /** This party's share values in [0, p), once they are there. */
  lift(shares: readonly SecretShare[]): Promise<bigint[]>;
  /** JIFF shares from this party's share values: same field, same points, degree 1, all three holders. */
  sharesFromValues(values: readonly bigint[]): SecretShare[];
}

/** The vector engine as a JIFF extension. @param vectors the three-party session of the vector protocols */
export function applyVectorExtension<Vectors>(jiff: JiffHandle, vectors: Vectors): VectorHandle<Vectors> {
  const instance = jiff as unknown as JiffInstance;
  const name = "symbolon-vectors";
  if (instance.has_extension(name)) throw new SymbolonError("STATE_INVALID", "the vector extension is there");
  const modulus = toBigInt(instance.Zp);
  const sharesFromValues = (values: readonly bigint[]): SecretShare[] =>
    values.map((value) => {
      if (value < 0n || value >= modulus)
        throw new SymbolonError("FIELD_ENCODING", "a share is outside [0, p)");
      const number = instance.helpers.BigNumber(value.toString());
      return new instance.SecretShare(number, [...partyIndices], 2, instance.Zp);
    });
  const lift = (shares: readonly SecretShare[]): Promise<bigint[]> => {
    for (const share of shares) {
      if (share.jiff !== jiff || share.threshold !== 2) {
        throw new SymbolonError("STATE_INVALID", "only a degree-1 share of this instance can be lifted");
      }
    }
    return liftShares(shares);
  };
  instance.apply_extension({
    name,
    make_jiff: (base) => {
      base.preprocessing_function_map[name] = {};
      return Object.assign(base, { vectors, lift, sharesFromValues });
    },
  });
  return instance as unknown as VectorHandle<Vectors>;
}

function checkOptions(options: JiffOptions): void {
  const { computationId, partyIndex, secretKey, publicKeys, modulus, timeoutMs } = options;
  if (!/^[A-Za-z0-9:_.-]{1,128}$/.test(computationId)) {
    throw new SymbolonError("USAGE", "a computation id is 1 to 128 characters of A-Za-z0-9:_.-");
  }
  if (!partyIndices.includes(partyIndex)) throw new SymbolonError("USAGE", "a party index is 1, 2 or 3");
  if (modulus < 5n) throw new SymbolonError("USAGE", "the modulus is not a prime above 3");
  if (!(timeoutMs > 0)) throw new SymbolonError("USAGE", "a JIFF session needs a time limit");
  for (const index of partyIndices) {
    if (publicKeys[index]?.byteLength !== 32) {
      throw new SymbolonError("KEY_INVALID", `the JIFF public key of party ${index} does not have 32 bytes`);
    }
  }
  if (!Buffer.from(publicKeyOf(secretKey)).equals(publicKeys[partyIndex])) {
    throw new SymbolonError("KEY_INVALID", "the JIFF secret key does not fit the registered public key");
  }
}
