/** Prometheus metrics. Gauges are computed when they are read, so they cannot drift from the log. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { ListenerStatus } from "./chain/listener.ts";
import type { BlobStore } from "./store/blobs.ts";
import type { BridgeDatabase } from "./store/database.ts";

export interface MetricsSources {
  database: BridgeDatabase;
  blobs: BlobStore;
  listener: () => ListenerStatus;
  stuckJobs: () => Promise<number>;
  subscribers: () => number;
  computations: () => number;
  meshLinks: () => number;
  meshSockets: () => number;
  meshBytes: () => number;
}

export class BridgeMetrics {
  readonly registry = new Registry();
  /** Requests that were refused, by error code. */
  readonly rejected: Counter<"code">;
  /** Transactions of the bridge, by kind and what became of them. */
  readonly transactions: Counter<"kind" | "outcome">;
  readonly requestSeconds: Histogram<"method" | "route" | "status">;

  constructor(sources: MetricsSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry, prefix: "symbolon_bridge_" });
    this.rejected = new Counter({
      name: "symbolon_bridge_rejected_inputs_total",
      help: "Requests refused, by error code",
      labelNames: ["code"],
      registers,
    });
    this.transactions = new Counter({
      name: "symbolon_bridge_transactions_total",
      help: "Transactions of the bridge, by kind and outcome",
      labelNames: ["kind", "outcome"],
      registers,
    });
    this.requestSeconds = new Histogram({
      name: "symbolon_bridge_request_seconds",
      help: "Time to answer a request",
      labelNames: ["method", "route", "status"],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers,
    });
    new Gauge({
      name: "symbolon_bridge_jobs",
      help: "Jobs, by state",
      labelNames: ["state"],
      registers,
      collect() {
        this.reset();
        for (const { state, jobs } of sources.database.jobsByState()) this.set({ state }, jobs);
      },
    });
    this.#gauge("jobs_stuck", "Jobs that should have ended by now and have not", sources.stuckJobs);
    this.#gauge("blobs", "Blobs in the store", () => sources.blobs.count);
    this.#gauge("blob_bytes", "Bytes of all blobs", () => sources.blobs.totalBytes);
    this.#gauge("subscribers", "Connections that follow live events", sources.subscribers);
    this.#gauge("relay_computations", "Computations on the relay", sources.computations);
    this.#gauge("mesh_relay_links", "Pairs of parties that meet through the relay", sources.meshLinks);
    this.#gauge("mesh_relay_sockets", "Connections to the mesh relay, paired or not", sources.meshSockets);
    this.#gauge("mesh_relay_bytes", "Bytes passed on between parties since the start", sources.meshBytes);
    this.#gauge("chain_lag_blocks", "Blocks between the head of the chain and the log", () => {
      const { head, cursor } = sources.listener();
      return head === null ? Number.NaN : head.number - (cursor?.blockNumber ?? 0);
    });
    this.#gauge("chain_silence_seconds", "Time since the chain last answered", () => {
      const { lastSuccessMs } = sources.listener();
      return lastSuccessMs === null ? Number.NaN : (Date.now() - lastSuccessMs) / 1000;
    });
  }

  #gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name: `symbolon_bridge_${name}`,
      help,
      registers: [this.registry],
      async collect() {
        this.set(await read());
      },
    });
  }
}
