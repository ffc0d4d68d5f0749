/**
 * What this node must not forget: every signature that it gave for a job, written to disk before anybody sees
 * it, and how far each job is. A restarted node goes by it, so that it never contradicts itself: one join, one
 * attestation digest and one failure notice a job, ever, and no attestation of a job that it has called failed.
 * And each answer to a challenge that it sent, so that it does not pay for one twice.
 *
 * Everything in it is public or becomes so by being posted; shares and keys are never here.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { AttestationPost } from "../../bridge/client.ts";
import type { Deployment } from "../../contracts/deployment.ts";
import type { Place } from "../../contracts/transactions.ts";
import { SymbolonError } from "../../mpc/errors.ts";

export type SignatureKind = "join" | "attestation" | "failure";

/** A signature and what must be posted with it. */
export interface SignedWord {
  kind: SignatureKind;
  /** What was signed, in one hash or code: equal digests are the same word. */
  digest: string;
  /** The body of the post to the bridge. */
  post: object;
}

export interface JournalEntry extends SignedWord {
  jobId: string;
  /** The bridge has it. */
  delivered: boolean;
}

/** This operator's key has said something about a job that its journal does not know: it is not the latest one. */
export class ForgottenWord extends SymbolonError {
  constructor(jobId: string, where: string) {
    super(
      "STATE_INVALID",
      `job ${jobId}: ${where} has a result of this operator that its journal does not know`,
      {
        hint: "is the data folder a restored copy, or does another node of this operator run?",
      },
    );
  }
}

const schema = `
  CREATE TABLE IF NOT EXISTS owner (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS words (
    job TEXT NOT NULL, kind TEXT NOT NULL, digest TEXT NOT NULL, post TEXT NOT NULL,
    delivered INTEGER NOT NULL DEFAULT 0, at_ms INTEGER NOT NULL, PRIMARY KEY (job, kind)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS attempts (
    job TEXT NOT NULL, attempt INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (job, attempt)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS results (job TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS ended (job TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS disowned (job TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS answers (
    challenge TEXT PRIMARY KEY, nonce INTEGER NOT NULL, max_fee_per_gas TEXT NOT NULL,
    max_priority_fee_per_gas TEXT NOT NULL, at_ms INTEGER NOT NULL
  ) STRICT;
`;

interface Row {
  job: string;
  kind: SignatureKind;
  digest: string;
  post: string;
  delivered: number;
}

export class Journal {
  readonly #database: DatabaseSync;

