import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { JiffHandle } from "../../../mpc/jiff-program.ts";
import { connectJiff, type JiffSession } from "../../../mpc/transport/jiff.ts";
import { generateX25519 } from "../../../mpc/transport/keys.ts";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";
import { closeAll, type Group, makeGroup, mersenne127 } from "./jiff-fixture.ts";
import { HostileRelay, type Passing, type Tampering } from "./jiff-hostile-relay.ts";

let relay: HostileRelay;
let sessions: JiffSession[] = [];
let written: string[] = [];

beforeEach(() => {
  written = [];
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, "write").mockImplementation((chunk) => written.push(String(chunk)) > 0);
  }
  for (const method of ["log", "warn", "error", "info"] as const) {
    vi.spyOn(console, method).mockImplementation((...values) => void written.push(inspect(values)));
  }
});

afterEach(async () => {
  vi.restoreAllMocks();
  await closeAll(sessions);
  sessions = [];
  await relay.close();
});

/** 6 from each party's view, through two rounds of every kind of message. */
async function program(jiff: JiffHandle): Promise<string> {
  const { 1: a, 2: b, 3: c } = jiff.share(jiff.id);
  const product = a!.smult(b!).smult(c!);
  return String(await product.open());
}

interface Ending {
  result: string | undefined;
  code: string | undefined;
}

/** Joins and runs all three; what each ended with. Asserts that no key is in an error or in any output. */
async function run(group: Group): Promise<Ending[]> {
  const joined = await Promise.allSettled(partyIndices.map((index) => connectJiff(group.options(index))));
  sessions = joined.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  const outcomes = await Promise.allSettled(
    joined.map(async (outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value.run(program);
    }),
  );
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") expectNoSecret(group, inspect(outcome.reason, { depth: 10 }));
  }
  for (const session of sessions)
    expectNoSecret(group, inspect(session.jiff, { depth: 8, maxArrayLength: 500 }));
  expectNoSecret(group, written.join("\n"));
  return outcomes.map((outcome) =>
    outcome.status === "fulfilled"
      ? { result: outcome.value, code: undefined }
      : { result: undefined, code: outcome.reason.code },
  );
}

function expectNoSecret(group: Group, text: string): void {
  for (const index of partyIndices) {
    const key = Buffer.from(group.keys[index].privateKey);
    const forms = [
      key.toString("hex"),
      key.toString("base64"),
      key.toString("base64url"),
      [...key].join(","),
    ];
    for (const form of [...forms, [...key].join(", ")]) expect(text.includes(form)).toBe(false);
  }
}

const isFirst = (passing: Passing, label: string, from: PartyIndex, to: PartyIndex): boolean =>
  passing.label === label && passing.from === from && passing.to === to;

/** Calls `attack` at the first message of this kind from 2 to 1 and delivers everything else. */
function atFirst(
  label: string,
  attack: (passing: Passing, deliver: (passing: Passing) => void, relay: HostileRelay) => void,
): Tampering {
  let done = false;
  return {
    tamper(passing, deliver, hostile) {
      if (done || passing.body.tag === "symbolon/hello" || !isFirst(passing, label, 2, 1)) {
        deliver(passing);
        return;
      }
      done = true;
      attack(passing, deliver, hostile);
    },
  };
}

function garbled(sealed: unknown): string {
  const text = String(sealed);
  const at = 10;
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}

