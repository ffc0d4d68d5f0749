/** What is said of a job while nothing happens; the bridge's word is played by hand. */
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { JobSummary } from "../../../bridge/client.ts";
import type { BuyerClient, WatchOptions } from "../../../parties/buyer/client.ts";
import { follow } from "../../../parties/cli/follow-job.ts";
import { Output } from "../../../parties/cli/output.ts";

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000_000 }));
afterEach(() => void vi.useRealTimers());

const deadlineSec = 1_000_000 + 3600;
const deadline = new Date(deadlineSec * 1000).toISOString();
const view = (more: Partial<JobSummary>): JobSummary =>
  ({ deadlineSec, state: "Funded", joins: [], progress: null, ...more }) as JobSummary;

function following() {
  const stderr = Object.assign(new PassThrough(), { isTTY: false });
  const { promise, resolve } = Promise.withResolvers<void>();
  let onView: WatchOptions["onView"];
  const buyer = {
    waitForResult: (_job: string, options: WatchOptions) => {
      onView = options.onView;
      return promise;
    },
  } as unknown as BuyerClient;
  const output = new Output(false, { stdout: new PassThrough(), stderr }, {});
  const end = follow(buyer, `0x${"5c".repeat(32)}`, output);
  return {
    see: (more: Partial<JobSummary>) => onView!(view(more)),
    /** What stderr has after so many more seconds. */
    after: async (seconds: number): Promise<string> => {
      await vi.advanceTimersByTimeAsync(seconds * 1000);
      return stderr.read()?.toString() ?? "";
    },
    end: () => {
      resolve();
      return end;
    },
  };
}

test("a job that nobody or not everybody joins says for whom and until when it waits", async () => {
  const job = following();
  job.see({});
  expect(await job.after(4)).toBe("");
  expect(await job.after(2)).toContain(`waiting for parties 1, 2 and 3 to join, until ${deadline}`);
  job.see({ joins: [3, 1] });
  expect(await job.after(6)).toContain(
    `parties 1 and 3 joined; waiting for party 2 to join, until ${deadline} at the longest, seconds`,
  );
  // Not once a second.
  expect(await job.after(60)).toBe("");
  await job.end();
  expect(await job.after(1000)).toBe("");
});

test("a job whose parties do not reach each other says so after a moment, a step of a computation later", async () => {
  const job = following();
  const joined: Partial<JobSummary> = { state: "Joined", joins: [1, 2, 3] };
  job.see({ ...joined, progress: { phase: "connecting", done: 0, total: 1 } });
  expect(await job.after(1)).toContain("connecting");
  expect(await job.after(5)).toContain(`waiting for them to connect, until ${deadline}`);
  job.see({ ...joined, progress: { phase: "training", done: 2, total: 9 } });
  expect(await job.after(20)).toContain("training 2/9");
  expect(await job.after(12)).toContain(`training 2/9, nothing new; waiting until ${deadline}`);
  await job.end();
});

test("a bridge that does not know the job is said to be silent", async () => {
  const job = following();
  expect(await job.after(6)).toContain("the bridge does not tell");
  await job.end();
});
