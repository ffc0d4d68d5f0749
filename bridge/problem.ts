/**
 * Errors on the wire: RFC 9457 problem documents that carry the project's codes. What the software did not
 * foresee becomes INTERNAL with no detail, because an unforeseen message may hold anything.
 */
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import { type ErrorCode, errorCodes, SymbolonError } from "../mpc/errors.ts";
import type { Problem } from "./schemas.ts";

export const problemContentType = "application/problem+json";

/** A refusal whose HTTP status is more precise than that of its code (413, 415, 507). */
export class HttpProblem extends SymbolonError {
  readonly status: number;

  constructor(status: number, code: ErrorCode, message: string, hint?: string) {
    super(code, message, hint === undefined ? {} : { hint });
    this.status = status;
  }

  override get httpStatus(): number {
    return this.status;
  }
}

interface Described {
  status: number;
  code: ErrorCode;
  detail: string;
  hint?: string | undefined;
  errors?: Problem["errors"];
}

/** What may be said to the outside about anything that was thrown in a request. */
export function describeError(error: unknown): Described {
  if (error instanceof SymbolonError && error.code !== "INTERNAL") {
    return { status: error.httpStatus, code: error.code, detail: error.message, hint: error.hint };
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    return {
      status: 400,
      code: "USAGE",
      detail: `the ${error.validationContext ?? "request"} does not have the documented form`,
      hint: "see /v1/docs",
      errors: error.validation.map((issue) => ({
        path: issue.instancePath,
        message: issue.message ?? "not valid",
      })),
    };
  }
  const status = (error as FastifyError | undefined)?.statusCode;
  if (status === 413) {
    return { status, code: "LIMIT_EXCEEDED", detail: "the body is larger than this route accepts" };
  }
  if (status === 415) {
    return {
      status,
      code: "USAGE",
      detail: "the content type of the body is not one that this route accepts",
    };
  }
  if (status !== undefined && status >= 400 && status < 500) {
    return { status, code: "USAGE", detail: "the request is malformed" };
  }
  return {
    status: 500,
    code: "INTERNAL",
    detail: "a defect of the bridge; its log has the cause under the number in `instance`",
  };
}

/** The problem document for `error`; `requestId` links it to the log. */
export function toProblem(error: unknown, requestId: string): Problem {
  const { status, code, detail, hint, errors } = describeError(error);
  return {
    type: `urn:symbolon:error:${code}`,
    title: errorCodes[code][1],
    status,
    detail,
    code,
    ...(hint === undefined ? {} : { hint }),
    instance: `urn:symbolon:request:${requestId}`,
    ...(errors === undefined ? {} : { errors }),
  };
}

/** Sends `error` as a problem document and logs what only the operator of the bridge may read. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error, request.id);
  if (problem.status >= 500) request.log.error({ err: error, code: problem.code }, "request failed");
  else request.log.info({ code: problem.code }, "request refused");
  return reply
    .status(problem.status)
    .header("content-type", problemContentType)
    .serializer((value: unknown) => JSON.stringify(value))
    .send(problem);
}
