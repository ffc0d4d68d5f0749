import { type Provider, ZeroAddress } from "ethers";
import { expect, test } from "vitest";
import type { SessionRequest } from "../../../contracts/exchange-commitments.ts";
import {
  describeMoney,
  describeNext,
  nextDocument,
  reviewTable,
  scoreTable,
  showTx,
} from "../../../parties/cli/describe-exchange.ts";
import { TokenBook } from "../../../parties/cli/money.ts";
import { Output } from "../../../parties/cli/output.ts";

const output = new Output(false);

test("what is next comes as a command, with its time and what it waits for", () => {
  const step = {
    command: "sample",
    fromSec: 60,
    bySec: 120,
    note: "no data set is registered yet",
    due: false,
  };
  expect(describeNext("buyer", step)).toBe(
    "next: symbolon buyer exchange sample from 1970-01-01T00:01:00.000Z until 1970-01-01T00:02:00.000Z; no data set is registered yet",
  );
  expect(describeNext("seller", { command: "withdraw", due: true })).toBe(
    "next: symbolon seller exchange withdraw",
  );
  expect(describeNext("seller", null)).toBe("next: nothing, this session is over for you");
});

test("in JSON, every part of it has a value", () => {
  expect(nextDocument("seller", { command: "claim", bySec: 120, due: true })).toEqual({
    ...{ command: "seller exchange claim", fromSec: null, bySec: 120, note: null, due: true },
  });
  expect(nextDocument("buyer", null)).toBeNull();
});

test("money in a token comes with the token's address, whatever it calls itself", async () => {
  const tokens = new TokenBook({ call: async () => "0x" } as unknown as Provider);
  const token = `0x${"12".repeat(20)}`;
  const money = (of: string) =>
    describeMoney({ token: of, reward: 10n ** 18n, deposit: 7n, samplingBps: 500 } as SessionRequest, tokens);
  expect(await money(ZeroAddress)).toBe(
    "reward 1 ETH, of which 0.05 ETH to each who is reviewed and does not win; deposit 7 wei",
  );
  expect(await money(token)).toMatch(new RegExp(`, token ${token}$`));
});

test("empty lists are words and no heads of tables", () => {
  expect(scoreTable([], output)).toBe("no data set has a score yet");
  expect(reviewTable([], output)).toBe("no review is answered yet");
});

test("a call that needed no transaction says so", () => {
  expect(showTx(null)).toBe(", as it was before");
  expect(showTx("0xab")).toBe("  tx 0xab");
});
