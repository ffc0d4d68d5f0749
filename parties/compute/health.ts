/** A node's answers to process managers: whether it lives, and whether it can take jobs. Local, read-only. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SymbolonError } from "../../mpc/errors.ts";

/** What a node says about itself; nothing of it is secret. */
export interface NodeStatus {
  operator: string;
  /** Why it cannot take jobs now; empty when it can. */
  obstacles: string[];
  /** Last block whose events it holds; null before the first look. */
  block: number | null;
  openJobs: number;
}

export interface HealthServer {
  port: number;
  close(): Promise<void>;
}

/**
 * GET /healthz: 200 as long as the process answers. GET /readyz: 200 when it can take jobs, else 503; both with
 * the status as JSON.
 * @throws CONFIG_INVALID when the port is taken
 */
export async function serveHealth(port: number, status: () => Promise<NodeStatus>): Promise<HealthServer> {
  const server = createServer(async (request, response) => {
    const path = request.url?.split("?")[0];
    const known = request.method === "GET" && (path === "/healthz" || path === "/readyz");
    const body = known ? await status() : { error: "GET /healthz or /readyz" };
    const unready = path === "/readyz" && "obstacles" in body && body.obstacles.length > 0;
    response.writeHead(known ? (unready ? 503 : 200) : 404, {
      "content-type": "application/json",
      "cache-control": "no-store",
    });
    response.end(JSON.stringify(body));
  });
  server.requestTimeout = 5000;
  server.maxConnections = 32;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new SymbolonError("CONFIG_INVALID", `cannot answer on port ${port}: ${error.message}`)),
    );
    server.listen({ host: "127.0.0.1", port }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}
