/**
 * What one side of a session must not forget, in `journal.json` of a folder of its own: keys and secrets before they are
 * committed to, and what was found out. Readable by its owner alone; replaced as a whole, so that it is never half
 * written. One command at a time may use a folder.
 */
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomId } from "../../mpc/random.ts";
import { syncFolder } from "../durable-folder.ts";
import { unreadable } from "../unreadable.ts";
import { FolderStore } from "./folder-store.ts";

export class Journal<T extends object> {
  readonly folder: string;
  readonly #schema: z.ZodType<T>;
  #content: T;

  private constructor(folder: string, schema: z.ZodType<T>, content: T) {
    this.folder = folder;
    this.#schema = schema;
    this.#content = content;
  }

  /** Begins a journal. @throws USAGE when the folder has one, or cannot be written */
  static async create<T extends object>(
    folder: string,
    schema: z.ZodType<T>,
    content: T,
  ): Promise<Journal<T>> {
    if (await Journal.exists(folder)) {
      throw new SymbolonError("USAGE", `${folder} holds the journal of a session already`, {
        hint: "give each session and each seller a folder of its own",
      });
    }
    const journal = new Journal(folder, schema, content);
    await journal.#save();
    return journal;
  }

  /**
   * Reads a journal. @throws USAGE when there is none; CONFIG_INVALID when it is malformed, of the other side, or others
   * can read it
   */
  static async load<T extends object>(folder: string, schema: z.ZodType<T>): Promise<Journal<T>> {
    const file = fileOf(folder);
    let value: unknown;
    try {
      const { mode } = await stat(file);
      if (process.platform !== "win32" && (mode & 0o077) !== 0) {
        throw new SymbolonError("CONFIG_INVALID", `${file} can be read by other users of this machine`, {
          hint: `run chmod 600 ${file}, and consider the secrets in it known to them`,
        });
      }
      value = JSON.parse(await readFile(file, "utf8"));
    } catch (error) {
      if (error instanceof SymbolonError) throw error;
      // No cause: a parser's message quotes the text around the error, which may be a key.
      if (error instanceof SyntaxError) throw malformed(file);
      throw new SymbolonError("USAGE", `${file} ${unreadable(error)}`, {
        hint: "--folder names where the session was begun: by buyer exchange open or seller exchange register",
        cause: error,
      });
    }
    const parsed = schema.safeParse(value);
    if (!parsed.success) throw malformed(file, value);
    return new Journal(folder, schema, parsed.data);
  }

  static async exists(folder: string): Promise<boolean> {
    return await stat(fileOf(folder)).then(
      () => true,
      () => false,
    );
  }

  get content(): Readonly<T> {
    return this.#content;
  }

  /** Blobs that belong to the journal. */
  get blobs(): FolderStore {
    return journalBlobs(this.folder);
  }

  /** Changes some entries; on disk when this resolves. */
  async update(changes: Partial<T>): Promise<void> {
    this.#content = this.#schema.parse({ ...this.#content, ...changes });
    await this.#save();
  }

  async #save(): Promise<void> {
    const temporary = join(this.folder, `.${randomId()}.part`);
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      const handle = await open(temporary, "wx", 0o600);
      try {
        await handle.chmod(0o600);
        await handle.writeFile(`${JSON.stringify(this.#content, null, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, fileOf(this.folder));
      // The name too must be on the disk before what it stands for is committed to.
      await syncFolder(this.folder);
    } catch (cause) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw new SymbolonError("USAGE", `the journal in ${this.folder} cannot be written`, { cause });
    }
  }
}

/** The blobs of the journal that is, or will be, in `folder`; for its owner alone. */
export function journalBlobs(folder: string): FolderStore {
  return new FolderStore(join(folder, "blobs"), 0o600);
}

const fileOf = (folder: string): string => join(folder, "journal.json");

/** @param value of which no more than its side is told: there are keys in it */
function malformed(file: string, value?: unknown): SymbolonError {
  const side = (value as { side?: unknown } | null | undefined)?.side;
  const role = side === "collector" ? "buyer" : side === "provider" ? "seller" : undefined;
  return new SymbolonError("CONFIG_INVALID", `${file} is not a journal of this side of an exchange`, {
    hint: `${role === undefined ? "" : `it is a ${role}'s; `}--folder names where this side of the session was begun: by buyer exchange open or seller exchange register`,
  });
}
