/**
 * Live job events over socket.io. A client sends "subscribe" with `{ job: "0x…" }` or `{ jobs: true }` and gets
 * "job" messages, each a whole job view without its specification; the acknowledgement of a subscription to
 * one job carries its present view, so nothing falls between asking and listening. Clients can send nothing
 * else.
 */
import type { Server as HttpServer } from "node:http";
import type { Logger } from "pino";
import { Server } from "socket.io";
import { WebSocketServer } from "ws";
import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";
import { type JobDesk, summaryOf } from "./jobs/desk.ts";
import { hash32Schema, type JobSummary } from "./schemas.ts";

export const eventsPath = "/v1/events";

export const subscriptionSchema = z.union([
  z.strictObject({ job: hash32Schema }),
  z.strictObject({ jobs: z.literal(true) }),
]);
export type Subscription = z.infer<typeof subscriptionSchema>;

export type SubscriptionReply =
  | { ok: true; job: JobSummary | null }
  | { ok: false; code: string; message: string };

interface ServerEvents {
  job: (view: JobSummary) => void;
}
interface ClientEvents {
  subscribe: (subscription: Subscription, reply: (reply: SubscriptionReply) => void) => void;
  unsubscribe: (subscription: Subscription) => void;
}

export interface LiveEventsOptions {
  desk: JobDesk;
  maxSubscribers: number;
  maxRoomsEach: number;
  corsOrigins: string[];
  logger: Logger;
}

export class LiveEvents {
  readonly #server: Server<ClientEvents, ServerEvents>;
  readonly #options: LiveEventsOptions;
  readonly #stopWatching: () => void;

  constructor(httpServer: HttpServer, options: LiveEventsOptions) {
    this.#options = options;
    this.#server = new Server(httpServer, {
      path: eventsPath,
      serveClient: false,
      // Named here, because the overrides for JIFF's unused dependencies also take engine.io's own copy away.
      wsEngine: WebSocketServer,
      // Other upgrades belong to the relay on the same server; closing them is not this server's business.
      destroyUpgrade: false,
      maxHttpBufferSize: 4096,
      cors: { origin: options.corsOrigins.includes("*") ? "*" : options.corsOrigins },
      allowRequest: (_request, callback) => callback(null, this.subscribers < options.maxSubscribers),
    });
    this.#server.on("connection", (socket) => {
      socket.on("subscribe", (subscription, reply) => {
        if (typeof reply === "function") reply(this.#subscribe(socket, subscription));
      });
      socket.on("unsubscribe", (subscription) => {
        const parsed = subscriptionSchema.safeParse(subscription);
        if (parsed.success) void socket.leave(roomOf(parsed.data));
      });
    });
    this.#stopWatching = options.desk.watch((view) => {
      this.#server.to(["jobs", roomOf({ job: view.id })]).emit("job", summaryOf(view));
    });
  }

  get subscribers(): number {
    return this.#server.engine.clientsCount;
  }

  async close(): Promise<void> {
    this.#stopWatching();
    this.#server.disconnectSockets(true);
    // The HTTP server is fastify's to close; only the engine on top of it ends here.
    this.#server.engine.close();
  }

  #subscribe(
    socket: { rooms: Set<string>; join: (room: string) => unknown },
    raw: unknown,
  ): SubscriptionReply {
    try {
      const parsed = subscriptionSchema.safeParse(raw);
      if (!parsed.success) throw new SymbolonError("USAGE", "subscribe with { job: id } or { jobs: true }");
      if (socket.rooms.size > this.#options.maxRoomsEach) {
        throw new SymbolonError("LIMIT_EXCEEDED", `at most ${this.#options.maxRoomsEach} subscriptions each`);
      }
      const job = "job" in parsed.data ? summaryOf(this.#options.desk.view(parsed.data.job)) : null;
      void socket.join(roomOf(parsed.data));
      return { ok: true, job };
    } catch (error) {
      if (error instanceof SymbolonError) return { ok: false, code: error.code, message: error.message };
      this.#options.logger.error({ err: error }, "subscription failed");
      return { ok: false, code: "INTERNAL", message: "a defect of the bridge" };
    }
  }
}

function roomOf(subscription: Subscription): string {
  return "job" in subscription ? `job:${subscription.job}` : "jobs";
}
