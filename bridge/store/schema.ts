/**
 * The tables of the bridge's database, and which files a bridge may open: those of its own market and of this
 * version. An older one is refused, not converted: what it knew of the chain is there to be read again.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SymbolonError } from "../../mpc/errors.ts";

/** What the log belongs to; a database of another market is refused. */
export interface MarketIdentity {
  chainId: number;
  jobEscrow: string;
}

/** 5: an attestation names all parts of the result. */
export const schemaVersion = 5;

/** `position` of a job or an offer is the number of the fact that it began with. */
const schema = `
  CREATE TABLE identity (chain_id INTEGER NOT NULL, job_escrow TEXT NOT NULL);
  CREATE TABLE facts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    epoch INTEGER NOT NULL, key TEXT NOT NULL, job TEXT, type TEXT NOT NULL,
    block INTEGER, at_ms INTEGER NOT NULL, data TEXT NOT NULL,
    UNIQUE (epoch, key)
  );
  CREATE INDEX facts_of_job ON facts (job, sequence) WHERE job IS NOT NULL;
  CREATE TABLE rewinds (epoch INTEGER PRIMARY KEY, to_block INTEGER NOT NULL, last_sequence INTEGER NOT NULL, at_ms INTEGER NOT NULL);
  CREATE TRIGGER facts_stay BEFORE UPDATE ON facts BEGIN SELECT RAISE(ABORT, 'facts are never changed'); END;
  CREATE TRIGGER facts_remain BEFORE DELETE ON facts BEGIN SELECT RAISE(ABORT, 'facts are never deleted'); END;
  CREATE TABLE blocks (number INTEGER PRIMARY KEY, hash TEXT NOT NULL);
  CREATE TABLE jobs (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL UNIQUE, state TEXT NOT NULL, operator_set TEXT NOT NULL,
    buyer TEXT NOT NULL, waits_until_sec INTEGER, waits_plus TEXT, version INTEGER NOT NULL, view TEXT NOT NULL
  );
  CREATE INDEX jobs_by_state ON jobs (state, position);
  CREATE INDEX jobs_waiting ON jobs (waits_until_sec) WHERE waits_until_sec IS NOT NULL;
  CREATE TABLE offers (
    id TEXT PRIMARY KEY, position INTEGER NOT NULL UNIQUE, operator_set TEXT NOT NULL, active INTEGER NOT NULL,
    view TEXT NOT NULL
  );
  CREATE TABLE operators (address TEXT PRIMARY KEY, view TEXT NOT NULL);
  CREATE TABLE sets (id TEXT PRIMARY KEY, view TEXT NOT NULL);
  CREATE TABLE blob_names (hash TEXT PRIMARY KEY) WITHOUT ROWID;
`;

/**
 * Opens the database, or creates it. `:memory:` keeps nothing.
 * @throws CONFIG_INVALID when the file is of another version or belongs to another market
 */
export function openDatabase(path: string, identity: MarketIdentity): DatabaseSync {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path, { timeout: 5000 });
  try {
    const version = Number(db.prepare("PRAGMA user_version").get()?.user_version);
    // Before anything is written: a refused file stays as it is.
    if (version !== 0) requireOwn(db, path, identity, version);
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
    if (version === 0) create(db, identity);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function create(db: DatabaseSync, identity: MarketIdentity): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec(schema);
    const insert = db.prepare("INSERT INTO identity VALUES (?, ?)");
    insert.run(identity.chainId, identity.jobEscrow.toLowerCase());
    db.exec(`PRAGMA user_version = ${schemaVersion}`);
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function requireOwn(db: DatabaseSync, path: string, identity: MarketIdentity, version: number): void {
  if (version > schemaVersion) {
    throw new SymbolonError("CONFIG_INVALID", `the database ${path} is of a newer version of the bridge`, {
      hint: "update the bridge, or give it another dataDir",
    });
  }
  if (version < schemaVersion) {
    throw new SymbolonError("CONFIG_INVALID", `the database ${path} is of an older version of the bridge`, {
      hint: "move bridge.sqlite out of dataDir: a new one is filled from the chain, and the blobs can stay",
    });
  }
  const known = db.prepare("SELECT chain_id, job_escrow FROM identity").get();
  if (known?.chain_id !== identity.chainId || known.job_escrow !== identity.jobEscrow.toLowerCase()) {
    throw new SymbolonError("CONFIG_INVALID", `the database ${path} belongs to another market`, {
      hint: "give each market its own dataDir",
    });
  }
}