/** What the attacked party 1 ends with. */
const attacks: { what: string; code: string; tampering: () => Tampering; timeoutMs?: number }[] = [
  {
    what: "repeats a message",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver) => {
        deliver(passing);
        deliver(passing);
      }),
  },
  {
    what: "repeats an opening",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("open", (passing, deliver) => {
        deliver({ ...passing, body: { ...passing.body, op_id: "open:1,2,3:1,2,3:1" } });
        deliver(passing);
      }),
  },
  {
    what: "swaps two messages",
    code: "CHANNEL_AUTH",
    tampering: () => {
      let held: Passing | undefined;
      return {
        tamper(passing, deliver) {
          if (!isFirst(passing, "share", 2, 1)) deliver(passing);
          else if (held === undefined) held = passing;
          else {
            deliver(passing);
            deliver(held);
          }
        },
      };
    },
    timeoutMs: 1_000,
  },
  {
    what: "names another operation",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver) =>
        deliver({ ...passing, body: { ...passing.body, op_id: "share:1,2,3:1,2,3:9" } }),
      ),
  },
  {
    what: "makes a share an opening",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver) =>
        deliver({ ...passing, label: "open", body: { ...passing.body, Zp: mersenne127.toString() } }),
      ),
  },
  {
    what: "names another sender",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver) => deliver({ ...passing, body: { ...passing.body, party_id: 3 } })),
  },
  {
    what: "sends a party its own message",
    code: "CHANNEL_AUTH",
    tampering: () => ({
      tamper(passing, deliver, hostile) {
        const own = hostile.seen.find((earlier) => isFirst(earlier, "share", 1, 2));
        if (isFirst(passing, "share", 2, 1) && own !== undefined) {
          deliver({ ...passing, body: { ...own.body, party_id: 2 } });
        } else deliver(passing);
      },
    }),
  },
  {
    what: "garbles a ciphertext",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver) =>
        deliver({ ...passing, body: { ...passing.body, share: garbled(passing.body.share) } }),
      ),
  },
  {
    what: "garbles a ciphertext of stock JIFF's form",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("open", (passing, deliver) =>
        deliver({ ...passing, body: { ...passing.body, share: { nonce: "[1,2]", cipher: "[3,4]" } } }),
      ),
  },
  {
    what: "sends a share in plaintext",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver) =>
        deliver({ ...passing, body: { ...passing.body, share: "12345678901234567890123456" } }),
      ),
  },
  {
    what: "leaves one message out",
    code: "CHANNEL_AUTH",
    tampering: () => atFirst("share", () => undefined),
    timeoutMs: 1_000,
  },
  {
    what: "swallows everything",
    code: "PEER_TIMEOUT",
    tampering: () => ({
      tamper: (passing, deliver) => void (passing.body.tag === "symbolon/hello" && deliver(passing)),
    }),
    timeoutMs: 400,
  },
  {
    what: "never answers",
    code: "PEER_TIMEOUT",
    tampering: () => ({ tamper: () => undefined }),
    timeoutMs: 400,
  },
  {
    what: "gives party 1 its own key as party 2's",
    code: "CHANNEL_AUTH",
    tampering: () => {
      const mine = Buffer.from(generateX25519().publicKey).toString("hex");
      return { keys: (keys, to) => (to === 1 && keys[2] !== undefined ? { ...keys, 2: mine } : keys) };
    },
  },
  {
    what: "swaps the keys of parties 2 and 3",
    code: "CHANNEL_AUTH",
    tampering: () => ({
      keys: (keys, to) => (to === 1 && keys[2] && keys[3] ? { ...keys, 2: keys[3], 3: keys[2] } : keys),
    }),
  },
  {
    what: "gives a key of small order",
    timeoutMs: 1_000,
    code: "CHANNEL_AUTH",
    tampering: () => ({ keys: (keys, to) => (to === 1 && keys[2] ? { ...keys, 2: "0".repeat(64) } : keys) }),
  },
  {
    what: "challenges with a key of small order",
    code: "CHANNEL_AUTH",
    tampering: () => ({ challenge: "0".repeat(64) }),
  },
  { what: "challenges with text", code: "PEER_MISBEHAVED", tampering: () => ({ challenge: "prove it" }) },
  {
    what: "changes a key later",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver, hostile) => {
        const key = Buffer.from(generateX25519().publicKey).toString("hex");
        hostile.send(1, "public_keys", JSON.stringify({ public_keys: { 2: key } }));
        deliver(passing);
      }),
  },
  {
    what: "gives malformed keys",
    timeoutMs: 1_000,
    code: "PEER_MISBEHAVED",
    tampering: () => ({ keys: (keys, to) => (to === 1 ? { ...keys, 2: [1, 2, 3] } : keys) }),
  },
  {
    what: "admits a party under another number",
    timeoutMs: 1_000,
    code: "PEER_MISBEHAVED",
    tampering: () => ({
      initialization: (message, to) => (to === 1 ? { ...message, party_id: 2 } : message),
    }),
  },
  {
    what: "names another modulus",
    code: "PEER_MISBEHAVED",
    tampering: () =>
      atFirst("open", (passing, deliver) => deliver({ ...passing, body: { ...passing.body, Zp: "7" } })),
  },
  {
    what: "sends dealer values",
    code: "PEER_MISBEHAVED",
    tampering: () =>
      atFirst("share", (passing, deliver, hostile) => {
        const shares = ["1", "2", "2"];
        const values = {
          op_id: "smult:1,2,3:0:triplet",
          receivers: [1, 2, 3],
          threshold: 2,
          Zp: "7",
          shares,
        };
        hostile.send(1, "crypto_provider", JSON.stringify(values));
        deliver(passing);
      }),
  },
  {
    what: "sends a plaintext custom message",
    code: "PEER_MISBEHAVED",
    tampering: () =>
      atFirst("share", (passing, deliver, hostile) => {
        const message = { tag: "news", party_id: 2, message: "hello", encrypted: false };
        hostile.send(1, "custom", JSON.stringify(message));
        deliver(passing);
      }),
  },
  {
    what: "sends a custom message that nobody sealed",
    code: "CHANNEL_AUTH",
    tampering: () =>
      atFirst("share", (passing, deliver, hostile) => {
        const message = { tag: "symbolon/abort", party_id: 2, message: "JOB_FAILED", encrypted: true };
        hostile.send(1, "custom", JSON.stringify(message));
        deliver(passing);
      }),
  },
  ...["not json {", "null", "[]", '"text"', "7"].map((text) => ({
    what: `sends ${text}`,
    code: "PEER_MISBEHAVED",
    tampering: () => atFirst("share", (_passing, _deliver, hostile) => hostile.send(1, "open", text)),
  })),
  {
    what: "sends a message that is no text",
    code: "PEER_MISBEHAVED",
    tampering: () =>
      atFirst("share", (_passing, _deliver, hostile) => hostile.send(1, "share", { party_id: 2 })),
  },
  ...[7, "s1", "2", null, "__proto__"].map((from) => ({
    what: `names ${JSON.stringify(from)} as the sender`,
    code: "PEER_MISBEHAVED",
    tampering: () =>
      atFirst("share", (passing, deliver) =>
        deliver({ ...passing, body: { ...passing.body, party_id: from } }),
      ),
  })),
  {
    what: "sends a message without an operation",
    code: "PEER_MISBEHAVED",
    tampering: () =>
      atFirst("share", (passing, deliver) => deliver({ ...passing, body: { ...passing.body, op_id: 5 } })),
  },
  {
    what: "sends a message larger than the limit",
    timeoutMs: 1_000,
    code: "BRIDGE_UNREACHABLE",
    tampering: () =>
      atFirst("share", (passing, deliver) =>
        deliver({ ...passing, body: { ...passing.body, more: "x".repeat(300_000) } }),
      ),
  },
  {
    what: "cuts the connection",
    timeoutMs: 1_000,
    code: "BRIDGE_UNREACHABLE",
    tampering: () => atFirst("share", (_passing, _deliver, hostile) => hostile.cut(1)),
  },
  {
    what: "reports an error of its own invention",
    code: "PEER_MISBEHAVED",
    tampering: () =>
      atFirst("share", (_passing, _deliver, hostile) =>
        hostile.send(
          1,
          "error",
          JSON.stringify({ label: "share", code: "RESULT_TAMPERED", error: "pay me" }),
        ),
      ),
  },
  {
    what: "reports that a party left",
    code: "PEER_LOST",
    tampering: () =>
      atFirst("share", (_passing, _deliver, hostile) =>
        hostile.send(1, "error", JSON.stringify({ label: "relay", code: "PEER_LOST", party: 2 })),
      ),
  },
];

