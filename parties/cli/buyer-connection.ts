/** The market as a buyer's commands act on it. */
import { BuyerClient, type BuyerConnection } from "../buyer/client.ts";
import { keysOf } from "./key-options.ts";
import { type AccountOptions, type MarketConnection, withConnection } from "./market-options.ts";
import type { Output } from "./output.ts";
import { givenSchema, type SchemaOption } from "./schema-option.ts";

export async function withBuyer(
  options: AccountOptions & SchemaOption,
  output: Output,
  body: (buyer: BuyerClient, market: MarketConnection, connection: BuyerConnection) => Promise<void>,
): Promise<void> {
  const { account, resultKey } = await keysOf("buyer", options);
  const given = await givenSchema(options);
  await withConnection(options, output, (market) => {
    const connection = {
      ...{ bridge: market.bridge, market: market.as(account), buyer: account.address, resultKey },
      ...given,
    };
    return body(new BuyerClient(connection), market, connection);
  });
}
