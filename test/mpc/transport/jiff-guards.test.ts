import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import type { JiffHandle, SecretShare } from "../../../mpc/jiff-program.ts";
import { connectJiff, type JiffSession } from "../../../mpc/transport/jiff.ts";
import type { JiffInstance } from "../../../mpc/transport/jiff-library.ts";
import { partyIndices } from "../../../mpc/transport/transport.ts";
import {
  closeAll,
  connectThree,
  makeGroup,
  makeKeys,
  mersenne127,
  publicKeysOf,
  type RelayHost,
  runThree,
  startRelay,
} from "./jiff-fixture.ts";

let host: RelayHost;
let sessions: JiffSession[] = [];

beforeAll(async () => {
  host = await startRelay();
});

afterEach(async () => {
  await closeAll(sessions);
  sessions = [];
});

afterAll(() => host.close());

const instanceOf = (session: JiffSession): JiffInstance => session.jiff as unknown as JiffInstance;

async function codes(runs: readonly Promise<unknown>[]): Promise<(string | undefined)[]> {
  const outcomes = await Promise.allSettled(runs);
  return outcomes.map((outcome) => (outcome.status === "rejected" ? outcome.reason.code : undefined));
}

const never = (): Promise<never> => new Promise(() => undefined);

describe("openings", () => {
  test.each(partyIndices)("a share that party %i alters is noticed by all", async (cheat) => {
    sessions = await connectThree(host.url);
    const runs = sessions.map((session) =>
      session.run(async (jiff) => {
        const share = jiff.share(jiff.id)[1]!;
        return (jiff.id === cheat ? share.cadd(1) : share).open();
      }),
    );
    expect(await codes(runs)).toEqual(Array(3).fill("SHARES_INCONSISTENT"));
  });

  test("all three shares are waited for: two are not enough", async () => {
    sessions = await connectThree(host.url, { timeoutMs: 400 });
    const runs = sessions.map((session) =>
      session.run(async (jiff) => {
        const share = jiff.share(jiff.id)[1]!;
        return jiff.id === 3 ? never() : share.open();
      }),
    );
    const ended = await codes(runs);
    expect(ended).toContain("PEER_TIMEOUT");
    expect(ended).not.toContain(undefined);
  });

  test("a peer's second share of one opening is refused", async () => {
    sessions = await connectThree(host.url);
    const evil = instanceOf(sessions[1]!);
    const send = (value: string): void => {
      const message = { party_id: 1, op_id: "open:1,2,3:1,2,3:0", share: value, Zp: mersenne127.toString() };
      evil.hooks.beforeOperation.at(-1)!(evil, "open", message);
      evil.socket!.safe_emit(
        "open",
        JSON.stringify({ ...message, share: evil.hooks.encryptSign(evil, value) }),
      );
    };
    send("5");
    send("6");
    expect(await codes([sessions[0]!.run(never)])).toEqual(["PEER_MISBEHAVED"]);
  });

  test("a peer's second share of one sharing is refused", async () => {
    sessions = await connectThree(host.url);
    const evil = instanceOf(sessions[1]!);
    for (const value of ["5", "6"]) {
      const message = { party_id: 1, op_id: "share:x", share: value };
      evil.hooks.beforeOperation.at(-1)!(evil, "share", message);
      evil.socket!.safe_emit(
        "share",
        JSON.stringify({ ...message, share: evil.hooks.encryptSign(evil, value) }),
      );
    }
    expect(await codes([sessions[0]!.run(never)])).toEqual(["PEER_MISBEHAVED"]);
  });

  test("operation ids that name properties of objects do no harm", async () => {
    sessions = await connectThree(host.url);
    const evil = instanceOf(sessions[1]!);
    for (const op_id of ["__proto__", "constructor"]) {
      for (const label of ["share", "open"] as const) {
        const message = { party_id: 1, op_id, share: "5", Zp: mersenne127.toString() };
        evil.hooks.beforeOperation.at(-1)!(evil, label, message);
        evil.socket!.safe_emit(
          label,
          JSON.stringify({ ...message, share: evil.hooks.encryptSign(evil, "5") }),
        );
      }
    }
    const results = await runThree(sessions, async (jiff) => String(await jiff.share(jiff.id)[2]!.open()));
    expect(results).toEqual(["2", "2", "2"]);
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as Record<string, unknown>).shares).toBeUndefined();
    expect((Object as unknown as Record<string, unknown>).shares).toBeUndefined();
  });
});

