/**
 * V8's garbage collector in a process whose memory is mostly outside of its heap: kernels, frames and key streams.
 *
 * By default V8 begins a full collection whenever a few dozen megabytes of buffers were taken since the last one,
 * however small the heap is: ten a second while shares are received, each of 20 to 40 ms, which was 40 % of an
 * aggregation and 13 % of a training step over 10000 x 100. And it collects on threads of its own, which take
 * the cores away from the parties where there are few.
 *
 * Buffers that died young go when the young generation is collected, at 0.2 ms a time. With V8's usual 16 MB of it
 * those of 75 training steps pile up meanwhile and count as grown, so that the whole heap was marked instead, at
 * 25 ms: a step over 569 x 30 took 2.5 ms, and takes 1.5 ms with a young generation that is collected early.
 */

/** V8 before 13 does not know the setting, and would not start with it. */
const countsBuffers = Number.parseInt(process.versions.v8, 10) >= 13;

/**
 * For the command line of a process that shares few cores with others. A collection then begins when heap and
 * buffers together have grown in proportion to what the last one left; the limit of the heap bounds what piles up
 * meanwhile (2 GB of dead buffers were seen with the default limit, 270 MB with one of 300 MB). Heaps are small
 * here, and the memory of kernels does not count.
 */
export const fewCores: readonly string[] = [
  "--single-threaded-gc",
  "--max-old-space-size=512",
  "--max-semi-space-size=1",
  ...(countsBuffers ? ["--external-memory-accounted-in-global-limit"] : []),
];
