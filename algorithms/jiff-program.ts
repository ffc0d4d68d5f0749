import { z } from "zod";
import { emptyDeclaration } from "../mpc/cost.ts";
import { SymbolonError } from "../mpc/errors.ts";
import type { JiffHandle, SecretShare } from "../mpc/jiff-program.ts";
import { type FieldBits, fieldSpecs } from "../mpc/vector/index.ts";
import {
  auctionCost,
  auctionDistance,
  maxBidders,
  secondPriceAuction,
  secondPriceAuctionPlain,
} from "./jiff-programs/second-price-auction.ts";
import type { DecodeContext, DecodedResult, JiffAlgorithm, JobShape, Plan } from "./manifest.ts";

const parameters = z.strictObject({
  program: z.enum(["second-price-auction"]).default("second-price-auction"),
});
type Parameters = z.infer<typeof parameters>;

/** Bids in [-1, 1] with fracBits fractional bits, shifted to [0, 2]: both ends count. */
const bidBits = (shape: JobShape): number => shape.fracBits + 2;

/**
 * Runs an ordinary JIFF program over the sellers' values. The shares of the data sets become JIFF's
 * `SecretShare` objects without interaction: same field, same points, same degree.
 *
 * Values are integers x 2^fracBits with x in [-1, 1], the scaled bid. An order is all that the auction needs,
 * so it shifts them to [0, 2^(fracBits + 1)] and the buyer turns the price back into the schema's units.
 */
export const jiffProgram: JiffAlgorithm<Parameters> = {
  engine: "jiff",
  manifest: {
    id: "jiff-program",
    version: "1.0.0",
    title: "JIFF program",
    description:
      "An ordinary JIFF program on the sellers' values. Shipped: a second-price sealed-bid auction; among equal bids the first wins.",
    input: { label: "none", description: "one column, one row a seller: the bid; 2 to 16 sellers" },
    output: "winner (index of the data set, from 0) and price (the second highest bid)",
    openings: {
      "JIFF: masked differences": "each pair's difference of bids plus a mask as wide as the field allows",
    },
    privacy:
      "The buyer learns the winner and the price, nothing of the other bids but that they are not above it.",
  },
  parameters,

  checkShape(shape: JobShape): void {
    if (shape.inputs.length < 2 || shape.inputs.length > maxBidders) {
      throw new SymbolonError(
        "SHAPE_MISMATCH",
        `an auction takes 2 to ${maxBidders} bids, not ${shape.inputs.length}`,
      );
    }
    for (const s of shape.inputs) {
      if (s.rows !== 1 || s.columns !== 1)
        throw new SymbolonError("SHAPE_MISMATCH", "a bid is one row of one column");
    }
  },

  plan(shape: JobShape, fieldBits: FieldBits): Omit<Plan, "fieldBits" | "fracBits"> {
    const bidders = shape.inputs.length;
    const { modulus } = fieldSpecs[fieldBits];
    const statisticalDistance = auctionDistance(bidders, bidBits(shape), modulus);
    return {
      // JIFF's own messages go through the relay and are counted in operations, not here.
      declaration: { ...emptyDeclaration(), statisticalDistance },
      jiff: auctionCost(bidders, bidBits(shape)),
      parts: [
        { name: "winner", rows: 1, cols: 1, fracBits: 0, bound: bidders - 1, error: 0 },
        { name: "price", rows: 1, cols: 1, fracBits: shape.fracBits, bound: 1, error: 0 },
      ],
    };
  },

  async run(
    jiff: JiffHandle,
    inputs: readonly (readonly SecretShare[])[],
    shape: JobShape,
  ): Promise<SecretShare[]> {
    const one = 2 ** shape.fracBits;
    const bids = inputs.map((values) => values.map((x) => x.cadd(one)));
    const [winner, price] = await secondPriceAuction(jiff, bids, { bidBits: bidBits(shape) });
    return [winner, price.csub(one)];
  },

  plain(inputs: readonly Float64Array[], shape: JobShape): number[] {
    const one = 2 ** shape.fracBits;
    const bids = inputs.map(([x]) => BigInt(Math.round(x * one) + one));
    const [winner, price] = secondPriceAuctionPlain(bids);
    return [winner, Number(price) / one - 1];
  },

  decode(values, { columns: [{ center, halfRange }] }: DecodeContext): DecodedResult {
    return {
      model: { winner: Math.round(values.winner[0]), price: center + halfRange * values.price[0] },
      metrics: {},
    };
  },
};