describe("a hostile relay gets nowhere but an abort", () => {
  test("left alone, it relays", async () => {
    relay = await HostileRelay.start({});
    const endings = await run(makeGroup(relay.url));
    expect(endings.map(({ result }) => result)).toEqual(["6", "6", "6"]);
    expect(written).toEqual([]);
  });

  test.each(attacks)("it $what: $code", async ({ code, tampering, timeoutMs }) => {
    relay = await HostileRelay.start(tampering());
    const endings = await run(makeGroup(relay.url, { timeoutMs: timeoutMs ?? 2_000 }));
    expect(endings[0]).toEqual({ result: undefined, code });
    // The others end too, and nobody has a wrong result.
    for (const { result, code: other } of endings.slice(1)) expect(result ?? other).toMatch(/^(6|[A-Z_]+)$/);
    expect(written).toEqual([]);
  });

  test("messages of an earlier session of the same name and keys are worthless", async () => {
    const first = await HostileRelay.start({});
    const group = makeGroup(first.url);
    relay = first;
    await run(group);
    await closeAll(sessions);
    await first.close();
    const recorded = first.seen.filter((passing) => isFirst(passing, "custom", 2, 1));
    relay = await HostileRelay.start({
      tamper(passing, deliver) {
        const hello = passing.body.tag === "symbolon/hello" && isFirst(passing, "custom", 2, 1);
        deliver(hello ? recorded[0]! : passing);
      },
    });
    const again = { ...group, options: (i: PartyIndex) => ({ ...group.options(i), relayUrl: relay.url }) };
    expect((await run(again))[0]).toEqual({ result: undefined, code: "CHANNEL_AUTH" });
  });
});
