/** An offer as it is shown: for sale, withdrawn, or ended in favour of another of the same data. */
import type { Offer, Replacement } from "../../contracts/market-views.ts";
import { shortId } from "../../contracts/use-terms.ts";

export interface OfferLinks {
  /** The offer in whose place it stands. */
  replaces: string | null;
  /** Those in its place: the first took the budget, further ones what jobs gave back later. */
  replacedBy: string[];
}

export function linksOf(offer: string, replacements: readonly Replacement[]): OfferLinks {
  return {
    replaces: replacements.find(({ replacement }) => replacement === offer)?.offer ?? null,
    replacedBy: replacements.filter((each) => each.offer === offer).map(({ replacement }) => replacement),
  };
}

/** An offer in JSON, with its links. */
export function offerDocument(o: Offer, replacements: readonly Replacement[]) {
  const { offer, active, replaced, rows, columns, terms, operatorSet, schemaHash } = o;
  const { budgetMicroRho, budgetLeftMicroRho } = o;
  return {
    ...{ offer, active, replaced, ...linksOf(offer, replacements), rows, columns, terms },
    ...{ budgetMicroRho, budgetLeftMicroRho, operatorSet, schemaHash },
  };
}

export function stateWords({
  active,
  replaced,
  replaces,
  replacedBy,
}: Pick<Offer, "active" | "replaced"> & OfferLinks): string {
  const state = active
    ? "active"
    : replaced
      ? `replaced by ${replacedBy.map(shortId).join(" and ")}`
      : "withdrawn";
  return replaces === null ? state : `${state}, in the place of ${shortId(replaces)}`;
}
