import { SymbolonError } from "./errors.ts";

/** What a full disk says, as STORAGE_FULL; any other error as it is. */
export function asStorageError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== "ENOSPC" && code !== "EDQUOT" && code !== "EFBIG") return error;
  return new SymbolonError("STORAGE_FULL", "the disk is full", {
    hint: "free some space, or put the folder on another disk",
    cause: error,
  });
}
