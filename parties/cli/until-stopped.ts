/** Waiting for the end of a command that runs until it is told to stop. */

/** Resolves at the first SIGINT or SIGTERM, or when stdin ends if that counts. A second signal ends the process. */
export async function untilStopped(stdinCounts = false): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // A signal handler alone does not keep the process alive.
  const alive = setInterval(() => {}, 2 ** 30);
  const stop = (): void => resolve();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  if (stdinCounts) {
    process.stdin.on("end", stop).on("error", stop).resume();
  }
  await promise;
  clearInterval(alive);
  process.stdin.pause();
}

/** Runs `body`. An interrupt meanwhile still ends the process as a signal does, but `say` is heard before. */
export async function heardWhenInterrupted<T>(say: () => void, body: () => Promise<T>): Promise<T> {
  const interrupted = (signal: NodeJS.Signals): void => {
    say();
    // After the other listeners, of calls around this one; then nobody listens any more, and the signal ends the process.
    setImmediate(() => process.kill(process.pid, signal));
  };
  const signals = ["SIGINT", "SIGTERM"] as const;
  // What is innermost has its say first: it ends its progress bar.
  for (const signal of signals) process.prependOnceListener(signal, interrupted);
  try {
    return await body();
  } finally {
    for (const signal of signals) process.off(signal, interrupted);
  }
}
