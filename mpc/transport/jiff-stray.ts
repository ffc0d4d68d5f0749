/**
 * Keeps exceptions that JIFF's promises lose from ending the process. JIFF chains promises without catching
 * (`Promise.all(...).then(f)` with the result dropped), so an exception in a program's callback would be an
 * unhandled rejection. Those are traced to the session that ran the code, by its asynchronous context, and
 * fail that session. All others are rethrown and end the process, as without this.
 */
import { AsyncLocalStorage } from "node:async_hooks";

type Fail = (thrown: unknown) => void;

const running = new AsyncLocalStorage<Fail>();
let installed = false;

function onUnhandledRejection(reason: unknown): void {
  const fail = running.getStore();
  if (fail !== undefined) fail(reason);
  else if (process.listenerCount("unhandledRejection") === 1) throw reason;
}

/**
 * Runs `work`; what its callbacks throw and nobody catches goes to `fail`, also after the session has ended:
 * the listener stays for good.
 */
export function runContained<T>(fail: Fail, work: () => T): T {
  if (!installed) process.on("unhandledRejection", onUnhandledRejection);
  installed = true;
  return running.run(fail, work);
}
