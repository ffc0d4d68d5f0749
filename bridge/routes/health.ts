/** Liveness, readiness, metrics and where the contracts are. */
import { z } from "zod";
import type { ListenerStatus } from "../chain/listener.ts";
import { deploymentViewSchema } from "../schemas.ts";
import { type BridgeApp, problems, type RouteContext } from "./context.ts";

/** Without an answer of the chain for this long the bridge is not ready. */
const silenceLimitMs = 120_000;
/** So many blocks behind the newest final one it is not ready either. */
const lagLimitBlocks = 100;

const readinessSchema = z.object({
  ready: z.boolean(),
  /** Number of the newest block that was seen and of the last one whose facts are in the log. */
  headBlock: z.int().nullable(),
  logBlock: z.int().nullable(),
  reason: z.string().nullable(),
});

export function healthRoutes(app: BridgeApp, { listener, metrics, deployment, config }: RouteContext): void {
  const unlimited = { rateLimit: false };

  app.get(
    "/healthz",
    {
      config: unlimited,
      schema: {
        tags: ["health"],
        summary: "The process answers",
        response: { 200: z.object({ status: z.literal("ok") }) },
      },
    },
    () => ({ status: "ok" as const }),
  );

  app.get(
    "/readyz",
    {
      config: unlimited,
      schema: {
        tags: ["health"],
        summary: "The log follows the chain",
        response: { 200: readinessSchema, 503: readinessSchema },
      },
    },
    async (_request, reply) => {
      const { head, cursor } = listener.status;
      const reason = notReadyBecause(listener.status, config.confirmations);
      return reply.status(reason === null ? 200 : 503).send({
        ready: reason === null,
        headBlock: head?.number ?? null,
        logBlock: cursor?.blockNumber ?? null,
        reason,
      });
    },
  );

  app.get(
    "/metrics",
    {
      config: unlimited,
      schema: {
        tags: ["health"],
        summary: "Prometheus metrics",
        response: { 200: { description: "metrics", content: { "text/plain": { schema: z.string() } } } },
      },
    },
    async (_request, reply) =>
      reply
        .header("content-type", metrics.registry.contentType)
        .serializer((text: unknown) => String(text))
        .send(await metrics.registry.metrics()),
  );

  app.get(
    "/v1/deployment",
    {
      schema: {
        tags: ["market"],
        summary: "Chain, contract addresses and the paths of the socket services",
        response: { 200: deploymentViewSchema, ...problems(503) },
      },
    },
    () => deployment(),
  );
}

/** Why the log does not follow the chain now, or null when it does. */
function notReadyBecause(status: ListenerStatus, confirmations: number): string | null {
  const { head, cursor, lastSuccessMs, stopped, trouble } = status;
  if (stopped !== null) return stopped.message;
  if (head === null || lastSuccessMs === null) return trouble?.message ?? "the chain has not answered yet";
  if (Date.now() - lastSuccessMs > silenceLimitMs) return trouble?.message ?? "the chain does not answer";
  const lagBlocks = head.number - (cursor?.blockNumber ?? 0);
  return lagBlocks > confirmations + lagLimitBlocks ? "the log is catching up with the chain" : null;
}
