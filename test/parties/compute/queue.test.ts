import { describe, expect, test } from "vitest";
import { RankedQueue } from "../../../parties/compute/queue.ts";

const never = new AbortController().signal;

/** Work that ends when it is told to. */
function work(log: string[], name: string) {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    resolve,
    run: async () => {
      log.push(name);
      await promise;
      return name;
    },
  };
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("a ranked queue", () => {
  test("runs so many at a time, the lowest rank first", async () => {
    const log: string[] = [];
    const queue = new RankedQueue(2);
    const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((name) => work(log, name));
    const all = [
      queue.run(9, never, a!.run),
      queue.run(8, never, b!.run),
      queue.run(3, never, c!.run),
      queue.run(1, never, d!.run),
      queue.run(3, never, e!.run),
    ];
    await settle();
    expect([log, queue.running, queue.waiting]).toEqual([["a", "b"], 2, 3]);
    for (const each of [b, a, d, c, e]) {
      each!.resolve();
      await settle();
    }
    expect(log).toEqual(["a", "b", "d", "c", "e"]);
    expect(await Promise.all(all)).toEqual(["a", "b", "c", "d", "e"]);
    expect(queue.running).toBe(0);
  });

  test("gives the slot of work that failed to the next", async () => {
    const queue = new RankedQueue(1);
    const first = queue.run(1, never, () => Promise.reject(new Error("broken")));
    const second = queue.run(2, never, async () => "done");
    await expect(first).rejects.toThrow("broken");
    expect(await second).toBe("done");
  });

  test("leaves out who gave up waiting", async () => {
    const log: string[] = [];
    const queue = new RankedQueue(1);
    const a = work(log, "a");
    const running = queue.run(1, never, a.run);
    const stop = new AbortController();
    const gone = queue.run(2, stop.signal, work(log, "gone").run);
    const last = queue.run(3, never, async () => log.push("last"));
    stop.abort(new Error("stopped"));
    await expect(gone).rejects.toThrow("stopped");
    a.resolve();
    await Promise.all([running, last]);
    expect(log).toEqual(["a", "last"]);
    await expect(queue.run(1, stop.signal, async () => log.push("late"))).rejects.toThrow("stopped");
    expect([queue.running, queue.waiting]).toEqual([0, 0]);
  });
});