describe("what a program may not ask for", () => {
  const refusals: { what: string; ask: (jiff: JiffHandle) => unknown; code?: string }[] = [
    { what: "a share of threshold 3", ask: (jiff) => jiff.share(1, 3 as never) },
    { what: "a share of threshold 1, which is the secret", ask: (jiff) => jiff.share(1, 1 as never) },
    { what: "preprocessing of threshold 3", ask: (jiff) => jiff.preprocessing("slt", 1, null, 3 as never) },
    {
      what: "a share in another field",
      ask: (jiff) => jiff.share(1, 2, undefined, undefined, jiff.helpers.BigNumber(13)),
    },
    { what: "a share for two parties", ask: (jiff) => jiff.share(1, 2, [1, 2]) },
    { what: "an opening to nobody", ask: (jiff) => jiff.share(1)[1]!.open([]) },
    { what: "an opening to party 4", ask: (jiff) => jiff.share(1)[1]!.open([1, 4]) },
    {
      what: "a plaintext custom message",
      ask: (jiff) => (jiff as unknown as JiffInstance).emit("tag", null, "text", false),
    },
    { what: "a tag of the session's own", ask: (jiff) => jiff.emit("symbolon/end", null, "") },
    { what: "a dealer", ask: (jiff) => (jiff as unknown as JiffInstance).from_crypto_provider() },
    { what: "the end of the session", ask: (jiff) => (jiff as unknown as JiffInstance).disconnect() },
    {
      what: "an operation that was not announced",
      ask: (jiff) => {
        const share = jiff.share(1)[1]!;
        return share.slt(share).open();
      },
      code: "STATE_INVALID",
    },
    {
      what: "an opening of a product that was not reduced",
      ask: async (jiff) => {
        const { SecretShare: Share } = jiff as unknown as JiffInstance;
        return new Share(jiff.helpers.BigNumber(1), [1, 2, 3], 3, jiff.Zp).open();
      },
    },
  ];

  test.each(refusals)("$what", async ({ ask, code }) => {
    sessions = await connectThree(host.url);
    const runs = sessions.map((session) => session.run(async (jiff) => ask(jiff)));
    const ended = await codes(runs);
    expect(ended).toContain(code ?? "PARAMETER_INVALID");
    expect(ended).not.toContain(undefined);
  });

  test("the threshold of preprocessing is 2 when it is not given: JIFF's comparison is right every time", async () => {
    sessions = await connectThree(host.url, { modulus: 2n ** 61n - 1n });
    const results = await runThree(sessions, async (jiff) => {
      void jiff.preprocessing("slt", 3);
      await new Promise<void>((resolve) => jiff.executePreprocessing(resolve));
      const { 1: a, 2: b } = jiff.share(jiff.id * 1000);
      const bits = [a!.slt(b!), b!.slt(a!), a!.slt(a!)];
      return (await Promise.all(bits.map((bit) => bit.open()))).map(String);
    });
    expect(results).toEqual(Array(3).fill(["1", "0", "0"]));
  }, 30_000);
});

describe("a failure is the session's, with a name, on every party", () => {
  test("an exception in the program, with its text kept back", async () => {
    sessions = await connectThree(host.url);
    const runs = sessions.map((session) =>
      session.run(async (jiff) => {
        const share = jiff.share(jiff.id)[1]!;
        if (jiff.id === 2) throw new Error("the bid was 4711");
        return share.open();
      }),
    );
    const outcomes = await Promise.allSettled(runs);
    const errors = outcomes.map((outcome) => (outcome as PromiseRejectedResult).reason as SymbolonError);
    expect(errors.map((error) => error.code)).toEqual(["RUN_ABORTED", "INTERNAL", "RUN_ABORTED"]);
    for (const error of errors) expect(`${error.stack} ${error.cause}`).not.toContain("4711");
  });

  test("an exception in a callback of JIFF's", async () => {
    sessions = await connectThree(host.url);
    sessions[0]!.jiff.listen("news", () => {
      throw new TypeError("in a listener");
    });
    sessions[1]!.jiff.emit("news", [1], "text");
    expect(await codes(sessions.map((session) => session.run(never)))).toEqual([
      "INTERNAL",
      "RUN_ABORTED",
      "RUN_ABORTED",
    ]);
  });

  test("a peer that vanishes", async () => {
    sessions = await connectThree(host.url);
    const runs = sessions.map((session) => session.run(async (jiff) => jiff.share(jiff.id)[3]!.open()));
    instanceOf(sessions[2]!).socket!.old_disconnect();
    const ended = await codes(runs);
    expect(ended.slice(0, 2)).toEqual(["PEER_LOST", "PEER_LOST"]);
    expect(ended[2]).toBe("BRIDGE_UNREACHABLE");
  });

  test("a peer that ends while it is waited for", async () => {
    sessions = await connectThree(host.url);
    const runs = sessions
      .slice(0, 2)
      .map((session) => session.run(async (jiff: JiffHandle) => jiff.share(jiff.id)[1]!.open()));
    const ending = codes(runs);
    await sessions[2]!.close();
    const ended = await ending;
    expect(ended).toContain("PEER_LOST");
    expect(ended).not.toContain(undefined);
  });

  test("a peer that ended after it had sent everything is no failure", async () => {
    sessions = await connectThree(host.url);
    const [one, two, three] = sessions as [JiffSession, JiffSession, JiffSession];
    const share = (jiff: JiffHandle): SecretShare =>
      jiff.share(jiff.id === 3 ? 8 : null, 2, [1, 2, 3], [3])[3]!;
    await three.run(async (jiff) => void jiff.open(share(jiff), [1, 2]));
    await three.close();
    const results = await Promise.all(
      [one, two].map((session) => session.run(async (jiff) => String(await jiff.open(share(jiff), [1, 2])))),
    );
    expect(results).toEqual(["8", "8"]);
  });

  test("the relay goes", async () => {
    const passing = await startRelay();
    sessions = await connectThree(passing.url);
    const runs = sessions.map((session) => session.run(never));
    const ended = codes(runs);
    await passing.close();
    expect(await ended).toEqual(Array(3).fill("BRIDGE_UNREACHABLE"));
  });

  test("the caller stops one party", async () => {
    const stop = new AbortController();
    const group = makeGroup(host.url);
    sessions = await Promise.all(
      partyIndices.map((i) =>
        connectJiff({ ...group.options(i), ...(i === 1 ? { signal: stop.signal } : {}) }),
      ),
    );
    const runs = sessions.map((session) => session.run(never));
    stop.abort();
    expect(await codes(runs)).toEqual(["RUN_ABORTED", "RUN_ABORTED", "RUN_ABORTED"]);
  });

  test("a failed session refuses to run", async () => {
    sessions = await connectThree(host.url);
    sessions[0]!.abort(new SymbolonError("JOB_EXPIRED", "late"));
    await expect(sessions[0]!.run(async () => 1)).rejects.toMatchObject({ code: "JOB_EXPIRED" });
    expect(await codes([sessions[1]!.run(never)])).toEqual(["JOB_EXPIRED"]);
  });
});

