import { id, Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AttestationMessage, signAttestation } from "../../../contracts/eip712.ts";
import { createNodeLogger } from "../../../parties/compute/logger.ts";
import { startNode } from "../../../parties/compute/node.ts";
import { createKeys, saveKeys } from "../../../parties/keys.ts";
import { MarketWorld } from "./market-world.ts";

let world: MarketWorld;
const logged: string[] = [];
const logger = createNodeLogger("info", { write: (line: string) => void logged.push(line) });

beforeAll(async () => {
  world = await MarketWorld.open();
});
afterAll(() => world.close());

const ask = async (port: number | undefined, path: string) => {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return [response.status, (await response.json()) as { obstacles?: string[] }] as const;
};

describe("a node", () => {
  test("says whether it can take jobs", async () => {
    const node = await startNode({ ...world.config(1), healthPort: 0 }, { logger });
    await expect.poll(async () => (await ask(node.healthPort, "/readyz"))[0]).toBe(200);
    expect((await ask(node.healthPort, "/healthz"))[1]).toMatchObject({
      operator: world.operators[0]!.owner.address,
      obstacles: [],
      openJobs: 0,
    });
    expect((await ask(node.healthPort, "/keys"))[0]).toBe(404);
    await node.close();
    await node.close();
    await expect(ask(node.healthPort, "/healthz")).rejects.toThrow();
    expect(logged.join("")).toContain("operator registered");
  });

  test("says what is in the way: no registration, no money, no chain, no bridge", async () => {
    const keysFile = `${world.folder}/stranger.json`;
    await saveKeys(createKeys("operator"), keysFile);
    const stranger = await startNode(
      { ...world.config(2), keysFile, dataDir: `${world.folder}/stranger`, healthPort: 0 },
      { logger },
    );
    const obstacles = async () => {
      const [status, body] = await ask(stranger.healthPort, "/readyz");
      return [status, body.obstacles];
    };
    const poor = "the operator's account cannot pay for the answer to a challenge";
    await expect.poll(obstacles).toEqual([503, ["operator not registered yet", poor]]);
    await stranger.close();
    const alone = await startNode(
      {
        ...world.config(3),
        rpcUrl: "http://127.0.0.1:1/?key=project-secret",
        bridgeUrl: "http://127.0.0.1:1",
        healthPort: 0,
      },
      { logger },
    );
    const [status, body] = await ask(alone.healthPort, "/readyz");
    expect([status, body.obstacles]).toEqual([
      503,
      ["the chain is not read", "operator not looked up yet", "the bridge does not answer"],
    ]);
    expect((await ask(alone.healthPort, "/healthz"))[0]).toBe(200);
    await alone.close();
    expect(logged.join("")).not.toContain("project-secret");
  });

  test("registered with other keys warns and refuses, and lives", async () => {
    const keysFile = `${world.folder}/other-keys.json`;
    const { owner } = world.operators[0]!;
    await saveKeys(createKeys("operator", { owner: owner.privateKey.hex() }), keysFile);
    const node = await startNode({ ...world.config(1), keysFile }, { logger });
    const offers = await world.offers();
    const { client } = world.buyer();
    const proposal = await client.propose({ algorithm: "statistics", offers: offers.map(({ id }) => id) });
    await client.fund(proposal, 600);
    await expect.poll(() => logged.join("")).toContain("KEY_INVALID");
    expect(logged.join("")).toContain("registered with other keys");
    await node.close();
  });

  test("warns when the registered endpoint has another port, and only then", async () => {
    const { port } = world.config(1).mesh as { port: number };
    const warning = `the registered endpoint is 127.0.0.1:${port}, this node listens at 127.0.0.1:`;
    expect(logged.join("")).not.toContain(warning);
    const node = await startNode({ ...world.config(1), mesh: { port: 0 } }, { logger });
    await expect.poll(() => logged.join("")).toContain(`${warning}${node.address.port}`);
    await node.close();
  });

  test("does not start on another's journal, a taken port or without its keys", async () => {
    const node = await startNode(world.config(1), { logger });
    await expect(startNode(world.config(1), { logger })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    const second = { ...world.config(1), mesh: { port: 0 } };
    await expect(startNode(second, { logger })).rejects.toMatchObject({ code: "CONFIG_INVALID" });
    await expect(startNode({ ...second, keysFile: "nowhere.json" })).rejects.toMatchObject({ code: "USAGE" });
    await node.close();
    const again = await startNode(world.config(1), { logger });
    await again.close();
  });

  test("warns while its operator takes no new jobs, with the reason, and still has the old ones to do", async () => {
    const { market } = world.account(2);
    const signer = new Wallet(world.operators[1]!.signer.privateKey.hex());
    const warned = (text: string) =>
      logged.map((line) => JSON.parse(line)).some(({ level, msg }) => level === 40 && msg.startsWith(text));
    await market.pause();
    const node = await startNode({ ...world.config(2), healthPort: 0 }, { logger });
    await expect.poll(() => warned("operator registered, but paused")).toBe(true);
    await market.requestUnbond();
    await expect.poll(() => warned("operator registered, but leaving")).toBe(true);
    const message = { job: id("job"), payoutRoot: id("payouts"), budgetSpent: 0n };
    const [one, other] = ["one", "other"].map((each) => ({ ...message, resultRoot: id(each) })) as [
      AttestationMessage,
      AttestationMessage,
    ];
    const sign = (told: AttestationMessage) => signAttestation(signer, world.deployment, told);
    await world.account(0).market.convict([one, other], [await sign(one), await sign(other)]);
    await expect.poll(() => warned("operator slashed: its bond is gone")).toBe(true);
    expect((await ask(node.healthPort, "/readyz"))[1].obstacles).toEqual([]);
    await node.close();
  });

  test("logs a promise that was forgotten and goes on", async () => {
    const listeners = process.rawListeners("unhandledRejection");
    const node = await startNode(world.config(1), { logger });
    const [own] = process.rawListeners("unhandledRejection").filter((each) => !listeners.includes(each));
    (own as (reason: unknown) => void)(new Error("holds a secret"));
    expect(logged.join("")).toContain("unhandled rejection");
    expect(logged.join("")).not.toContain("holds a secret");
    await node.close();
    expect(process.rawListeners("unhandledRejection")).not.toContain(own);
  });
});