  /**
   * Opens or creates the journal in `folder`.
   * @throws CONFIG_INVALID when it belongs to another operator or market, or another node has it open
   */
  constructor(folder: string, deployment: Deployment, operator: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, "journal.sqlite");
    try {
      this.#database = new DatabaseSync(file);
      // A signature must be on the disk, not in a cache, before it leaves. The lock keeps a second node out.
      this.#database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = EXTRA; BEGIN EXCLUSIVE;");
      this.#database.exec(schema);
      this.#database.exec("COMMIT");
    } catch (cause) {
      throw new SymbolonError("CONFIG_INVALID", `the journal ${file} cannot be opened`, {
        hint: "is another node running with the same data folder?",
        cause,
      });
    }
    this.#claim(`${deployment.chainId}/${deployment.jobEscrow}/${operator}`.toLowerCase(), file);
  }

  #claim(owner: string, file: string): void {
    this.#database.prepare("INSERT OR IGNORE INTO owner VALUES ('market', ?)").run(owner);
    const { value } = this.#database.prepare("SELECT value FROM owner").get() as { value: string };
    if (value === owner) return;
    this.#database.close();
    throw new SymbolonError("CONFIG_INVALID", `the journal ${file} is of another operator or market`, {
      hint: "give each node its own data folder",
    });
  }

  /**
   * Takes down that this word is being given, before it is. The same word again changes nothing.
   * @throws STATE_INVALID when it contradicts an earlier one; then nothing may be signed or posted
   */
  record(jobId: string, word: SignedWord): void {
    const known = this.word(jobId, word.kind);
    if (known !== undefined) {
      if (known.digest === word.digest) return;
      throw new SymbolonError(
        "STATE_INVALID",
        `job ${jobId}: another ${word.kind} was signed before; a second one is refused`,
      );
    }
    if (this.disowned(jobId)) {
      throw new SymbolonError(
        "STATE_INVALID",
        `job ${jobId}: no ${word.kind} is signed, for this journal does not know all that was`,
      );
    }
    const opposite = { join: "failure", attestation: "failure", failure: "attestation" } as const;
    if (this.word(jobId, opposite[word.kind]) !== undefined) {
      throw new SymbolonError(
        "STATE_INVALID",
        `job ${jobId}: no ${word.kind} is signed after a signed ${opposite[word.kind]}`,
      );
    }
    this.#database
      .prepare("INSERT INTO words (job, kind, digest, post, at_ms) VALUES (?, ?, ?, ?, ?)")
      .run(jobId, word.kind, word.digest, JSON.stringify(word.post), Date.now());
  }

  /** Nothing more is signed for this job, ever: its words are not all here. */
  disown(jobId: string): void {
    this.#database.prepare("INSERT OR IGNORE INTO disowned VALUES (?, ?)").run(jobId, Date.now());
  }

  disowned(jobId: string): boolean {
    return this.#database.prepare("SELECT 1 FROM disowned WHERE job = ?").get(jobId) !== undefined;
  }

  word(jobId: string, kind: SignatureKind): JournalEntry | undefined {
    const row = this.#database.prepare("SELECT * FROM words WHERE job = ? AND kind = ?").get(jobId, kind) as
      | Row
      | undefined;
    return row && entryOf(row);
  }

  delivered(jobId: string, kind: SignatureKind): void {
    this.#database.prepare("UPDATE words SET delivered = 1 WHERE job = ? AND kind = ?").run(jobId, kind);
  }

  /** Words that were signed and that the bridge may not have. */
  undelivered(): JournalEntry[] {
    const rows = this.#database
      .prepare("SELECT * FROM words WHERE delivered = 0 AND job NOT IN (SELECT job FROM ended)")
      .all() as unknown as Row[];
    return rows.map(entryOf);
  }

  /**
   * Begins an attempt at computing a job.
   * @returns false when this attempt was begun before: whatever ended it, it is never begun twice
   */
  begin(jobId: string, attempt: number): boolean {
    const { changes } = this.#database
      .prepare("INSERT OR IGNORE INTO attempts VALUES (?, ?, ?)")
      .run(jobId, attempt, Date.now());
    return changes === 1;
  }

  /** This node's share of the job's result is at the bridge. */
  deliverResult(jobId: string): void {
    this.#database.prepare("INSERT OR IGNORE INTO results VALUES (?, ?)").run(jobId, Date.now());
  }

  /**
   * Ciphertext hashes of attested results that are not at the bridge yet. Whoever holds an attestation up for
   * long may still send it, so these are kept however old they are, those of refunded jobs among them.
   */
  undeliveredResults(): string[] {
    const rows = this.#database
      .prepare("SELECT * FROM words WHERE kind = 'attestation' AND job NOT IN (SELECT job FROM results)")
      .all() as unknown as Row[];
    return rows.map((row) => {
      const { parts, point } = entryOf(row).post as AttestationPost;
      return parts.ciphertextHashes[point - 1]!;
    });
  }

  resultDelivered(jobId: string): boolean {
    return this.#database.prepare("SELECT 1 FROM results WHERE job = ?").get(jobId) !== undefined;
  }

  /** Takes down that an answer is being sent, so that a restarted node sends it in the same place, not twice. */
  answer(challenge: string, { nonce, maxFeePerGas, maxPriorityFeePerGas }: Place): void {
    this.#database
      .prepare("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)")
      .run(challenge, nonce, `${maxFeePerGas}`, `${maxPriorityFeePerGas}`, Date.now());
  }

  /** Whether an answer was sent at some time; it need not have been mined. */
  answered(challenge: string): boolean {
    return this.#database.prepare("SELECT 1 FROM answers WHERE challenge = ?").get(challenge) !== undefined;
  }

  /** Where the last answer stands. They are sent one after the other, so no other one has to be waited for. */
  lastPlace(): Place | undefined {
    const row = this.#database.prepare("SELECT * FROM answers ORDER BY rowid DESC LIMIT 1").get() as
      | { nonce: number; max_fee_per_gas: string; max_priority_fee_per_gas: string }
      | undefined;
    return (
      row && {
        nonce: row.nonce,
        maxFeePerGas: BigInt(row.max_fee_per_gas),
        maxPriorityFeePerGas: BigInt(row.max_priority_fee_per_gas),
      }
    );
  }

  /** The job is over for this node: nothing of it is posted any more. Its words stay for ever. */
  end(jobId: string): void {
    // Asked first, since each write waits for the disk and a restarted node ends all old jobs again.
    const known = this.#database.prepare("SELECT 1 FROM ended WHERE job = ?").get(jobId);
    if (known !== undefined) return;
    this.#database.prepare("INSERT OR IGNORE INTO ended VALUES (?, ?)").run(jobId, Date.now());
  }

  close(): void {
    this.#database.close();
  }
}

function entryOf(row: Row): JournalEntry {
  return {
    jobId: row.job,
    kind: row.kind,
    digest: row.digest,
    post: JSON.parse(row.post) as object,
    delivered: row.delivered === 1,
  };
}
