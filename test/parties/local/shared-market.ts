/** One local market for a file of tests: real chain, real processes. */
import { open } from "node:fs/promises";
import { join } from "node:path";
import { listAlgorithms } from "../../../algorithms/catalog.ts";
import { type LocalMarket, withMarket } from "../../../parties/local/market.ts";

export interface SharedMarket {
  market: LocalMarket;
  stop(): Promise<void>;
}

export async function sharedMarket(): Promise<SharedMarket> {
  const started = Promise.withResolvers<LocalMarket>();
  const finished = Promise.withResolvers<void>();
  const running = withMarket({ algorithms: listAlgorithms().map(({ manifest }) => manifest) }, (market) => {
    started.resolve(market);
    return finished.promise;
  });
  running.catch(started.reject);
  const market = await started.promise;
  return {
    market,
    stop: () => {
      finished.resolve();
      return running;
    },
  };
}

/** Flips a bit of a blob in the bridge's store, as whoever controls its disk could. */
export async function alterBlob(market: LocalMarket, hash: string): Promise<void> {
  const path = join(market.folder, "bridge", "blobs", hash.slice(2, 4), hash.slice(4));
  const file = await open(path, "r+");
  try {
    const at = 50;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, at);
    await file.write(Buffer.of(buffer[0]! ^ 1), 0, 1, at);
  } finally {
    await file.close();
  }
}
