/**
 * What this node must be able to show about a result that it attested: its share, its salt, until no reorganisation can bring the job back from its end. A buyer may ask for a chunk on chain in that
 * time, and an operator that cannot post it loses its bond. Kept encrypted (AES-256-GCM) with the operator's key for
 * shares at rest; the name of the job is authenticated with it.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { access, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";
import { randomBytes } from "../../mpc/random.ts";
import { asStorageError } from "../../mpc/storage-error.ts";
import { makeFolder, syncFolder } from "../durable-folder.ts";
import type { ResultOrigin } from "../result.ts";
import type { Secret } from "../secret.ts";
import { ForgottenWord } from "./journal.ts";

export interface ResultEvidence {
  origin: ResultOrigin;
  /** 32 bytes. */
  salt: Uint8Array;
  /** Bytes of this party's share, see `data-set.ts`. */
  share: Uint8Array;
}

const jobPattern = /^0x[0-9a-f]{64}$/;
const nonceBytes = 12;
const tagBytes = 16;
const lengthBytes = 4;
const factsSchema = z.object({
  origin: z.strictObject({
    jobId: z.string(),
    attempt: z.number(),
    operator: z.string(),
    point: z.union([z.literal(1), z.literal(2), z.literal(3)]),
  }),
  salt: z.string(),
});

export class EvidenceStore {
  readonly #folder: string;
  readonly #key: Secret;

  private constructor(folder: string, key: Secret) {
    this.#folder = folder;
    this.#key = key;
  }

  /** @param key 32 bytes */
  static async open(folder: string, key: Secret): Promise<EvidenceStore> {
    await makeFolder(folder);
    for (const name of await readdir(folder)) {
      // What an interrupted write left.
      if (!jobPattern.test(name)) await rm(join(folder, name), { force: true });
    }
    return new EvidenceStore(folder, key);
  }

  /**
   * On the disk, whatever happens, when it resolves.
   * @throws STORAGE_FULL; ForgottenWord for a second result of a job: the first one may be attested, and must be answered for
   */
  async keep({ origin, salt, share }: ResultEvidence): Promise<void> {
    const file = this.#path(origin.jobId);
    if (await exists(file)) throw new ForgottenWord(origin.jobId, "its folder of evidence");
    const text = JSON.stringify({ origin, salt: Buffer.from(salt).toString("hex") });
    const facts = new TextEncoder().encode(text);
    const head = Buffer.alloc(lengthBytes);
    head.writeUInt32BE(facts.length);
    // Each file has a nonce of its own, and a job has one file.
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv("aes-256-gcm", this.#key.reveal(), nonce);
    cipher.setAAD(additional(origin.jobId));
    const sealed = [nonce, cipher.update(head), cipher.update(facts), cipher.update(share), cipher.final()];
    const temporary = `${file}.incoming`;
    try {
      const handle = await open(temporary, "w", 0o600);
      try {
        for (const part of [...sealed, cipher.getAuthTag()]) await handle.writeFile(part);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
      await syncFolder(this.#folder);
    } catch (error) {
      await rm(temporary, { force: true });
      throw asStorageError(error);
    }
  }

  /** Undefined where there is none. @throws SEAL_INVALID when the file was altered or is of another key */
  async read(jobId: string): Promise<ResultEvidence | undefined> {
    const path = this.#path(jobId);
    if (!(await exists(path))) return undefined;
    const bytes = await readFile(path);
    let plain: Buffer;
    try {
      const decipher = createDecipheriv("aes-256-gcm", this.#key.reveal(), bytes.subarray(0, nonceBytes));
      decipher.setAAD(additional(jobId));
      decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
      const sealed = bytes.subarray(nonceBytes, bytes.length - tagBytes);
      plain = Buffer.concat([decipher.update(sealed), decipher.final()]);
    } catch (cause) {
      throw new SymbolonError("SEAL_INVALID", "the kept result share cannot be opened", { cause });
    }
    const end = lengthBytes + plain.readUInt32BE(0);
    const facts = factsSchema.parse(JSON.parse(plain.toString("utf8", lengthBytes, end)));
    return {
      origin: facts.origin,
      salt: Uint8Array.from(Buffer.from(facts.salt, "hex")),
      share: Uint8Array.from(plain.subarray(end)),
    };
  }

  async jobs(): Promise<string[]> {
    return (await readdir(this.#folder)).filter((name) => jobPattern.test(name));
  }

  /** Nobody can ask for it any more. */
  async drop(jobId: string): Promise<void> {
    await rm(this.#path(jobId), { force: true });
  }

  #path(jobId: string): string {
    if (!jobPattern.test(jobId)) throw new SymbolonError("USAGE", "a job's name has 32 bytes");
    return join(this.#folder, jobId);
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    // Whatever else is wrong with the disk does not say that nothing is there.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function additional(jobId: string): Uint8Array {
  return new TextEncoder().encode(`symbolon/v1/result-evidence ${jobId}`);
}
