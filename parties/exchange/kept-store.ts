/** A store whose blobs are kept at home too: what was fetched or made once is there when the store is not. */
import type { SymbolonError } from "../../mpc/errors.ts";
import type { BlobStore } from "./blob-store.ts";

export class KeptStore implements BlobStore {
  readonly place: string;
  readonly #home: BlobStore;
  readonly #store: BlobStore;

  constructor(home: BlobStore, store: BlobStore) {
    this.#home = home;
    this.#store = store;
    this.place = store.place;
  }

  async put(bytes: Uint8Array): Promise<string> {
    await this.#home.put(bytes);
    return await this.#store.put(bytes);
  }

  async get(address: string, maxBytes?: number): Promise<Uint8Array> {
    try {
      return await this.#home.get(address, maxBytes);
    } catch (error) {
      // A copy that was damaged is as good as none.
      if (!["NOT_FOUND", "COMMITMENT_MISMATCH"].includes((error as SymbolonError).code)) throw error;
    }
    const bytes = await this.#store.get(address, maxBytes);
    await this.#home.put(bytes);
    return bytes;
  }
}
