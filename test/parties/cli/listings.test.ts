/** What sellers and buyers see of offers, and what is not done twice. */
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { operatorSetId } from "../../../contracts/commitments.ts";
import { shortId } from "../../../contracts/use-terms.ts";
import { MarketWorld } from "../compute/market-world.ts";
import { type MarketCli, marketCli } from "./market-cli.ts";

let world: MarketWorld;
let cli: MarketCli;
/** The operators in another order: another set. */
let otherSet: string;
/** Names of offers of the seller. */
let [offer, successor] = ["", ""];
const keys = "--keys @seller.json";

beforeAll(async () => {
  world = await MarketWorld.open();
  const [first, second, third] = world.operators.map(({ owner }) => owner.address) as [
    string,
    string,
    string,
  ];
  await world.account(1).market.createSet([second, third, first]);
  otherSet = operatorSetId([second, third, first]);
  cli = await marketCli(world, {
    "seller.json": { role: "seller", account: world.account(5).address },
    "buyer.json": { role: "buyer", account: world.account(9).address },
    "other.json": { role: "seller", account: world.account(6).address },
  });
  await writeFile(cli.file("data.csv"), "x,y\n1,2\n2,3.5\n3,4\n");
});
afterAll(() => world.close());

/** How many transactions the seller has sent. */
const sent = (): Promise<number> => world.provider.getTransactionCount(world.account(5).address);

test("where nothing was offered, lists say so and what to do", async () => {
  const { address } = world.account(5);
  expect((await cli.run("buyer browse")).stdout).toBe(
    "nobody has offered anything in this market yet: symbolon seller offer does\n",
  );
  expect((await cli.run(`seller offers ${keys}`)).stdout).toBe(
    `${address} has no offers: symbolon seller offer makes one\n`,
  );
  expect((await cli.run(`seller earnings ${keys}`)).stdout).toContain(`owes or paid anything to ${address}`);
  expect((await cli.json("buyer browse")).document).toEqual({ offers: [] });
});

test("a set without offers, and a market whose offers ended, say so too", async () => {
  const line = `seller offer ${keys} --data @data.csv --price 1gwei --set ${world.operatorSet}`;
  offer = (await cli.json(line)).document.offer;
  expect((await cli.run(`buyer browse --set ${otherSet}`)).stdout).toBe(
    "there are no offers to this operator set; without --set those to all sets are shown\n",
  );
  await cli.json(`seller withdraw-offer ${offer} ${keys}`);
  expect((await cli.run("buyer browse")).stdout).toBe(
    "no offer is for sale; --all shows 1 that was withdrawn or replaced\n",
  );
  expect((await cli.run("buyer browse --all")).stdout).toMatch(/ withdrawn$/m);
});

test("an offer that was withdrawn is not withdrawn again, but it is listed again", async () => {
  const before = await sent();
  const again = await cli.run(`seller withdraw-offer ${offer} ${keys}`);
  expect([again.status, again.stdout]).toEqual([
    0,
    `offer ${shortId(offer)} is withdrawn already: nothing is to be done\n`,
  ]);
  expect(await sent()).toBe(before);
  const relisted = await cli.json(`seller relist ${offer} ${keys}`);
  expect(relisted).toMatchObject({ status: 0, document: { txHash: expect.stringMatching(/^0x/) } });
  expect((await world.account(5).market.offer(offer)).active).toBe(true);
});

test("terms that an offer has already are not sent again, others are", async () => {
  const before = await sent();
  for (const options of ["", " --price 1gwei"]) {
    const same = await cli.json(`seller relist ${offer}${options} ${keys}`);
    expect(same).toMatchObject({ status: 0, document: { offer, txHash: null } });
  }
  expect((await cli.run(`seller relist ${offer} ${keys}`)).stdout).toContain("nothing is to be done");
  expect(await sent()).toBe(before);
  await cli.json(`seller relist ${offer} --price 2gwei ${keys}`);
  expect(await sent()).toBe(before + 1);
});

test("of another seller nothing is withdrawn or listed, whatever its state", async () => {
  for (const name of ["withdraw-offer", "relist"]) {
    const { status, document } = await cli.json(`seller ${name} ${offer} --keys @other.json`);
    expect([status, document.error.code]).toEqual([3, "NOT_AUTHORISED"]);
    expect(document.error.message).toContain(offer);
  }
});

