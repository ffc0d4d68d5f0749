/** A store by what a person writes for it. */
import { SymbolonError } from "../../mpc/errors.ts";
import type { BlobStore } from "./blob-store.ts";
import { FolderStore } from "./folder-store.ts";
import { IpfsStore } from "./ipfs-store.ts";

/** @param location a folder, or the address of an IPFS node's RPC interface @throws USAGE */
export function openStore(location: string): BlobStore {
  if (location === "") throw new SymbolonError("USAGE", "the store has no name");
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(location) ? new IpfsStore(location) : new FolderStore(location);
}
