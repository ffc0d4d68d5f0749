/** Waiting for the end of a command that runs until it is told to stop. */

/** Resolves at the first SIGINT or SIGTERM. A second one ends the process at once. */
export async function untilStopped(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  // A signal handler alone does not keep the process alive.
  const alive = setInterval(() => {}, 2 ** 30);
  const stop = (): void => resolve();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  await promise;
  clearInterval(alive);
}