test("an offer and the one in its place name each other", async () => {
  const line = `seller offer ${keys} --data @data.csv --price 1gwei --set ${otherSet} --replaces ${offer}`;
  successor = (await cli.json(line)).document.offer;
  const linked = [
    { offer, active: false, replaced: true, replaces: null, replacedBy: [successor] },
    { offer: successor, active: true, replaced: false, replaces: offer, replacedBy: [] },
  ];
  expect((await cli.json(`seller offers ${keys}`)).document.offers).toMatchObject(linked);
  expect((await cli.json("buyer browse --all")).document.offers).toMatchObject(linked);
  for (const table of [`seller offers ${keys}`, "buyer browse --all"]) {
    const { stdout } = await cli.run(table);
    expect(stdout).toContain(`replaced by ${shortId(successor)}`);
    expect(stdout).toContain(`active, in the place of ${shortId(offer)}`);
    // Neither ever had a limit.
    expect(stdout).not.toContain("left");
  }
});

test("a buyer of an offer that was replaced hears which one is in its place", async () => {
  const { status, document } = await cli.json(`buyer run statistics --offers ${offer} --keys @buyer.json`);
  expect([status, document.error.code]).toEqual([3, "TERMS_REFUSED"]);
  expect(document.error.hint).toContain(`${shortId(successor)} is in the place of ${shortId(offer)}`);
});

test("of an offer that was replaced there is nothing to withdraw, and the one in its place is named", async () => {
  const before = await sent();
  const withdrawn = await cli.run(`seller withdraw-offer ${offer} ${keys}`);
  expect([withdrawn.status, withdrawn.stdout]).toEqual([
    0,
    expect.stringContaining(
      `offer ${shortId(offer)} is replaced by ${shortId(successor)}, and the same data stay on sale in its place; to withdraw them: `,
    ),
  ]);
  const options = [keys.replace(/@(.*)/, (_, name) => cli.file(name)), ...cli.market].join(" ");
  expect(withdrawn.stdout).toContain(`symbolon seller withdraw-offer ${successor} ${options}\n`);
  const { status, document } = await cli.json(`seller relist ${offer} --price 3gwei ${keys}`);
  expect([status, document.error.code]).toEqual([3, "TERMS_REFUSED"]);
  expect(document.error.message).toContain(`was replaced by ${successor}`);
  expect(document.error.hint).toContain(`symbolon seller relist ${shortId(successor)}`);
  expect(await sent()).toBe(before);
});

test("a replacement that gains nothing is refused with the command that changes the terms, as they were given", async () => {
  const terms = "--price 4gwei --min-sellers 2 --allow-purpose teaching";
  const line = `seller offer ${keys} --data @data.csv ${terms} --set ${otherSet} --replaces ${successor}`;
  const { status, document } = await cli.json(line);
  expect([status, document.error.code]).toEqual([3, "TERMS_REFUSED"]);
  const command = /symbolon (seller relist .*)$/.exec(document.error.hint)?.[1] ?? "";
  expect(command).toMatch(new RegExp(`${shortId(successor)} .* ${terms}$`));
  expect((await cli.json(command)).document.terms).toMatchObject({ priceWei: "4000000000", minSellers: 2 });
});

test("where the offer in its place was withdrawn too, nothing is to be done", async () => {
  await cli.json(`seller withdraw-offer ${successor} ${keys}`);
  expect((await cli.run(`seller withdraw-offer ${offer} ${keys}`)).stdout).toBe(
    `offer ${shortId(offer)} is replaced by ${shortId(successor)} already: nothing is to be done\n`,
  );
});

test("who limits the privacy loss hears before paying that such an offer sells nothing yet, and so it is", async () => {
  const note = "no algorithm adds noise yet";
  const line = `seller offer ${keys} --data @data.csv --price 1gwei --set ${world.operatorSet}`;
  expect((await cli.run(line)).stderr).not.toContain(note);
  const limited = await cli.run(`${line} --budget-rho 1 --json`);
  expect(limited.stderr.indexOf(note)).toBeGreaterThan(-1);
  expect(limited.stderr.indexOf(note)).toBeLessThan(limited.stderr.indexOf("publish: about"));
  const { offer: id } = JSON.parse(limited.stdout);
  const bought = await cli.json(`buyer run statistics --offers ${id} --keys @buyer.json`);
  expect(bought.document.error.code).toBe("TERMS_REFUSED");
  expect((await cli.run(`seller relist ${id} --max-rho 0.5 ${keys}`)).stderr).toContain(note);
});
