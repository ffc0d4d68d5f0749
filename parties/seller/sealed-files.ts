/** Sealed shares in files between their making and their upload: together they may be larger than the memory. */
import { openAsBlob } from "node:fs";
import { type FileHandle, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asStorageError } from "../../mpc/storage-error.ts";
import { partyIndices } from "../../mpc/transport/transport.ts";
import { type PrepareOptions, type SharedDataSet, shareDataSet } from "./prepare.ts";

/** A sealed share as `BridgeClient.uploadBlob` takes it. */
export interface SealedFile {
  blob: Blob;
  /** 0x and the sha256 of its bytes. */
  hash: string;
}

/**
 * Shares a data set into three files of a new folder in `scratch` and hands them to `use`, in the order of the
 * points; afterwards they are deleted. They hold ciphertext only.
 * @throws the codes of `shareDataSet`; STORAGE_FULL
 */
export async function withSealedFiles<T>(
  options: PrepareOptions,
  scratch: string | undefined,
  use: (shared: SharedDataSet, sealed: readonly SealedFile[]) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(scratch ?? tmpdir(), "symbolon-sharing-"));
  const paths = partyIndices.map((point) => join(folder, `share-${point}.sealed`));
  try {
    const shared = await writeFiles(options, paths);
    const sealed = await Promise.all(
      paths.map(async (path, i) => ({ blob: await openAsBlob(path), hash: shared.ciphertextHashes[i]! })),
    );
    return await use(shared, sealed);
  } catch (error) {
    throw asStorageError(error);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeFiles(options: PrepareOptions, paths: readonly string[]): Promise<SharedDataSet> {
  const files: FileHandle[] = [];
  try {
    for (const path of paths) files.push(await open(path, "wx", 0o600));
    return await shareDataSet(options, (point, bytes) => files[point - 1]!.writeFile(bytes));
  } finally {
    for (const file of files) await file.close();
  }
}
