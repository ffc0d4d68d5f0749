/**
 * Puts the bridge together: store, chain, job desk, HTTP routes, live events. `buildBridge` opens no port;
 * only server.ts listens. The bridge begins to follow the chain when the app is ready and stops when it is
 * closed.
 */
import { join } from "node:path";
import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import fastify, { LogController } from "fastify";
import {
  createJsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { Logger } from "pino";
import type { Deployment } from "../contracts/deployment.ts";
import { SymbolonError } from "../mpc/errors.ts";
import { randomId } from "../mpc/random.ts";
import type { MarketChain } from "./chain/chain.ts";
import { ChainListener } from "./chain/listener.ts";
import type { BridgeConfig } from "./config.ts";
import { eventsPath, LiveEvents } from "./events.ts";
import { admittedKey } from "./jobs/admission.ts";
import { JobDesk } from "./jobs/desk.ts";
import { createLogger } from "./logger.ts";
import { BridgeMetrics } from "./metrics.ts";
import { describeError, sendProblem } from "./problem.ts";
import { attachRelay } from "./relay/jiff-relay.ts";
import { attachMeshRelay } from "./relay/mesh-relay.ts";
import { blobRoutes } from "./routes/blobs.ts";
import type { BridgeApp, RouteContext } from "./routes/context.ts";
import { healthRoutes } from "./routes/health.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { marketRoutes } from "./routes/market.ts";
import { type DeploymentView, meshRelayPath } from "./schemas.ts";
import { BlobStore } from "./store/blobs.ts";
import { BridgeDatabase } from "./store/database.ts";

export const relayPath = "/v1/relay";

/** How long requests that are under way may still take when the bridge is closed. */
const closeGraceMs = 1000;

export interface BridgeOptions {
  config: BridgeConfig & { deployment: Deployment };
  logger?: Logger;
  /** The chain to follow; it is closed with the app. */
  chain: MarketChain;
  /** Wait before a refused transaction is tried again for the first time. */
  retryBackOffMs?: number;
}

/** Builds the bridge. Close it with `app.close()`. @throws CONFIG_INVALID */
export async function buildBridge(options: BridgeOptions): Promise<BridgeApp> {
  const { config, chain } = options;
  const logger = options.logger ?? createLogger(config.logLevel);
  const { deployment } = config;
  const database = new BridgeDatabase(
    join(config.dataDir, "bridge.sqlite"),
    deployment,
    config.maxReorgBlocks,
  );

  const blobs = await BlobStore.open({
    folder: join(config.dataDir, "blobs"),
    ...config.blobs,
    isNeeded: (hash) => database.namesBlob(hash),
  });

  const times = once(() => chain.times());
  const desk = new JobDesk({
    chain,
    deployment,
    database,
    blobs,
    times,
    logger,
    onTransaction: (action, { outcome }) => metrics.transactions.inc({ kind: action.kind, outcome }),
    ...(options.retryBackOffMs === undefined ? {} : { retryBackOffMs: options.retryBackOffMs }),
  });
  const listener = new ChainListener({
    chain,
    database,
    confirmations: config.confirmations,
    pollMs: config.pollMs,
    logger,
    onFacts: (result) => desk.takeFacts(result),
    onHead: (head) => {
      desk.takeHead(head).catch((error) => logger.error({ err: error }, "duties could not be reviewed"));
    },
    onRewind: () => undefined,
  });

  const app = fastify({
    loggerInstance: logger,
    // One line an answer (below), not two a request.
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: config.trustProxy,
    genReqId: () => randomId(),
    bodyLimit: 64 * 1024,
    // An upload of the largest blob over a slow line takes a while; idle connections do not get that long.
    requestTimeout: 15 * 60_000,
    connectionTimeout: 0,
    keepAliveTimeout: 60_000,
    return503OnClosing: true,
    exposeHeadRoutes: false,
  }).withTypeProvider<ZodTypeProvider>() as unknown as BridgeApp;

  const events = new LiveEvents(app.server, {
    desk,
    ...config.events,
    corsOrigins: config.corsOrigins,
    logger,
  });
  const admission = { market: deployment, database, maxAttempts: config.relay.maxAttempts };
  const relay = config.relay.enabled
    ? attachRelay(app.server, {
        path: relayPath,
        admit: (computationId, partyIndex) => admittedKey(admission, computationId, partyIndex),
        logger: logger.child({ part: "relay" }),
      })
    : null;
  const meshRelay = config.meshRelay.enabled
    ? attachMeshRelay(app.server, {
        path: meshRelayPath,
        admit: (computationId, partyIndex) => admittedKey(admission, computationId, partyIndex),
        limits: { maxSockets: config.meshRelay.maxSockets, maxLinkBytes: config.meshRelay.maxLinkBytes },
        logger: logger.child({ part: "mesh relay" }),
      })
    : null;
  // The socket services leave upgrades to other paths alone; nobody else would end them.
  const socketPaths = relay === null ? [eventsPath] : [eventsPath, relayPath];
  app.server.on("upgrade", (request, socket) => {
    if (meshRelay !== null && request.url?.split("?")[0] === meshRelayPath) return;
    if (!socketPaths.some((path) => request.url?.startsWith(`${path}/`))) socket.destroy();
  });
  const metrics = new BridgeMetrics({
    database,
    blobs,
    listener: () => listener.status,
    stuckJobs: async () => desk.stuckJobs(await times()),
    subscribers: () => events.subscribers,
    computations: () => relay?.computations ?? 0,
    meshLinks: () => meshRelay?.links ?? 0,
    meshSockets: () => meshRelay?.sockets ?? 0,
    meshBytes: () => meshRelay?.bytes ?? 0,
  });

  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  // Bytes are handed to the route as a stream; without a parser of its own fastify would refuse the type.
  app.removeContentTypeParser("text/plain");
  app.addContentTypeParser("application/octet-stream", (_request, payload, done) => done(null, payload));
  app.setErrorHandler((error, request, reply) => {
    metrics.rejected.inc({ code: describeError(error).code });
    return sendProblem(error, request, reply);
  });
  app.addHook("onRequest", crossOrigin(config.corsOrigins));
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "unknown";
    const labels = { method: request.method, route, status: String(reply.statusCode) };
    metrics.requestSeconds.observe(labels, reply.elapsedTime / 1000);
    request.log.debug({ req: request, res: reply }, "answered");
    done();
  });

  await app.register(rateLimit, {
    global: true,
    max: config.rateLimit.max,
    timeWindow: config.rateLimit.windowMs,
    errorResponseBuilder: (_request, { ttl }) =>
      new SymbolonError("LIMIT_EXCEEDED", "too many requests from this address", {
        hint: `wait ${Math.ceil(ttl / 1000)} s`,
      }),
  });
  app.setNotFoundHandler({ preHandler: app.rateLimit() }, (request, reply) => {
    const error = new SymbolonError("NOT_FOUND", "no such path", { hint: "see /v1/docs" });
    metrics.rejected.inc({ code: error.code });
    return sendProblem(error, request, reply);
  });
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Symbolon bridge",
        description:
          "Between the chain, the compute parties, sellers and buyers. It holds ciphertext and public chain data only.",
        version: "1.0.0",
      },
      tags: [
        { name: "health", description: "Liveness, readiness, metrics" },
        { name: "market", description: "Contracts, operators, operator sets, offers" },
        { name: "jobs", description: "Jobs and what their operators post" },
        { name: "blobs", description: "Content-addressed ciphertexts" },
      ],
    },
    exposeHeadRoutes: true,
    transform: createJsonSchemaTransform({}),
  });
  await app.register(swaggerUi, { routePrefix: "/v1/docs", logLevel: "warn" });

  const deploymentView = async (): Promise<DeploymentView> => ({
    chainId: deployment.chainId,
    operatorRegistry: deployment.operatorRegistry,
    jobEscrow: deployment.jobEscrow,
    disputes: deployment.disputes,
    blockNumber: deployment.blockNumber,
    ...(await times()),
    confirmations: config.confirmations,
    relayPath,
    eventsPath,
  });
  const context: RouteContext = {
    config,
    database,
    blobs,
    desk,
    listener,
    metrics,
    deployment: deploymentView,
  };
  healthRoutes(app, context);
  blobRoutes(app, context);
  marketRoutes(app, context);
  jobRoutes(app, context);
  app.get("/v1/openapi.json", { schema: { hide: true } }, (_request, reply) =>
    reply
      .type("application/json; charset=utf-8")
      .serializer((document: unknown) => JSON.stringify(document))
      .send(app.swagger() as never),
  );

  app.addHook("onReady", (done) => {
    listener.start();
    done();
  });
  // Sockets must go before the HTTP server can close; the store goes when nothing uses it any more.
  app.addHook("preClose", async () => {
    await relay?.close();
    meshRelay?.close();
    await events.close();
    // Neither a slow download nor a connection that never asked for anything holds the shutdown up.
    setTimeout(() => app.server.closeAllConnections(), closeGraceMs).unref();
  });
  app.addHook("onClose", async () => {
    await listener.close();
    await desk.close();
    await chain.close();
    database.close();
  });
  return app;
}

/** Runs `read` until it succeeds once, then keeps its value: for what a deployment fixed for good. */
function once<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let known: Promise<Value> | null = null;
  return () => {
    known ??= read().catch((error) => {
      known = null;
      throw error;
    });
    return known;
  };
}

/** Lets pages of the configured origins call the bridge. Nothing here depends on cookies. */
function crossOrigin(origins: string[]) {
  return (
    request: { method: string; headers: { origin?: string | undefined } },
    reply: {
      header: (name: string, value: string) => unknown;
      status: (code: number) => { send: () => unknown };
    },
    done: () => void,
  ): void => {
    const { origin } = request.headers;
    if (origin !== undefined && (origins.includes("*") || origins.includes(origin))) {
      reply.header("access-control-allow-origin", origins.includes("*") ? "*" : origin);
      reply.header("vary", "origin");
      if (request.method === "OPTIONS") {
        reply.header("access-control-allow-methods", "GET, HEAD, PUT, POST");
        reply.header("access-control-allow-headers", "content-type");
        reply.header("access-control-max-age", "600");
        reply.status(204).send();
        return;
      }
    }
    done();
  };
}
