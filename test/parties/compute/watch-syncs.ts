import { type FileHandle, open, readdir } from "node:fs/promises";
import { vi } from "vitest";

/** Each flush to the disk from now on: of a folder or of a file, and the names that `folder` held then. */
export async function watchSyncs(folder: string): Promise<{ ofFolder: boolean; names: string[] }[]> {
  const handle = await open(folder, "r");
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { sync } = prototype;
  const syncs: { ofFolder: boolean; names: string[] }[] = [];
  vi.spyOn(prototype, "sync").mockImplementation(async function (this: FileHandle) {
    syncs.push({ ofFolder: (await this.stat()).isDirectory(), names: await readdir(folder) });
    await sync.call(this);
  });
  return syncs;
}
