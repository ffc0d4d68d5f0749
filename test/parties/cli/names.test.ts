/** Jobs, offers and operator sets by the first digits of their names, on a real chain. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MarketReader } from "../../../contracts/market-reader.ts";
import { jobsNamed } from "../../../parties/cli/market-options.ts";
import { MarketWorld } from "../compute/market-world.ts";

let world: MarketWorld;
let reader: MarketReader;
let offers: string[];
let jobs: string[];

beforeAll(async () => {
  world = await MarketWorld.open();
  reader = world.account(12).market;
  offers = (await world.offers()).map(({ id }) => id);
  jobs = [];
  for (const seconds of [600, 601]) {
    const { client } = world.buyer();
    const proposal = await client.propose({ algorithm: "statistics", offers });
    jobs.push((await client.fund(proposal, seconds)).job);
  }
});
afterAll(() => world.close());

/** The shortest beginning that no other name has. */
function shortest(name: string, others: readonly string[]): string {
  const length = Array.from(name).findIndex((_, i) =>
    others.every((other) => other === name || !other.startsWith(name.slice(0, i + 1))),
  );
  return name.slice(0, length + 1);
}

/** The names of each kind, and how one is found. */
const kinds: [string, () => string[], (start: string) => Promise<string>][] = [
  ["a job", () => jobs, (start) => reader.jobNamed(start)],
  ["an offer", () => offers, (start) => reader.offerNamed(start)],
];

describe.each(kinds)("the name of %s", (_kind, names, find) => {
  it("is completed where its first digits fit only one", async () => {
    for (const name of names()) {
      expect(await find(shortest(name, names()))).toBe(name);
      expect(await find(name.slice(0, 40))).toBe(name);
    }
  });

  it("is refused where several begin so, and all of them are named", async () => {
    const [first, second] = names() as [string, string];
    await expect(find("0x")).rejects.toMatchObject({ code: "USAGE", hint: expect.stringContaining(first) });
    await expect(find("0x")).rejects.toMatchObject({ hint: expect.stringContaining(second) });
  });

  it("is not found where none begins so", async () => {
    const [name] = names() as [string];
    // All of its digits but the last are right.
    const wrong = name[64] === "0" ? "1" : "0";
    await expect(find(`${name.slice(0, 64)}${wrong}`)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  it("is taken as it is when it is whole: whether it exists shows later", async () => {
    const whole = `0x${"77".repeat(32)}`;
    expect(await find(whole)).toBe(whole);
    await expect(reader.job(whole)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(reader.offer(whole)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

describe("the names of several jobs", () => {
  it("are completed each, and all are meant where none is given", async () => {
    expect(await jobsNamed(reader, [jobs[1]!.slice(0, 30), jobs[0]!])).toEqual([jobs[1], jobs[0]]);
    expect(await jobsNamed(reader, undefined)).toBeUndefined();
    await expect(jobsNamed(reader, [jobs[0]!, "0x"])).rejects.toMatchObject({ code: "USAGE" });
  });
});

describe("the name of an operator set", () => {
  it("is completed", async () => {
    expect(await reader.setNamed(world.operatorSet.slice(0, 6))).toBe(world.operatorSet);
  });
});
