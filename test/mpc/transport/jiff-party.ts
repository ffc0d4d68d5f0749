/** One JIFF party as a process, for tests. Options as JSON in the first argument; the result goes to stdout. */
import { secondPriceAuction } from "../../../algorithms/jiff-programs/second-price-auction.ts";
import { connectJiff } from "../../../mpc/transport/jiff.ts";
import { type PartyIndex, partyIndices } from "../../../mpc/transport/transport.ts";

interface Arguments {
  relayUrl: string;
  relayPath: string;
  computationId: string;
  partyIndex: PartyIndex;
  secretKey: string;
  publicKeys: Record<PartyIndex, string>;
  modulus: string;
  timeoutMs: number;
  mode: "auction" | "stray" | "wait";
}

const given = JSON.parse(process.argv[2]!) as Arguments;
const bytes = (hex: string) => Buffer.from(hex, "hex");

try {
  const session = await connectJiff({
    ...given,
    secretKey: bytes(given.secretKey),
    publicKeys: {
      1: bytes(given.publicKeys[1]),
      2: bytes(given.publicKeys[2]),
      3: bytes(given.publicKeys[3]),
    },
    modulus: BigInt(given.modulus),
  });
  process.stdout.write('{"joined":true}\n');
  const result = await session.run(async (jiff) => {
    const bids = jiff.share(jiff.id * 10);
    if (given.mode === "wait") {
      await bids[1]!.open();
      if (jiff.id !== 3) await bids[2]!.open([1, 2], "never");
      await new Promise(() => undefined);
    }
    if (given.mode === "stray" && jiff.id === 2) {
      // As JIFF's own protocols do: a promise that nobody holds.
      void Promise.resolve(bids[1]!.value).then(() => {
        throw new Error("the bid was 4711");
      });
      await new Promise(() => undefined);
    }
    const inputs = partyIndices.map((index) => [bids[index]!]);
    const shares = await secondPriceAuction(jiff, inputs, { bidBits: 8 });
    return Promise.all(shares.map(async (share) => String(await share.open())));
  });
  await session.close();
  process.stdout.write(`${JSON.stringify({ result })}\n`);
} catch (error) {
  const { code, message } = error as { code: string; message: string };
  process.stdout.write(`${JSON.stringify({ code, message })}\n`);
}
