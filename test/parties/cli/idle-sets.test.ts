/** What sellers and buyers are told of operator sets of which a member takes no new jobs. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { operatorSetId } from "../../../contracts/commitments.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { createKeys } from "../../../parties/keys.ts";
import { registrationOf } from "../../../parties/registration.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let cli: MarketCli;
/** A set whose third member is another operator. */
let otherSet: string;
let offer: string;
/** The third members of the two sets. */
let [third, fourth] = ["", ""];
const keys = "--keys @seller.json";
const offering = `seller offer ${keys} --data @data.csv --price 1gwei`;

beforeAll(async () => {
  world = await MarketWorld.open();
  const [a, b, c] = world.operators.map(({ owner }) => owner.address) as [string, string, string];
  const { market, address } = world.account(10);
  const operator = createKeys("operator", { owner: world.chain.accounts[10]!.privateKey });
  const node = { endpoint: "127.0.0.1:1", feeWei: 1n };
  await market.registerOperator(await registrationOf(operator, world.deployment, node));
  await market.createSet([a, b, address]);
  otherSet = operatorSetId([a, b, address]);
  [third, fourth] = [c, address];
  cli = await marketCli(world, {
    "seller.json": { role: "seller", account: world.account(5).address },
    "buyer.json": { role: "buyer", account: world.account(9).address },
  });
  await writeFile(cli.file("data.csv"), "x,y\n1,2\n2,3.5\n3,4\n");
  offer = (await cli.json(`${offering} --set ${world.operatorSet}`)).document.offer;
});
afterAll(() => world.close());

test("with two sets that take jobs a seller names one", async () => {
  const { status, document } = await cli.json(offering);
  expect([status, document.error.code]).toEqual([2, "USAGE"]);
  expect(document.error.hint).toBe(`give --set with one of ${world.operatorSet}, ${otherSet}`);
});

test("lists say of an offer that its set takes no jobs now, and whose doing that is", async () => {
  await world.account(3).market.pause();
  const idleMembers = [{ operator: third, status: "Paused" }];
  for (const list of ["buyer browse", `seller offers ${keys}`]) {
    expect((await cli.json(list)).document.offers).toMatchObject([{ offer, active: true, idleMembers }]);
    expect((await cli.run(list)).stdout).toContain(
      `active, but its set takes no jobs now: operator ${shortId(third)} is paused`,
    );
  }
});

test("a buyer hears why, and to take offers to another set or to wait, for a set cannot be chosen", async () => {
  const { status, document } = await cli.json(`buyer run statistics --offers ${offer} --keys @buyer.json`);
  expect([status, document.error.code]).toEqual([3, "STATE_INVALID"]);
  expect(document.error.message).toBe(
    `operator set ${shortId(world.operatorSet)} takes no new jobs: operator ${third} is paused`,
  );
  expect(document.error.hint).toMatch(/^try again later, .*use offers to another operator set/);
});

test("a seller is offered the sets alone that take jobs", async () => {
  const { document } = await cli.json(offering);
  expect(document.operatorSet).toBe(otherSet);
  await world.account(3).market.requestUnbond();
  await world.account(10).market.pause();
  const { error } = (await cli.json(offering)).document;
  expect(error.message).toContain("no operator set takes new jobs now");
  expect(error.message).toContain(`${shortId(world.operatorSet)}: operator ${shortId(third)} is leaving`);
  expect(error.message).toContain(`${shortId(otherSet)}: operator ${shortId(fourth)} is paused`);
});

test("a set of an operator that leaves is not waited for", async () => {
  const { error } = (await cli.json(`buyer run statistics --offers ${offer} --keys @buyer.json`)).document;
  expect(error.message).toContain(`operator ${third} is leaving`);
  expect(error.hint).toMatch(/^use offers to another operator set/);
});
