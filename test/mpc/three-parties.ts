/** Three parties in one process, and the dealer and reader that tests need around them. */

import { Party } from "../../mpc/party.ts";
import { randomBytes } from "../../mpc/random.ts";
import type { Recorder } from "../../mpc/recorder.ts";
import { isConsistent, reconstructScalar, shareScalar } from "../../mpc/shamir.ts";
import { createMemoryChannels, type MemoryOptions } from "../../mpc/transport/memory.ts";
import type { PartyIndex } from "../../mpc/transport/transport.ts";
import {
  createReferenceKernel,
  type FieldArray,
  type FieldBits,
  type Kernel,
} from "../../mpc/vector/index.ts";

export type Parties = [Party, Party, Party];

export async function threeParties(
  bits: FieldBits = 127,
  options: MemoryOptions & {
    kernel?: (bits: FieldBits) => Kernel | Promise<Kernel>;
    /** The secret of a pair, in place of a fresh one. */
    pairSecret?: (i: PartyIndex, j: PartyIndex) => Uint8Array | undefined;
    recorder?: (index: PartyIndex) => Recorder;
  } = {},
): Promise<Parties> {
  const make = options.kernel ?? createReferenceKernel;
  const channels = createMemoryChannels(options);
  return (await Promise.all(
    channels.map(async ({ transport, pairSecrets }) => {
      const secrets = new Map(
        Array.from(pairSecrets, ([peer, fresh]) => {
          const [i, j] = [transport.partyIndex, peer].sort() as [PartyIndex, PartyIndex];
          return [peer, options.pairSecret?.(i, j) ?? fresh] as const;
        }),
      );
      return new Party(await make(bits), transport, secrets, options.recorder?.(transport.partyIndex));
    }),
  )) as Parties;
}

/** Shares of each value, one array a party. */
export function deal(parties: Parties, values: readonly bigint[]): [FieldArray, FieldArray, FieldArray] {
  const { modulus } = parties[0].kernel.spec;
  const shares = values.map((v) => shareScalar(v, BigInt(`0x${randomBytes(16).toString("hex")}`), modulus));
  return parties.map((party, i) => {
    const out = party.kernel.allocate(values.length);
    party.kernel.fromBigints(
      out,
      shares.map((s) => s[i]),
    );
    return out;
  }) as [FieldArray, FieldArray, FieldArray];
}

/** The values of degree-1 shares, signed; throws when they do not lie on lines. */
export function reveal(parties: Parties, shares: readonly FieldArray[]): bigint[] {
  const { modulus } = parties[0].kernel.spec;
  const [one, two, three] = parties.map((party, i) => party.kernel.toBigints(shares[i]));
  return one.map((_, j) => {
    const triple: [bigint, bigint, bigint] = [one[j], two[j], three[j]];
    if (!isConsistent(triple, modulus)) throw new Error(`element ${j} is not a consistent sharing`);
    const value = reconstructScalar(triple, modulus);
    return value > modulus / 2n ? value - modulus : value;
  });
}

/** Runs the same protocol at all three parties. */
export function together<T>(
  parties: Parties,
  body: (party: Party, i: number) => Promise<T>,
): Promise<[T, T, T]> {
  return Promise.all(parties.map((party, i) => body(party, i))) as Promise<[T, T, T]>;
}

/** An unpredictable integer in [-2^bits, 2^bits). */
export function randomSigned(bits: number): bigint {
  const raw = BigInt(`0x${randomBytes(Math.ceil((bits + 1) / 8)).toString("hex")}`);
  return (raw & ((1n << BigInt(bits + 1)) - 1n)) - (1n << BigInt(bits));
}
