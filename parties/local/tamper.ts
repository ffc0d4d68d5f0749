/** Shows on copies that a result which was tampered with does not pass the buyer's checks. */
import { SymbolonError } from "../../mpc/errors.ts";
import { fetchFinishedJob } from "../buyer/finished-job.ts";
import { fetchCiphertexts, openPayloads, reconstructParts, type Three } from "../buyer/result-shares.ts";
import type { DiffieHellmanKey } from "../keys.ts";
import type { LocalMarket } from "./market.ts";

export interface TamperCheck {
  what: string;
  /** The error that the buyer gets; null if the copy passed, which must not be. */
  caught: { code: string; message: string } | null;
}

/** Bytes before the first element of a share. */
const shareHeaderBytes = 16;

/**
 * Three attacks on copies of a finished job's result: a byte flipped in the bridge's store, a sealed share that
 * was exchanged for another party's, and a wrong share from a party that attested to it.
 */
export async function tamperChecks(
  market: LocalMarket,
  job: string,
  resultKey: DiffieHellmanKey,
): Promise<TamperCheck[]> {
  const { bridge, deployment, reader } = market;
  const finished = await fetchFinishedJob({ bridge, market: reader }, job);
  const ciphertexts = await fetchCiphertexts({ bridge }, finished);
  const flipped = ciphertexts.map((bytes) => Uint8Array.from(bytes)) as Three<Uint8Array>;
  flipped[1][flipped[1].length >> 1]! ^= 1;
  const exchanged: Three<Uint8Array> = [ciphertexts[1], ciphertexts[0], ciphertexts[2]];
  const payloads = await openPayloads(finished, ciphertexts, resultKey, deployment);
  const shares = payloads.map(({ share }) => ({ share: Uint8Array.from(share) })) as Three<{
    share: Uint8Array;
  }>;
  shares[2].share[shareHeaderBytes]! ^= 1;
  return [
    await attempt("one bit of party 2's sealed share flipped in the bridge's store", () =>
      openPayloads(finished, flipped, resultKey, deployment),
    ),
    await attempt("the sealed shares of parties 1 and 2 exchanged", () =>
      openPayloads(finished, exchanged, resultKey, deployment),
    ),
    await attempt("party 3 sends, seals and signs a share that is off by one bit", () =>
      reconstructParts(finished, shares),
    ),
  ];
}

async function attempt(what: string, action: () => Promise<unknown>): Promise<TamperCheck> {
  try {
    await action();
    return { what, caught: null };
  } catch (error) {
    if (!(error instanceof SymbolonError)) throw error;
    return { what, caught: { code: error.code, message: error.message } };
  }
}
