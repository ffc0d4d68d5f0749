import { expect } from "vitest";
import type { BridgeApp } from "../../bridge/routes/context.ts";
import { errorCodes } from "../../mpc/errors.ts";

type Response = Awaited<ReturnType<BridgeApp["inject"]>>;

/** The answer is a problem document of that code. */
export function expectProblem(response: Response, status: number, code: string): void {
  expect([response.statusCode, response.headers["content-type"]]).toEqual([
    status,
    "application/problem+json",
  ]);
  expect(response.json()).toMatchObject({ status, code, title: errorCodes[code as "USAGE"][1] });
}
