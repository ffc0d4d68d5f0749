/** Three compute parties with keys and listeners on loopback, for tests. */
import { SymbolonError } from "../../../mpc/errors.ts";
import type { AttemptChannels } from "../../../mpc/transport/attempt.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import { connectMesh, MeshListener, type MeshOptions } from "../../../mpc/transport/mesh.ts";
import {
  nextParty,
  type PartyIndex,
  partyIndices,
  previousParty,
  type Transport,
} from "../../../mpc/transport/transport.ts";

export type Outcome = AttemptChannels | SymbolonError;

export class MeshWorld {
  readonly keys = partyIndices.map(() => generateX25519());
  readonly listeners: MeshListener[] = [];
  readonly addresses: { host: string; port: number }[] = [];
  #next = 0;

  static async start(options: ConstructorParameters<typeof MeshListener>[0] = {}): Promise<MeshWorld> {
    const world = new MeshWorld();
    for (const _ of partyIndices) {
      const listener = new MeshListener(options);
      world.listeners.push(listener);
      world.addresses.push(await listener.listen({ host: "127.0.0.1", port: 0 }));
    }
    return world;
  }

  async stop(): Promise<void> {
    await Promise.all(this.listeners.map((listener) => listener.close(0)));
  }

  newContext(): Uint8Array {
    this.#next += 1;
    return Buffer.alloc(32, this.#next);
  }

  options(partyIndex: PartyIndex, contextId: Uint8Array, change: Partial<MeshOptions> = {}): MeshOptions {
    const peers = Object.fromEntries(
      partyIndices
        .filter((peer) => peer !== partyIndex)
        .map((peer) => [peer, { ...this.addresses[peer - 1]!, publicKey: this.keys[peer - 1]!.publicKey }]),
    );
    return {
      listener: this.listeners[partyIndex - 1]!,
      contextId,
      partyIndex,
      staticPrivateKey: this.keys[partyIndex - 1]!.privateKey,
      peers,
      deadlineMs: 5_000,
      idleTimeoutMs: 5_000,
      ...change,
    };
  }

  /** Party 1 believes party 2 to be at `address`. */
  via(address: { host: string; port: number }, contextId: Uint8Array): Partial<MeshOptions> {
    const { peers } = this.options(1, contextId);
    return { peers: { ...peers, 2: { ...peers[2]!, ...address } } };
  }

  /** Connects all three; a party that fails yields its error. */
  connect(
    contextId: Uint8Array,
    change: Partial<MeshOptions> | ((partyIndex: PartyIndex) => Partial<MeshOptions>) = {},
  ): Promise<Outcome[]> {
    const of = typeof change === "function" ? change : () => change;
    return Promise.all(
      partyIndices.map((i) =>
        connectMesh(this.options(i, contextId, of(i))).catch((error) => error as SymbolonError),
      ),
    );
  }

  /** Connects all three, which must succeed. */
  async transports(...args: Parameters<MeshWorld["connect"]>): Promise<Transport[]> {
    const outcomes = await this.connect(...args);
    return outcomes.map((outcome) => {
      if (outcome instanceof Error) throw outcome;
      return outcome.transport;
    });
  }

  /** Whether a fresh attempt over the same listeners works. */
  async works(): Promise<boolean> {
    const transports = await this.transports(this.newContext());
    await Promise.all(transports.map((transport) => round(transport, 0, Buffer.from("works"))));
    for (const transport of transports) transport.close();
    return true;
  }
}

/** Sends `payload` to both peers and takes as many bytes from each; returns what came from the next party. */
export async function round(
  transport: Transport,
  operation: number,
  payload: Uint8Array,
): Promise<Uint8Array> {
  const peers = [nextParty(transport.partyIndex), previousParty(transport.partyIndex)];
  for (const peer of peers) transport.send(peer, operation, [payload]);
  const [fromNext] = await Promise.all(
    peers.map((peer) => transport.receive(peer, operation, payload.byteLength)),
  );
  return fromNext!;
}

export const errorOf = async (promise: Promise<unknown>): Promise<SymbolonError> => {
  try {
    await promise;
  } catch (error) {
    return error as SymbolonError;
  }
  return new SymbolonError("INTERNAL", "did not fail");
};

/** Runs rounds on all parties until they fail: the code with which each ends. */
export async function endings(
  transports: readonly Transport[],
  payload: Uint8Array = Buffer.alloc(100),
): Promise<string[]> {
  const run = async (transport: Transport) => {
    for (let operation = 0; operation < 1000; operation++) await round(transport, operation, payload);
  };
  const errors = await Promise.all(transports.map((transport) => errorOf(run(transport))));
  return errors.map((error) => error.code);
}
