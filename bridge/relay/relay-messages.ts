/**
 * The messages that the relay accepts, checked field by field and rebuilt from what was checked. Shares and
 * custom messages must have the form of ciphertext (`sb1.` and base64url, as the parties' sealing makes it):
 * whether it is one only the receiver can tell, but nothing in clear slips through by mistake.
 */
import { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";

export type RelayLabel = "share" | "open" | "custom";

const party = z.union([z.literal(1), z.literal(2), z.literal(3)]);
const sealed = z.string().regex(/^sb1\.[A-Za-z0-9_-]{22,}$/);
const operation = z.string().min(1).max(1024);

const initialization = z.object({
  computation_id: z
    .string()
    .regex(/^[A-Za-z0-9:_.-]{1,160}$/)
    // JIFFServer keeps its tables in plain objects: "constructor" must not find anything there.
    .refine((id) => !(id in {})),
  party_id: party,
  party_count: z.literal(3),
  public_key: z.string().regex(/^[0-9a-f]{64}$/),
  proof: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});

const relayed = {
  share: z.object({ party_id: party, op_id: operation, share: sealed }),
  open: z.object({
    party_id: party,
    op_id: operation,
    share: sealed,
    Zp: z.string().regex(/^[0-9]{1,80}$/),
  }),
  custom: z.object({ party_id: party, tag: operation, message: sealed, encrypted: z.literal(true) }),
} as const satisfies Record<RelayLabel, z.ZodType>;

export interface Initialization {
  computationId: string;
  partyIndex: 1 | 2 | 3;
  /** The session key, in hexadecimal, that the other parties get. */
  sessionKey: string;
  /** Answer to the relay's challenge. */
  proof: string | undefined;
  /** What JIFFServer gets. */
  message: Record<string, unknown>;
}

/** @throws USAGE */
export function parseInitialization(raw: unknown, maxBytes: number): Initialization {
  const { data } = initialization.safeParse(parseJson(raw, maxBytes));
  if (data === undefined) throw new SymbolonError("USAGE", "malformed initialization");
  const { proof, ...message } = data;
  const { computation_id: computationId, party_id: partyIndex, public_key: sessionKey } = data;
  return { computationId, partyIndex, sessionKey, proof, message };
}

/** @throws USAGE */
export function parseRelayed(
  label: RelayLabel,
  raw: unknown,
  from: 1 | 2 | 3,
  maxBytes: number,
): Record<string, unknown> & { party_id: 1 | 2 | 3 } {
  const { data } = relayed[label].safeParse(parseJson(raw, maxBytes));
  if (data === undefined) throw new SymbolonError("USAGE", `malformed or unencrypted ${label}`);
  if (data.party_id === from) throw new SymbolonError("USAGE", `${label} to its own sender`);
  return { ...data };
}

function parseJson(raw: unknown, maxBytes: number): unknown {
  if (typeof raw !== "string") throw new SymbolonError("USAGE", "a message that is not text");
  if (raw.length > maxBytes) throw new SymbolonError("LIMIT_EXCEEDED", "a message that is too long");
  try {
    return JSON.parse(raw);
  } catch {
    throw new SymbolonError("USAGE", "malformed JSON");
  }
}
