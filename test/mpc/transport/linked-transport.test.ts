/** What a transport asks of its links. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import { type Link, LinkedTransport, type LinkObserver } from "../../../mpc/transport/linked-transport.ts";

/** A link that writes down what it is asked and lets the test play the peer. */
class RecordedLink implements Link {
  readonly calls: string[] = [];
  observer!: LinkObserver;
  send(operation: number): void {
    this.calls.push(`send ${operation}`);
  }
  close(code?: string): void {
    this.calls.push(`close ${code}`);
  }
  observe(observer: LinkObserver): void {
    this.observer = observer;
  }
  pause(): void {
    this.calls.push("pause");
  }
  resume(): void {
    this.calls.push("resume");
  }
  recycle(payload: Uint8Array): void {
    this.calls.push(`recycle ${payload.byteLength}`);
  }
}

function linked() {
  const transport = new LinkedTransport(1, [2, 3], { idleTimeoutMs: 1000 });
  const [two, three] = [new RecordedLink(), new RecordedLink()];
  transport.attach(2, two);
  transport.attach(3, three);
  return { transport, two, three };
}

test("a peer that runs ahead is paused, and resumed when its frames have been taken", async () => {
  const { transport, two, three } = linked();
  const payload = new Uint8Array(30 * 2 ** 20);
  for (let operation = 0; operation < 4; operation++) two.observer.onFrame(operation, payload);
  expect(two.calls).toEqual(["pause"]);
  await transport.receive(2, 0, payload.length);
  expect(two.calls).toEqual(["pause"]);
  await transport.receive(2, 1, payload.length);
  expect(two.calls).toEqual(["pause", `recycle ${payload.length}`, "resume"]);
  expect(three.calls).toEqual([]);
});

test("a payload is given back at the next receive from that peer, not before", async () => {
  const { transport, two, three } = linked();
  two.observer.onFrame(0, new Uint8Array(5));
  three.observer.onFrame(0, new Uint8Array(6));
  await transport.receive(2, 0, 5);
  await transport.receive(3, 0, 6);
  expect([...two.calls, ...three.calls]).toEqual([]);
  const next = transport.receive(2, 1, 7);
  expect(two.calls).toEqual(["recycle 5"]);
  two.observer.onFrame(1, new Uint8Array(7));
  expect((await next).byteLength).toBe(7);
});

test("one broken link closes both with its code; links that come later are closed too", () => {
  const transport = new LinkedTransport(1, [2, 3]);
  const [two, three] = [new RecordedLink(), new RecordedLink()];
  const failures: string[] = [];
  transport.onFailure = (error) => failures.push(error.code);
  transport.attach(2, two);
  two.observer.onFailure(new SymbolonError("CHANNEL_AUTH", "not authentic"));
  two.observer.onFailure(new SymbolonError("PEER_LOST", "closed"));
  transport.attach(3, three);
  expect(two.calls).toEqual(["close CHANNEL_AUTH"]);
  expect(three.calls).toEqual(["close CHANNEL_AUTH"]);
  expect(failures).toEqual(["CHANNEL_AUTH"]);
  expect(transport.error).toMatchObject({ code: "CHANNEL_AUTH" });
});

test("a link that gives up while sending makes the send fail", () => {
  const { transport, two, three } = linked();
  two.send = () => two.observer.onFailure(new SymbolonError("LIMIT_EXCEEDED", "does not read"));
  expect(() => transport.send(2, 0, [])).toThrowError("does not read");
  expect(three.calls).toEqual(["close LIMIT_EXCEEDED"]);
});

test("what a peer gives as its reason is shown by name only if it is a code", async () => {
  for (const [said, code] of [
    ["SHARES_INCONSISTENT", "SHARES_INCONSISTENT"],
    ["KEY_INVALID", "RUN_ABORTED"],
    ["toString", "RUN_ABORTED"],
    ["\u001b[2Jrubbish", "RUN_ABORTED"],
  ] as const) {
    const { transport, two } = linked();
    const waiting = transport.receive(3, 0, 1).catch((error: SymbolonError) => error);
    two.observer.onAbort(said);
    const error = (await waiting) as SymbolonError;
    expect(error.code).toBe(code);
    expect(error.message.includes("rubbish") || error.message.includes("toString")).toBe(false);
  }
});

test("waiting time counts once, however many peers are waited for", async () => {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
  const { transport, two, three } = linked();
  const waiting = [transport.receive(2, 0, 1), transport.receive(3, 0, 1)];
  vi.advanceTimersByTime(20);
  two.observer.onFrame(0, new Uint8Array(1));
  vi.advanceTimersByTime(5);
  three.observer.onFrame(0, new Uint8Array(1));
  await Promise.all(waiting);
  vi.advanceTimersByTime(7);
  vi.useRealTimers();
  expect(transport.stats.waitingMs).toBe(25);
});

describe("deadlines", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout", "setImmediate"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const outcome = (promise: Promise<unknown>) => {
    const state = { code: "waiting" };
    promise.then(
      () => (state.code = "came"),
      (error: SymbolonError) => (state.code = error.code),
    );
    return state;
  };

  test("each wait has its own, counted from its beginning", async () => {
    const { transport, two } = linked();
    const first = outcome(transport.receive(2, 0, 1));
    await vi.advanceTimersByTimeAsync(900);
    two.observer.onFrame(0, new Uint8Array(1));
    const second = outcome(transport.receive(2, 1, 1));
    await vi.advanceTimersByTimeAsync(900);
    expect([first.code, second.code]).toEqual(["came", "waiting"]);
    await vi.advanceTimersByTimeAsync(101);
    expect(second.code).toBe("PEER_TIMEOUT");
  });

  test("the peer that is silent is the one that is named, and a shorter wait is not held by a longer one", async () => {
    const { transport } = linked();
    const long = outcome(transport.receiveWithin(2, 0, 1, 60_000));
    const short = transport.receiveWithin(3, 0, 1, 50).catch((error: SymbolonError) => error.message);
    await vi.advanceTimersByTimeAsync(52);
    expect(await short).toBe("party 3 sent nothing for operation 0 within 50 ms");
    expect(long.code).toBe("PEER_TIMEOUT");
  });

  test("a pause between two waits is nobody's silence", async () => {
    const { transport, two } = linked();
    const first = outcome(transport.receive(2, 0, 1));
    two.observer.onFrame(0, new Uint8Array(1));
    await vi.advanceTimersByTimeAsync(5_000);
    const second = outcome(transport.receive(2, 1, 1));
    await vi.advanceTimersByTimeAsync(900);
    two.observer.onFrame(1, new Uint8Array(1));
    await vi.advanceTimersByTimeAsync(5_000);
    expect([first.code, second.code]).toEqual(["came", "came"]);
    expect(transport.error).toBeUndefined();
  });
});
