/**
 * Ciphertexts in and out. Uploading is open to everybody within limits of size, rate and total: the bridge
 * cannot judge a ciphertext, and what no offer or job commits to is worthless to its sender as well.
 */
import type { Readable } from "node:stream";
import { z } from "zod";
import { HttpProblem } from "../problem.ts";
import { blobReceiptSchema, hash32Schema } from "../schemas.ts";
import { type BridgeApp, problems, type RouteContext } from "./context.ts";

const octets = "application/octet-stream";
const bytesSchema = z.any().meta({ type: "string", format: "binary" });
const params = z.object({ hash: hash32Schema.describe("sha256 of the bytes") });
const tags = ["blobs"];

export function blobRoutes(app: BridgeApp, { blobs, config }: RouteContext): void {
  app.put(
    "/v1/blobs",
    {
      bodyLimit: config.blobs.maxBytes,
      config: { rateLimit: { max: config.rateLimit.uploads, timeWindow: config.rateLimit.windowMs } },
      schema: {
        tags,
        summary: "Store bytes under their sha256",
        consumes: [octets],
        body: bytesSchema,
        response: { 200: blobReceiptSchema, 201: blobReceiptSchema, ...problems(413, 415, 429, 507) },
      },
    },
    async (request, reply) => {
      const body = request.body as Readable | null | undefined;
      if (typeof body?.pipe !== "function") {
        throw new HttpProblem(415, "USAGE", `send the bytes as ${octets}`);
      }
      const declared = Number(request.headers["content-length"] ?? 0);
      blobs.refuseLength(declared);
      const { hash, bytes, created } = await blobs.put(body);
      return reply.status(created ? 201 : 200).send({ hash, bytes });
    },
  );

  app.get(
    "/v1/blobs/:hash",
    {
      exposeHeadRoute: false,
      schema: {
        tags,
        summary: "The bytes of a blob, checked against its name before they are sent",
        params,
        response: {
          200: { description: "the bytes", content: { [octets]: { schema: bytesSchema } } },
          ...problems(403, 404),
        },
      },
    },
    async (request, reply) => {
      const { bytes, stream } = await blobs.read(request.params.hash);
      return reply.headers(blobHeaders(request.params.hash, bytes)).send(stream);
    },
  );

  app.head(
    "/v1/blobs/:hash",
    { schema: { tags, summary: "Whether an intact blob is held, and its size", params } },
    async (request, reply) => {
      const bytes = await blobs.verify(request.params.hash);
      return reply.headers(blobHeaders(request.params.hash, bytes)).send();
    },
  );
}

function blobHeaders(hash: string, bytes: number): Record<string, string | number> {
  return {
    "content-type": octets,
    "content-length": bytes,
    // The name is the hash: the bytes of a name never change.
    "cache-control": "public, max-age=31536000, immutable",
    etag: `"${hash}"`,
  };
}
