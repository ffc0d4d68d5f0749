import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ProgressReporter, type Report } from "../../../parties/compute/progress.ts";

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

test("of many reports a few go out, the last one among them", async () => {
  const sent: Report[] = [];
  const reporter = new ProgressReporter(async (report) => {
    sent.push(report);
    // The bridge's trouble is not the run's.
    throw new Error("unreachable");
  });
  for (let i = 1; i <= 1000; i++) {
    reporter.listener("Training", i, 1000);
    if (i % 100 === 0) await vi.advanceTimersByTimeAsync(100);
  }
  await vi.advanceTimersByTimeAsync(1000);
  expect(sent.length).toBeLessThan(7);
  expect(sent[0]).toEqual({ phase: "training", done: 1, total: 1000 });
  expect(sent.at(-1)).toEqual({ phase: "training", done: 1000, total: 1000 });
  reporter.close();
  reporter.listener("training", 1, 1);
  await vi.advanceTimersByTimeAsync(1000);
  expect(sent.at(-1)?.total).toBe(1000);
});
