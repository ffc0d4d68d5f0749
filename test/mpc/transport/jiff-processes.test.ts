import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";
import { makeGroup, type RelayHost, relayPath, startRelay } from "./jiff-fixture.ts";

let host: RelayHost;
const children: ChildProcess[] = [];

beforeEach(async () => {
  host = await startRelay();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await host.close();
});

interface Party {
  child: ChildProcess;
  joined: Promise<void>;
  /** The last line, the exit status, and everything that was written. */
  done: Promise<{ outcome: Record<string, unknown>; status: number | null; text: string }>;
}

function startParties(mode: string, timeoutMs = 10_000): Party[] {
  const { keys, computationId } = makeGroup(host.url);
  const hex = (key: Uint8Array) => Buffer.from(key).toString("hex");
  return partyIndices.map((partyIndex) => {
    const options = {
      relayUrl: host.url,
      relayPath,
      computationId,
      partyIndex,
      secretKey: hex(keys[partyIndex].privateKey),
      publicKeys: {
        1: hex(keys[1].publicKey),
        2: hex(keys[2].publicKey),
        3: hex(keys[3].publicKey),
      } satisfies Record<PartyIndex, string>,
      modulus: (2n ** 127n - 1n).toString(),
      timeoutMs,
      mode,
    };
    const script = fileURLToPath(new URL("./jiff-party.ts", import.meta.url));
    const child = spawn(process.execPath, [script, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.push(child);
    const lines: string[] = [];
    let errors = "";
    const joined = Promise.withResolvers<void>();
    createInterface({ input: child.stdout! }).on("line", (line) => {
      lines.push(line);
      joined.resolve();
    });
    child.stderr!.on("data", (chunk) => {
      errors += chunk;
    });
    const done = new Promise<Awaited<Party["done"]>>((resolve) => {
      child.once("close", (status) => {
        joined.resolve();
        const text = `${lines.join("\n")}\n${errors}`;
        resolve({ outcome: JSON.parse(lines.at(-1) ?? "{}"), status, text });
      });
    });
    return { child, joined: joined.promise, done };
  });
}

describe("three processes", () => {
  test("run a JIFF program to its end and exit", async () => {
    const ended = await Promise.all(startParties("auction").map(({ done }) => done));
    for (const { outcome, status, text } of ended) {
      expect(outcome).toEqual({ result: ["2", "20"] });
      expect(status).toBe(0);
      expect(text.trim().split("\n")).toHaveLength(2);
    }
    expect(host.relay.computations).toBe(0);
  }, 20_000);

  test("an exception that JIFF's promises lose fails the session, not the process", async () => {
    const ended = await Promise.all(startParties("stray").map(({ done }) => done));
    expect(ended.map(({ outcome }) => outcome.code)).toEqual(["RUN_ABORTED", "INTERNAL", "RUN_ABORTED"]);
    for (const { status, text } of ended) {
      expect(status).toBe(0);
      expect(text).not.toContain("4711");
    }
  }, 20_000);

  test("when one is killed the others end by name", async () => {
    const parties = startParties("wait");
    await Promise.all(parties.map(({ joined }) => joined));
    parties[2]!.child.kill("SIGKILL");
    const ended = await Promise.all(parties.slice(0, 2).map(({ done }) => done));
    for (const { outcome, status } of ended) {
      expect(outcome.code).toBe("PEER_LOST");
      expect(status).toBe(0);
    }
  }, 20_000);
});
