/** Jobs: what is known of them, and what their operators post. */
import { z } from "zod";
import {
  addressSchema,
  attestationPostSchema,
  failurePostSchema,
  hash32Schema,
  jobEventSchema,
  jobStateSchema,
  jobSummarySchema,
  jobViewSchema,
  joinPostSchema,
  nextSchema,
  pageQuerySchema,
  prefixSchema,
  progressPostSchema,
  unopenedPostSchema,
} from "../schemas.ts";
import { type BridgeApp, problems, type RouteContext } from "./context.ts";

const params = z.object({ id: hash32Schema.describe("the hash of the job's terms") });
const tags = ["jobs"];
const posted = { 200: jobViewSchema, ...problems(400, 403, 404, 415, 429, 503) };
/** No post of an operator is longer. */
const bodyLimit = 8192;

export function jobRoutes(app: BridgeApp, { desk, database }: RouteContext): void {
  app.get(
    "/v1/jobs",
    {
      schema: {
        tags,
        summary: "Jobs in the order of their funding, without their specifications",
        querystring: z.object({
          ...pageQuerySchema,
          prefix: prefixSchema.optional().describe("only jobs whose ids begin with it"),
          state: jobStateSchema.optional(),
          operatorSet: hash32Schema.optional(),
          buyer: addressSchema.optional(),
        }),
        response: { 200: z.object({ jobs: z.array(jobSummarySchema), next: nextSchema }), ...problems(400) },
      },
    },
    ({ query }) => {
      const { entries: jobs, next } = desk.list(query);
      return { jobs, next };
    },
  );

  app.get(
    "/v1/jobs/:id",
    {
      schema: {
        tags,
        summary: "One job with the receipts of its transactions",
        params,
        response: { 200: jobViewSchema, ...problems(400, 404) },
      },
    },
    (request) => desk.view(request.params.id),
  );

  app.get(
    "/v1/jobs/:id/events",
    {
      schema: {
        tags,
        summary: "What happened to a job, in order",
        params,
        querystring: z.object({
          after: z.coerce
            .number()
            .int()
            .nonnegative()
            .default(0)
            .describe("sequence number of the last event known"),
          limit: pageQuerySchema.limit,
        }),
        response: { 200: z.object({ events: z.array(jobEventSchema) }), ...problems(400, 404) },
      },
    },
    (request) => {
      const { id } = desk.view(request.params.id);
      return { events: database.jobEvents(id, request.query.after, request.query.limit) };
    },
  );

  app.post(
    "/v1/jobs/:id/joins",
    {
      bodyLimit,
      schema: {
        tags,
        summary: "An operator agrees to run the job",
        params,
        body: joinPostSchema,
        response: posted,
      },
    },
    (request) => desk.postJoin(request.params.id, request.body),
  );

  app.post(
    "/v1/jobs/:id/attestations",
    {
      bodyLimit,
      schema: {
        tags,
        summary: "An operator attests to the result",
        params,
        body: attestationPostSchema,
        response: posted,
      },
    },
    (request) => desk.postAttestation(request.params.id, request.body),
  );

  app.post(
    "/v1/jobs/:id/failures",
    {
      bodyLimit,
      schema: {
        tags,
        summary: "An operator gives the job up",
        params,
        body: failurePostSchema,
        response: posted,
      },
    },
    (request) => desk.postFailure(request.params.id, request.body),
  );

  app.post(
    "/v1/jobs/:id/unopened",
    {
      bodyLimit,
      schema: {
        tags,
        summary: "An operator says of a job that ended that none of its data was opened",
        params,
        body: unopenedPostSchema,
        response: posted,
      },
    },
    (request) => desk.postUnopened(request.params.id, request.body),
  );

  app.post(
    "/v1/jobs/:id/progress",
    {
      bodyLimit,
      schema: {
        tags,
        summary: "An operator says how far it is",
        params,
        body: progressPostSchema,
        response: posted,
      },
    },
    (request) => desk.postProgress(request.params.id, request.body),
  );
}
