/**
 * How V8's garbage collector treats a process whose memory is mostly outside of its heap: kernels, frames and
 * key streams. By default V8 begins a full collection whenever a few dozen megabytes of buffers were taken since
 * the last one, however small the heap is: ten a second while shares are received, each of 20 to 40 ms,
 * which were 40 % of an aggregation and 13 % of a training step over 10000 x 100.
 */
import v8 from "node:v8";

/** For the command line of a process that shares few cores with others: no threads of the collector's own. */
export const fewCores: readonly string[] = ["--single-threaded-gc"];

/** Older ones lack the setting, and would complain on stderr. */
const oldestMajor = 13;

/**
 * From now on a collection begins when heap and buffers together have grown in proportion to what was left by
 * the last one, as it is for the heap alone. Call it once, when the process starts.
 */
export function countBuffersAsHeap(): void {
  if (Number.parseInt(process.versions.v8, 10) < oldestMajor) return;
  v8.setFlagsFromString("--external-memory-accounted-in-global-limit");
}
