/** The messages between the parties that are not part of a protocol: what they run, and what came out. */
import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { SymbolonError } from "../../mpc/errors.ts";
import type { Party } from "../../mpc/party.ts";
import { type PartyIndex, partyIndices } from "../../mpc/transport/transport.ts";
import type { VerifiedJob } from "./verify.ts";

const hashBytes = 32;

/**
 * SHA-256 over everything public that decides what the parties do with the job. Parties that disagree would
 * send frames that do not fit, or worse, ones that fit by chance.
 */
export function runDigest(verified: VerifiedJob, attemptContext: Uint8Array): Uint8Array {
  const { job, shape, plan, inputs, parameters, payoutRoot } = verified;
  const text = canonicalize({
    attempt: Buffer.from(attemptContext).toString("hex"),
    job: job.job,
    payoutRoot,
    shape,
    parameters,
    fieldBits: plan.fieldBits,
    fracBits: plan.fracBits,
    parts: plan.parts.map(({ name, rows, cols, fracBits }) => ({ name, rows, cols, fracBits })),
    rounds: plan.declaration.rounds,
    bytes: plan.declaration.bytes,
    openings: plan.declaration.openings,
    inputs: inputs.map(({ context: { nonce, rows, columns, owner } }) => ({ nonce, rows, columns, owner })),
  });
  if (text === undefined) throw new SymbolonError("INTERNAL", "a run has no canonical form");
  return createHash("sha256").update(text).digest();
}

/** Makes sure that all three parties run the same thing. @throws RUN_ABORTED naming who does not */
export async function agreeOnRun(party: Party, digest: Uint8Array): Promise<void> {
  const theirs = await exchange(party, digest);
  for (const [peer, bytes] of theirs) {
    if (!Buffer.from(bytes).equals(digest)) {
      throw new SymbolonError("RUN_ABORTED", `party ${peer} runs something else than this party`, {
        hint: "do all three nodes have the same version of the software?",
      });
    }
  }
}

/** What each party made of its result share. Both are 32 bytes, 0x-hexadecimal. */
export interface PartyResult {
  root: string;
  ciphertextHash: string;
}

/** Tells the peers this party's result and learns theirs; in the order of the points. */
export async function exchangeResults(
  party: Party,
  own: PartyResult,
): Promise<[PartyResult, PartyResult, PartyResult]> {
  const bytes = Buffer.from(own.root.slice(2) + own.ciphertextHash.slice(2), "hex");
  const theirs = await exchange(party, bytes);
  return partyIndices.map((point) => {
    const peer = theirs.get(point);
    if (peer === undefined) return own;
    const hex = Buffer.from(peer).toString("hex");
    return { root: `0x${hex.slice(0, 2 * hashBytes)}`, ciphertextHash: `0x${hex.slice(2 * hashBytes)}` };
  }) as [PartyResult, PartyResult, PartyResult];
}

/**
 * Waits until both peers have got everything. After that this party may hang up. A peer that is gone by now has
 * got everything itself, or will never sign; either way there is nothing left to wait for.
 */
export async function farewell(party: Party): Promise<void> {
  await exchange(party, new Uint8Array(1)).catch(() => undefined);
}

/** Sends the same bytes to both peers and receives as many from each, copied. */
async function exchange(party: Party, bytes: Uint8Array): Promise<Map<PartyIndex, Uint8Array>> {
  return party.round("agree", async (operation) => {
    const peers = [party.next, party.previous];
    for (const peer of peers) party.send(peer, operation, [bytes]);
    const received = new Map<PartyIndex, Uint8Array>();
    await Promise.all(
      peers.map(async (peer) => {
        received.set(peer, Uint8Array.from(await party.receive(peer, operation, bytes.length)));
      }),
    );
    return received;
  });
}
