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