describe("joining", () => {
  test("a peer that does not come", async () => {
    const group = makeGroup(host.url, { timeoutMs: 300 });
    const joins = ([1, 3] as const).map((index) => connectJiff(group.options(index)));
    const ended = await codes(joins);
    expect(ended).toContain("PEER_TIMEOUT");
    for (const code of ended) expect(["PEER_TIMEOUT", "PEER_LOST"]).toContain(code);
  });

  test("no relay", async () => {
    const group = makeGroup("http://127.0.0.1:1");
    expect(await codes([connectJiff(group.options(1))])).toEqual(["BRIDGE_UNREACHABLE"]);
  });

  test("a party without the registered key", async () => {
    const group = makeGroup(host.url, { timeoutMs: 1_000 });
    const other = makeKeys();
    const thief = {
      ...group.options(2),
      secretKey: other[2].privateKey,
      publicKeys: { ...group.options(2).publicKeys, 2: other[2].publicKey },
    };
    const joins = [connectJiff(group.options(1)), connectJiff(thief), connectJiff(group.options(3))];
    expect(await codes(joins)).toContain("CHANNEL_AUTH");
  });

  test("secrets of another attempt", async () => {
    const group = makeGroup(host.url, { timeoutMs: 1_000 });
    const secrets = (fill: number) => new Map(partyIndices.map((i) => [i, new Uint8Array(32).fill(fill)]));
    const joins = partyIndices.map((i) =>
      connectJiff({ ...group.options(i), pairSecrets: secrets(i === 2 ? 7 : 8) }),
    );
    const ended = await codes(joins);
    expect(ended).toContain("CHANNEL_AUTH");
    expect(ended).not.toContain(undefined);
  });

  test("with the secrets of the attempt", async () => {
    const group = makeGroup(host.url);
    const secret = (i: number, j: number) => new Uint8Array(32).fill(i * j);
    sessions = await Promise.all(
      partyIndices.map((i) =>
        connectJiff({
          ...group.options(i),
          pairSecrets: new Map(partyIndices.map((j) => [j, secret(i, j)])),
        }),
      ),
    );
    expect(await runThree(sessions, async (jiff) => String(await jiff.share(jiff.id)[3]!.open()))).toEqual([
      "3",
      "3",
      "3",
    ]);
  });

  test.each([
    {
      what: "a secret key that does not fit",
      change: { secretKey: new Uint8Array(32).fill(9) },
      code: "KEY_INVALID",
    },
    {
      what: "a short public key",
      change: { publicKeys: { ...publicKeysOf(makeKeys()), 3: new Uint8Array(31) } },
      code: "KEY_INVALID",
    },
    { what: "an empty computation id", change: { computationId: "" }, code: "USAGE" },
    { what: "no time", change: { timeoutMs: 0 }, code: "USAGE" },
  ])("$what is refused", async ({ change, code }) => {
    const options = { ...makeGroup(host.url).options(1), ...change };
    expect(await codes([connectJiff(options)])).toEqual([code]);
  });
});
