/**
 * Following jobs: live events carry each new view; polls fill in while they do not come through.
 */
import { io, Fetch as LongPolling, WebSocket as PlatformWebSocket, type Socket } from "socket.io-client";
import { SymbolonError } from "../mpc/errors.ts";
import { RecentMap } from "../mpc/recent-map.ts";
import { unreachable } from "./client-requests.ts";
import { type JobSummary, jobSummarySchema } from "./schemas.ts";

export interface Watch {
  close(): void;
}

export interface WatchOptions {
  url: string;
  /** Deadline of a subscription. */
  timeoutMs: number;
  /** How often to ask when live events do not come through. */
  pollMs: number;
}

/** Of which the last version is known. */
const maxJobs = 50_000;

/**
 * Calls `onView` with each version of each job once, in order.
 * @param list the present views, for when no events come
 * @param onTrouble told when they cannot be had; watching goes on
 */
export function watch(
  { url, timeoutMs, pollMs }: WatchOptions,
  subscription: { job: string } | { jobs: true },
  list: () => Promise<JobSummary[]>,
  onView: (view: JobSummary) => void,
  onTrouble: (error: SymbolonError) => void,
): Watch {
  const shown = new RecentMap<string, { version: number; progress: string }>(maxJobs);
  let closed = false;
  let live = false;
  const take = (view: JobSummary): void => {
    const progress = JSON.stringify(view.progress);
    const before = shown.get(view.id);
    const stale = before !== undefined && before.version > view.version;
    if (closed || stale || (before?.version === view.version && before.progress === progress)) return;
    shown.set(view.id, { version: view.version, progress });
    onView(view);
  };
  const refresh = async (): Promise<void> => {
    try {
      for (const view of await list()) take(view);
    } catch (thrown) {
      if (!closed) onTrouble(thrown instanceof SymbolonError ? thrown : unreachable(url, thrown));
    }
  };
  const socket = connect(url);
  socket.on("job", (raw: unknown) => {
    const parsed = jobSummarySchema.safeParse(raw);
    if (parsed.success) take(parsed.data);
  });
  socket.on("connect", () => {
    socket.timeout(timeoutMs).emit("subscribe", subscription, (error: Error | null, reply: unknown) => {
      // A refusal, say of a job that is not known yet, leaves the asking to the polls.
      live = error === null && (reply as { ok?: unknown } | undefined)?.ok === true;
      // What happened before the subscription is read once; the rest is pushed.
      void refresh();
    });
  });
  socket.on("disconnect", () => {
    live = false;
  });
  // Even a live connection is asked now and then, since a push that never comes makes no noise.
  let ticks = 0;
  const timer = setInterval(() => {
    ticks += 1;
    if (!live || ticks % 10 === 0) void refresh();
  }, pollMs);
  void refresh();
  return {
    close: () => {
      closed = true;
      clearInterval(timer);
      socket.close();
    },
  };
}

function connect(url: string): Socket {
  return io(url, {
    path: "/v1/events",
    // The run time's own WebSocket, in Node as in a browser; where a proxy stops it, long polling.
    transports: [PlatformWebSocket, LongPolling],
    tryAllTransports: true,
    reconnectionDelayMax: 5000,
  });
}
