import { createServer, type Server } from "node:net";
import { id } from "ethers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Market } from "../../contracts/market.ts";
import { chainIdOf, connectProvider, openProvider } from "../../contracts/provider.ts";

const deployment = {
  chainId: 31337,
  operatorRegistry: `0x${"01".repeat(20)}`,
  jobEscrow: `0x${"03".repeat(20)}`,
  gradientRounds: `0x${"04".repeat(20)}`,
  reviewExchange: `0x${"05".repeat(20)}`,
  disputes: `0x${"06".repeat(20)}`,
  blockNumber: 0,
};

/** Takes connections and says nothing. */
let silent: Server;
let silentUrl: string;
beforeAll(async () => {
  silent = createServer((socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const { port } = silent.address() as { port: number };
  silentUrl = `http://127.0.0.1:${port}`;
});
afterAll(() => {
  silent.close();
});

describe("an endpoint that is not there", () => {
  // A port of 127.0.0.1 below 1024 that nothing serves: connections are refused at once.
  const nowhere = "http://127.0.0.1:9";

  test("ends the question for its chain with a named error", async () => {
    await expect(chainIdOf(nowhere, 500)).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
    await expect(connectProvider(nowhere, 500)).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
  });

  test("ends reads with a named error instead of trying for ever", async () => {
    const print = vi.spyOn(console, "log").mockImplementation(() => undefined);
    const provider = openProvider(nowhere, 31337, 500);
    const market = new Market(deployment, provider);
    await expect(market.jobState(id("a job"))).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
    await expect(market.events(0, 1)).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
    provider.destroy();
    expect(print).not.toHaveBeenCalled();
    print.mockRestore();
  });
});

describe("an endpoint that says nothing", () => {
  test("ends with a named error after the deadline", async () => {
    await expect(chainIdOf(silentUrl, 200)).rejects.toMatchObject({ code: "CHAIN_UNREACHABLE" });
    const provider = openProvider(silentUrl, 31337, 200);
    await expect(new Market(deployment, provider).jobState(id("a job"))).rejects.toMatchObject({
      code: "CHAIN_UNREACHABLE",
    });
    provider.destroy();
  });
});
