/** `Backend.together` where nothing waits: one task after the other. */
export async function inTurn<T>(
  tasks: readonly (() => Promise<T>)[],
  resumed: (task: number) => void,
): Promise<T[]> {
  const results: T[] = [];
  for (const [i, task] of tasks.entries()) {
    resumed(i);
    results.push(await task());
  }
  return results;
}
