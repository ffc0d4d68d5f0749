/**
 * The one error class of the project and the table of its codes.
 *
 * A message says what was expected and what to do. It never contains a share, a key, a data row or the
 * payload of a message. The same codes reach the command line (exit status), the HTTP interface
 * (problem+json) and the failure notices on chain. `docs/errors.md` lists them; a test compares both ways.
 */

/** What went wrong, by who can mend it. Exit statuses of the command line; HTTP statuses of the bridge. */
export const errorKinds = {
  /** The user's words or files are wrong. */
  input: { exit: 2, http: 400 },
  /** Terms, contract or a party refused. */
  refused: { exit: 3, http: 403 },
  /** A run aborted, expired or lost a node. */
  aborted: { exit: 4, http: 503 },
  /** Anything else. */
  internal: { exit: 1, http: 500 },
} as const;

export type ErrorKind = keyof typeof errorKinds;

/** Every code, its kind and what it means. Codes are stable: they are never renamed, only added. */
export const errorCodes = {
  USAGE: ["input", "the command, option or request is not of the expected form"],
  CONFIG_INVALID: ["input", "a configuration file or environment variable is missing or malformed"],
  CSV_EMPTY: ["input", "the file has no header or no data rows"],
  CSV_MALFORMED: ["input", "the file cannot be parsed as CSV in the given dialect"],
  CSV_COLUMN_MISSING: ["input", "a column of the schema is not in the file"],
  CSV_COLUMN_EXTRA: ["input", "the file has a column that the schema does not have"],
  CSV_NOT_A_NUMBER: ["input", "a cell is not a finite decimal number"],
  CSV_OUT_OF_RANGE: ["input", "a cell is outside the range that the schema declares"],
  CSV_LABEL_INVALID: ["input", "a label is not 0 or 1"],
  CSV_CHANGED: ["input", "a file changed between its two readings"],
  UPDATE_INVALID: ["input", "a file is not a model update, an array of numbers"],
  SCHEMA_INVALID: ["input", "the schema is malformed"],
  SCHEMA_MISMATCH: ["input", "data sets of one job have different schemas"],
  KEY_INVALID: ["input", "a key file is malformed, of another role, or does not fit what it should open"],
  ALGORITHM_UNKNOWN: ["input", "no algorithm of this name and version"],
  PARAMETER_INVALID: ["input", "an algorithm parameter is unknown or out of its range"],
  NOT_FOUND: ["input", "no such job, offer, operator or blob"],
  RANGE_EXCEEDED: [
    "input",
    "the declared ranges would overflow the field or exceed the statistical distance limit",
  ],
  SHAPE_MISMATCH: ["input", "shapes of vectors or matrices do not fit"],
  FIELD_ENCODING: ["input", "bytes or numbers that do not encode field elements canonically"],
  CONTRACT_REVERTED: ["refused", "the contract refused the transaction"],
  FUNDS_MISSING: ["refused", "the account or the job does not hold the funds that are needed"],
  TERMS_REFUSED: ["refused", "the terms of an offer do not allow this use"],
  ALGORITHM_NOT_APPROVED: ["refused", "an operator does not run this algorithm"],
  COMMITMENT_MISMATCH: ["refused", "a ciphertext is not the one that was committed on chain"],
  SEAL_INVALID: ["refused", "a sealed share does not open with this key in this context"],
  NOT_AUTHORISED: ["refused", "the signature is missing, wrong, or of someone who may not do this"],
  LIMIT_EXCEEDED: ["refused", "a size, rate or count limit was exceeded"],
  STORAGE_FULL: ["refused", "the disk has no room for what has to be stored"],
  STATE_INVALID: ["refused", "the job is not in a state that allows this"],
  RESULT_TAMPERED: [
    "refused",
    "result shares do not match the attested root or are not consistent with each other",
  ],
  JOB_EXPIRED: ["aborted", "the deadline passed before the job was done"],
  JOB_FAILED: ["aborted", "the operators reported that the job failed"],
  PEER_LOST: ["aborted", "a compute party vanished or closed its connection"],
  PEER_TIMEOUT: ["aborted", "a compute party did not answer before the deadline"],
  PEER_MISBEHAVED: ["aborted", "a message with a wrong sender, sequence, operation, length or encoding"],
  CHANNEL_AUTH: ["aborted", "a frame or handshake failed authentication"],
  SHARES_INCONSISTENT: ["aborted", "opened shares do not lie on one line"],
  INPUT_OUT_OF_RANGE: ["aborted", "a shared input lies outside its declared range"],
  RUN_ABORTED: ["aborted", "the computation stopped before its end"],
  CHAIN_UNREACHABLE: ["aborted", "the JSON-RPC endpoint does not answer"],
  BRIDGE_UNREACHABLE: ["aborted", "the bridge does not answer"],
  STORE_UNREACHABLE: ["aborted", "the store of an exchange does not answer"],
  INTERNAL: ["internal", "a defect of this software"],
} as const satisfies Record<string, readonly [ErrorKind, string]>;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorOptions {
  /** What the reader can do about it. */
  hint?: string;
  cause?: unknown;
}

/** An error with a stable code. */
export class SymbolonError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptions = {}) {
    // One line, for logs and for whoever reads the output of a command line by line.
    super(
      message.replace(/\s*[\r\n]+\s*/g, " ").trim(),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "SymbolonError";
    this.code = code;
    this.hint = options.hint;
  }

  get kind(): ErrorKind {
    return errorCodes[this.code][0];
  }

  /** Exit status of the command line. */
  get exitCode(): number {
    return errorKinds[this.kind].exit;
  }

  /** HTTP status of the bridge. */
  get httpStatus(): number {
    return this.code === "NOT_FOUND"
      ? 404
      : this.code === "LIMIT_EXCEEDED"
        ? 429
        : errorKinds[this.kind].http;
  }

  toJSON(): { code: ErrorCode; message: string; hint: string | null } {
    return { code: this.code, message: this.message, hint: this.hint ?? null };
  }
}

/** Turns anything that was thrown into a SymbolonError; what has no code becomes INTERNAL. */
export function toSymbolonError(thrown: unknown, code: ErrorCode = "INTERNAL"): SymbolonError {
  if (thrown instanceof SymbolonError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SymbolonError(code, message, { cause: thrown });
}
