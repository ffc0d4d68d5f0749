/** An offer as it is shown: for sale, withdrawn, or ended in favour of another of the same data. */
import type { IdleMember, Offer, Replacement } from "../../contracts/market-views.ts";
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

/** An offer in JSON, with its links, and why its set takes no jobs now. */
export function offerDocument(
  o: Offer,
  replacements: readonly Replacement[],
  idleSets: ReadonlyMap<string, readonly IdleMember[]>,
) {
  const { offer, active, replaced, rows, columns, terms, operatorSet, schemaHash } = o;
  const { budgetMicroRho, budgetLeftMicroRho } = o;
  return {
    ...{ offer, active, replaced, ...linksOf(offer, replacements), rows, columns, terms },
    ...{ budgetMicroRho, budgetLeftMicroRho, operatorSet, schemaHash },
    idleMembers: idleSets.get(operatorSet) ?? [],
  };
}

export function stateWords({
  active,
  replaced,
  replaces,
  replacedBy,
  idleMembers = [],
}: Pick<Offer, "active" | "replaced"> & OfferLinks & { idleMembers?: readonly IdleMember[] }): string {
  const state = active
    ? "active"
    : replaced
      ? `replaced by ${replacedBy.map(shortId).join(" and ")}`
      : "withdrawn";
  const linked = replaces === null ? state : `${state}, in the place of ${shortId(replaces)}`;
  if (!active || idleMembers.length === 0) return linked;
  return `${linked}, but its set takes no jobs now: ${idleWords(idleMembers)}`;
}

/** Why a set takes no jobs, on one line of a table. */
export function idleWords(members: readonly IdleMember[]): string {
  const words = {
    None: "not registered",
    Active: "active",
    Paused: "paused",
    Leaving: "leaving",
    Slashed: "slashed",
  };
  return members
    .map(({ operator, status }) => `operator ${shortId(operator)} is ${words[status]}`)
    .join(", ");
}
