/** Lists page by page, in the order of the chain: what is asked for, and the SQL that answers. */
import type { SQLInputValue } from "node:sqlite";

/** Entries in their order; `next` is where the page after them begins, null at the end. */
export interface Page<Entry> {
  entries: Entry[];
  next: number | null;
}

interface PageFilter {
  operatorSet?: string | undefined;
  /** Only ids that begin with it. */
  prefix?: string | undefined;
  /** `next` of the page before. */
  after?: number | undefined;
  limit: number;
}

export interface JobFilter extends PageFilter {
  state?: string | undefined;
  buyer?: string | undefined;
}

export interface OfferFilter extends PageFilter {
  active?: boolean | undefined;
}

export type Row = Record<string, SQLInputValue>;

/** The query for a page and one row more, which tells whether there is a page after it. */
export function pageQuery(
  table: "jobs" | "offers",
  filter: JobFilter & OfferFilter,
): { sql: string; values: SQLInputValue[] } {
  const { state, buyer, active, operatorSet, prefix, after, limit } = filter;
  const conditions: [condition: string, value: SQLInputValue | undefined][] = [
    ["state = ?", state],
    ["buyer = ?", buyer?.toLowerCase()],
    ["active = ?", active === undefined ? undefined : Number(active)],
    ["operator_set = ?", operatorSet],
    ["position > ?", after],
    ["id >= ?", prefix],
    // What begins with the prefix is less than the prefix with a letter behind the last digit.
    ["id < ?", prefix === undefined ? undefined : `${prefix}g`],
  ];
  const asked = conditions.filter(([, value]) => value !== undefined);
  const where = ["TRUE", ...asked.map(([condition]) => condition)].join(" AND ");
  return {
    sql: `SELECT * FROM ${table} WHERE ${where} ORDER BY position LIMIT ?`,
    values: [...asked.map(([, value]) => value as SQLInputValue), limit + 1],
  };
}

/** The page that the rows of a {@link pageQuery} make. */
export function pageOf<Entry>(rows: Row[], limit: number, read: (row: Row) => Entry): Page<Entry> {
  const shown = rows.slice(0, limit);
  return {
    entries: shown.map(read),
    next: rows.length > limit ? Number(shown.at(-1)!.position) : null,
  };
}
