/**
 * Keeps exceptions that JIFF's promises lose from ending the process. JIFF chains promises without catching
 * (`Promise.all(...).then(f)` with the result dropped), so an exception in a program's callback would be an
 * unhandled rejection. While sessions are open, such rejections are traced to the session that ran the code,
 * by its asynchronous context, and fail that session. All others are rethrown and end the process as before.
 */
import { AsyncLocalStorage } from "node:async_hooks";

type Fail = (thrown: unknown) => void;

const running = new AsyncLocalStorage<Fail>();
let users = 0;

function onUnhandledRejection(reason: unknown): void {
  const fail = running.getStore();
  if (fail !== undefined) fail(reason);
  else if (process.listenerCount("unhandledRejection") === 1) throw reason;
}

/** Runs `work`; what its callbacks throw and nobody catches goes to `fail`. */
export function runContained<T>(fail: Fail, work: () => T): T {
  return running.run(fail, work);
}

/** Starts containment. Returns what ends it; idempotent. */
export function containStrayRejections(): () => void {
  if (users++ === 0) process.on("unhandledRejection", onUnhandledRejection);
  let released = false;
  return () => {
    if (released) return;
    released = true;
    // Rejections are reported after the microtasks of the turn that caused them.
    setImmediate(() => {
      if (--users === 0) process.off("unhandledRejection", onUnhandledRejection);
    });
  };
}
