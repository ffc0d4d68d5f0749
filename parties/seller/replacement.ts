/**
 * What an offer in the place of another may be: the same data, shared anew, with what is left of the budget. The
 * contract sees neither the data nor why they are shared again; what makes no sense is refused here, before an upload.
 */
import type { BridgeClient } from "../../bridge/client.ts";
import type { Market } from "../../contracts/market.ts";
import type { MarketReader } from "../../contracts/market-reader.ts";
import type { Offer } from "../../contracts/market-views.ts";
import { shortId } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";
import { type DataSetSchema, schemaHash } from "../data/schema.ts";
import { isHeld } from "../held-blob.ts";

export interface ReplacementRequest {
  /** The old offer. */
  replaces: string;
  table: { rows: number };
  schema: DataSetSchema;
  operatorSet: string;
  budgetMicroRho?: bigint;
  /** The new terms as options of `symbolon seller relist`, for the hint that names it. */
  termsOptions?: string;
  onDoubt?: (words: string) => void;
}

/**
 * @returns the budget of the new offer: what was asked for, or all that is left
 * @throws NOT_FOUND; NOT_AUTHORISED; TERMS_REFUSED when there is nothing to pass on or to gain; SHAPE_MISMATCH for
 * other data
 */
export async function checkReplacement(
  { bridge, market }: { bridge: BridgeClient; market: Market },
  request: ReplacementRequest,
): Promise<bigint> {
  const old = await market.ownOffer(request.replaces);
  const budget = await budgetOf(market, old, request.budgetMicroRho);
  requireSameRows(old, request);
  const gain = await gainOf({ bridge, market }, old, request.operatorSet, budget);
  if (gain === "none") {
    throw new SymbolonError(
      "TERMS_REFUSED",
      `the operators of this set hold the data of offer ${old.offer} already: shared to them again, nothing would change but its name`,
      {
        hint: `name another operator set with --set; to change its terms: ${["symbolon seller relist", shortId(old.offer), request.termsOptions].filter(Boolean).join(" ")}`,
      },
    );
  }
  if (schemaHash(request.schema) !== old.schemaHash) {
    request.onDoubt?.(
      `the schema is not that of offer ${shortId(old.offer)}: jobs take data sets of one schema only, so this one leaves those that it was used with`,
    );
  }
  return budget;
}

async function budgetOf(market: Market, old: Offer, asked: bigint | undefined): Promise<bigint> {
  const { offer, budgetLeftMicroRho: left } = old;
  if (old.replaced && left === 0n) {
    throw await endedError(
      market,
      offer,
      (successor) => `replace the offer in its place: --replaces ${successor}`,
    );
  }
  if (asked === undefined || asked <= left) return asked ?? left;
  throw new SymbolonError("TERMS_REFUSED", `offer ${offer} has less left of its privacy budget than that`, {
    hint: "leave --budget-rho out: what is left goes along",
  });
}

/** That an offer was replaced; `hint` says what to do with the one in its place. */
export async function endedError(
  market: MarketReader,
  offer: string,
  hint: (successor: string) => string,
): Promise<SymbolonError> {
  const replacements = (await market.replacements()).filter((each) => each.offer === offer);
  const names = replacements.map(({ replacement }) => replacement);
  return new SymbolonError(
    "TERMS_REFUSED",
    `offer ${offer} was replaced by ${names.join(" and ")} before, and ended for good`,
    { hint: hint(shortId(names[0] ?? offer)) },
  );
}

/** Equal numbers of rows prove nothing, but different ones do: the budget is that of the old rows. */
function requireSameRows({ offer, rows }: Offer, { table }: ReplacementRequest): void {
  if (table.rows === rows) return;
  throw new SymbolonError(
    "SHAPE_MISMATCH",
    `the data have ${table.rows} rows, those of offer ${offer} have ${rows}: a replacement shares the same data`,
    { hint: "offer other data by themselves, without --replaces; --budget-rho limits what they may cost" },
  );
}

/** What the new offer has that the old one does not. */
async function gainOf(
  { bridge, market }: { bridge: BridgeClient; market: Market },
  old: Offer,
  operatorSet: string,
  budget: bigint,
): Promise<"operators" | "budget" | "keys" | "shares" | "none"> {
  if (operatorSet !== old.operatorSet) return "operators";
  // A budget can only be lowered, and only so.
  if (budget < old.budgetLeftMicroRho) return "budget";
  const { members } = await market.set(operatorSet);
  // An operator with new keys cannot open the old shares.
  if (await market.changedSince(members, old.published.blockNumber)) return "keys";
  const held = await Promise.all(old.ciphertextHashes.map((hash) => isHeld(bridge, hash)));
  return held.every(Boolean) ? "none" : "shares";
}
