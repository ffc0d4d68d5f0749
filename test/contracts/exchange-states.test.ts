import { Contract } from "ethers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { artifact } from "../../contracts/artifacts.ts";
import {
  seatStates,
  seatTransitions,
  sessionStates,
  sessionTransitions,
} from "../../contracts/exchange-states.ts";
import { type ExchangeFixture, startExchange } from "./exchange-fixture.ts";

let fixture: ExchangeFixture;
beforeAll(async () => {
  fixture = await startExchange();
}, 60_000);
afterAll(() => fixture.close());

test.each([
  ["seatTransitionAllowed", seatStates, seatTransitions, 16],
  ["sessionTransitionAllowed", sessionStates, sessionTransitions, 5],
] as const)(
  "the table behind %s is the contract's, for all pairs",
  async (method, states, transitions, count) => {
    const contract = new Contract(fixture.address, artifact("ReviewExchange").abi, fixture.provider);
    const table = transitions as Readonly<Record<string, readonly string[]>>;
    const [here, there]: [string[], string[]] = [[], []];
    for (const [from, fromName] of states.entries()) {
      for (const [to, toName] of states.entries()) {
        const arrow = `${fromName} -> ${toName}`;
        if (table[fromName]!.includes(toName)) here.push(arrow);
        if (await contract.getFunction(method)(from, to)) there.push(arrow);
      }
    }
    expect(there).toEqual(here);
    expect(there).toHaveLength(count);
  },
);
