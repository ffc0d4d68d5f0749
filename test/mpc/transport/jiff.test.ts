import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SecretShare } from "../../../mpc/jiff-program.ts";
import { applyVectorExtension, type JiffSession } from "../../../mpc/transport/jiff.ts";
import { closeAll, connectThree, mersenne127, type RelayHost, runThree, startRelay } from "./jiff-fixture.ts";

let host: RelayHost;
let sessions: JiffSession[];

beforeAll(async () => {
  host = await startRelay();
  sessions = await connectThree(host.url);
});

afterAll(async () => {
  await closeAll(sessions);
  await host.close();
});

describe("three JIFF parties through the relay, p = 2^127 - 1", () => {
  test("share, add, subtract, multiply and open", async () => {
    const results = await runThree(sessions, async (jiff) => {
      const secret = [0, 40, 7, 1][jiff.id]!;
      const { 1: a, 2: b, 3: c } = jiff.share(secret) as Record<1 | 2 | 3, SecretShare>;
      const opened = await Promise.all([
        a.sadd(b).open(),
        b.ssub(a).open(),
        a.smult(b).smult(b).sadd(c).open(),
        a.cmult(3).cadd(5).open(),
      ]);
      return opened.map(String);
    });
    const expected = ["47", (mersenne127 - 33n).toString(), "1961", "125"];
    expect(results).toEqual([expected, expected, expected]);
  });

  test("values as large as the field", async () => {
    const results = await runThree(sessions, async (jiff) => {
      const top = jiff.helpers.BigNumber((mersenne127 - 1n).toString());
      const shares = jiff.share(jiff.id === 1 ? top : null, 2, [1, 2, 3], [1]);
      const square = shares[1]!.smult(shares[1]!);
      return [String(await shares[1]!.open()), String(await square.open())];
    });
    expect(results[0]).toEqual([(mersenne127 - 1n).toString(), "1"]);
    expect(results[1]).toEqual(results[0]);
  });

  test("an opening to one party tells only that party", async () => {
    const results = await runThree(sessions, async (jiff) => {
      const { 2: b } = jiff.share(jiff.id * 11);
      const opened = await b!.open([3]);
      return opened === null ? null : String(opened);
    });
    expect(results).toEqual([null, null, "22"]);
  });

  test("custom messages arrive", async () => {
    const received = sessions.map((session) => {
      const { promise, resolve } = Promise.withResolvers<string>();
      if (session.jiff.id !== 1) session.jiff.listen("greeting", (from, text) => resolve(`${from}: ${text}`));
      return session.jiff.id === 1 ? undefined : promise;
    });
    sessions[0]!.jiff.emit("greeting", [2, 3], "good day");
    expect(await Promise.all(received)).toEqual([undefined, "1: good day", "1: good day"]);
  });

  test("JIFF shares lift into values and values become JIFF shares", async () => {
    const results = await runThree(sessions, async (handle) => {
      const jiff = handle.has_extension("symbolon-vectors")
        ? (handle as ReturnType<typeof applyVectorExtension<string>>)
        : applyVectorExtension(handle, "vectors");
      expect(jiff.vectors).toBe("vectors");
      const { 1: a, 2: b } = jiff.share(jiff.id + 100);
      const values = await jiff.lift([a!, b!, a!.smult(b!)]);
      const back = jiff.sharesFromValues(values);
      const opened = await Promise.all(back.map((share) => share.open()));
      return { values, opened: opened.map(String) };
    });
    for (const { opened } of results) expect(opened).toEqual(["101", "102", "10302"]);
    for (const [i, secret] of [101n, 102n, 10302n].entries()) {
      const [first, second, third] = results.map(({ values }) => values[i]!) as [bigint, bigint, bigint];
      expect((first - 2n * second + third) % mersenne127).toBe(0n);
      expect((((2n * first - second - secret) % mersenne127) + mersenne127) % mersenne127).toBe(0n);
    }
  });
});
