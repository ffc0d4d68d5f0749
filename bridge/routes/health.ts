/** Liveness, readiness, metrics and where the contracts are. */
import { z } from "zod";
import { deploymentViewSchema } from "../schemas.ts";
import { type BridgeApp, problems, type RouteContext } from "./context.ts";

/** Without an answer of the chain for this long the bridge is not ready. */
const silenceLimitMs = 120_000;

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
      const { head, cursor, lastSuccessMs, stopped } = listener.status;
      const lag = head === null ? Number.POSITIVE_INFINITY : head.number - (cursor?.blockNumber ?? 0);
      const reason =
        stopped?.message ??
        (lastSuccessMs === null
          ? "the chain has not answered yet"
          : Date.now() - lastSuccessMs > silenceLimitMs
            ? "the chain does not answer"
            : lag > config.confirmations + 100
              ? "the log is catching up with the chain"
              : null);
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
