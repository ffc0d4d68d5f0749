/** Operators, operator sets and offers, as the chain's final blocks have them. */
import { z } from "zod";
import { SymbolonError } from "../../mpc/errors.ts";
import {
  hash32Schema,
  nextSchema,
  offerViewSchema,
  operatorViewSchema,
  pageQuerySchema,
  prefixSchema,
  setViewSchema,
} from "../schemas.ts";
import { type BridgeApp, problems, type RouteContext } from "./context.ts";

const tags = ["market"];

export function marketRoutes(app: BridgeApp, { database }: RouteContext): void {
  app.get(
    "/v1/operators",
    {
      schema: {
        tags,
        summary: "Compute-party operators, their public keys and approved algorithms",
        response: { 200: z.object({ operators: z.array(operatorViewSchema) }) },
      },
    },
    () => ({ operators: database.operators() }),
  );

  app.get(
    "/v1/sets",
    {
      schema: {
        tags,
        summary: "Operator sets; the place in `members` is the point of the sharing",
        response: { 200: z.object({ sets: z.array(setViewSchema) }) },
      },
    },
    () => ({ sets: database.sets() }),
  );

  app.get(
    "/v1/offers",
    {
      schema: {
        tags,
        summary: "Data sets on offer, in the order of their publication",
        querystring: z.object({
          ...pageQuerySchema,
          prefix: prefixSchema.optional().describe("only offers whose ids begin with it"),
          operatorSet: hash32Schema.optional(),
          active: z.stringbool().optional().describe("only offers that can (or cannot) be bought now"),
        }),
        response: { 200: z.object({ offers: z.array(offerViewSchema), next: nextSchema }), ...problems(400) },
      },
    },
    ({ query }) => {
      const { entries: offers, next } = database.offers(query);
      return { offers, next };
    },
  );

  app.get(
    "/v1/offers/:id",
    {
      schema: {
        tags,
        summary: "One offer",
        params: z.object({ id: hash32Schema.describe("the data root") }),
        response: { 200: offerViewSchema, ...problems(400, 404) },
      },
    },
    ({ params }) => {
      const offer = database.offer(params.id);
      if (offer === null) throw new SymbolonError("NOT_FOUND", `no offer ${params.id}`);
      return offer;
    },
  );
}
