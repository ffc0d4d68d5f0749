/** What the routes work with. Each route file is a function of the app and this. */
import type {
  FastifyBaseLogger,
  FastifyInstance,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import type { z } from "zod";
import type { ChainListener } from "../chain/listener.ts";
import type { BridgeConfig } from "../config.ts";
import type { JobDesk } from "../jobs/desk.ts";
import type { BridgeMetrics } from "../metrics.ts";
import { problemContentType } from "../problem.ts";
import { type DeploymentView, problemSchema } from "../schemas.ts";
import type { BlobStore } from "../store/blobs.ts";
import type { BridgeDatabase } from "../store/database.ts";

export type BridgeApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export interface RouteContext {
  config: BridgeConfig;
  database: BridgeDatabase;
  blobs: BlobStore;
  desk: JobDesk;
  listener: ChainListener;
  metrics: BridgeMetrics;
  deployment: () => Promise<DeploymentView>;
}

/** Problem responses for the OpenAPI document of a route. */
export function problems<Status extends number>(...statuses: Status[]) {
  const entries = statuses.map((status) => [
    status,
    { description: "problem", content: { [problemContentType]: { schema: problemSchema } } },
  ]);
  return Object.fromEntries(entries) as Record<
    Status,
    { description: string; content: Record<string, { schema: z.ZodType }> }
  >;
}
