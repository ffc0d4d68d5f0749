/** One command at a time in the folder of one side: two at once would each go by a journal that the other changes. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SymbolonError } from "../../mpc/errors.ts";

/** A connection that nothing holds on to may be closed at any time, and its lock with it. */
const held = new Set<DatabaseSync>();

/** SQLITE_BUSY: another connection holds the lock. */
const busy = 5;

/**
 * Runs `body` while no other process, and no other call of this one, does so with the same folder. The lock is SQLite's, of
 * the operating system: it ends with the process, however that ends. A folder that is not there yet is nobody's.
 * @throws USAGE when it is taken, or cannot be written
 */
export async function aloneIn<T>(folder: string, body: () => Promise<T>): Promise<T> {
  const there = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!there) return await body();
  const lock = take(folder);
  try {
    return await body();
  } finally {
    held.delete(lock);
    lock.close();
  }
}

function take(folder: string): DatabaseSync {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(join(folder, "lock.sqlite"), { timeout: 0 });
    lock.exec("BEGIN EXCLUSIVE");
    held.add(lock);
    return lock;
  } catch (cause) {
    lock?.close();
    if ((cause as { errcode?: number }).errcode === busy) {
      throw new SymbolonError("USAGE", `another command is at work in ${folder}`, {
        hint: "wait until it has ended, or end it: `follow` runs as long as the session",
      });
    }
    throw new SymbolonError("USAGE", `the folder ${folder} cannot be written`, { cause });
  }
}
