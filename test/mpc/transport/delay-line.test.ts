/** The emulated latency: nothing early, nothing out of order, nothing while nothing is under way. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { DelayLine } from "../../../mpc/transport/delay-line.ts";
import { MeshWorld, round } from "./mesh-world.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
/** The same by the timer as it was before anybody watched it. */
const unwatched = setTimeout;
const later = (ms: number) => new Promise((resolve) => unwatched(resolve, ms));

describe.each([0.5, 5, 25])("a delay of %d ms", (delayMs) => {
  test("holds for each event, in order, whether they come in bursts or apart", async () => {
    const line = new DelayLine(delayMs);
    const pushed: number[] = [];
    const happened: [number, number][] = [];
    for (let i = 0; i < 60; i++) {
      pushed.push(performance.now());
      line.push(() => happened.push([i, performance.now()]));
      if (i % 7 === 0) await pause(i % 3);
    }
    await expect.poll(() => happened.length, { timeout: 10_000 }).toBe(60);
    expect(happened.map(([i]) => i)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    for (const [i, at] of happened) expect(at - pushed[i]!).toBeGreaterThanOrEqual(delayMs);
  });

  test("that is over asks nothing of the processor", async () => {
    const line = new DelayLine(delayMs);
    const slept = vi.spyOn(Atomics, "wait");
    await new Promise<void>((resolve) => line.push(resolve));
    const [timers, immediates] = [vi.spyOn(globalThis, "setTimeout"), vi.spyOn(globalThis, "setImmediate")];
    slept.mockClear();
    await later(20);
    expect([slept, timers, immediates].map((spy) => spy.mock.calls.length)).toEqual([0, 0, 0]);
  });

  test("is slept through: of the wait, only the last stretch is looked at again and again", async () => {
    const line = new DelayLine(delayMs);
    const slept = vi.spyOn(Atomics, "wait");
    const turned = vi.spyOn(globalThis, "setImmediate");
    await new Promise<void>((resolve) => line.push(resolve));
    // 1.2 ms in slices of a tenth, and what the timer before them is too early.
    expect(slept.mock.calls.length).toBeLessThanOrEqual(25);
    expect(turned.mock.calls.length).toBeLessThanOrEqual(25);
  });

  test("holds for a round of the mesh", async () => {
    const world = await MeshWorld.start();
    const transports = await world.transports(world.newContext(), { delayMs });
    const start = performance.now();
    for (let operation = 0; operation < 4; operation++)
      await Promise.all(transports.map((transport) => round(transport, operation, Buffer.alloc(1500))));
    expect(performance.now() - start).toBeGreaterThanOrEqual(4 * delayMs);
    for (const transport of transports) transport.close();
    await world.stop();
  });
});

test("an event that pushes another waits for it the whole time", async () => {
  const line = new DelayLine(3);
  const start = performance.now();
  const end = await new Promise<number>((resolve) =>
    line.push(() => line.push(() => resolve(performance.now()))),
  );
  expect(end - start).toBeGreaterThanOrEqual(6);
});
