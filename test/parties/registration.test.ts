import { describe, expect, test } from "vitest";
import { recoverPossession } from "../../contracts/eip712.ts";
import { createKeys } from "../../parties/keys.ts";
import { registrationOf } from "../../parties/registration.ts";

const address = (digit: string) => `0x${digit.repeat(40)}`;
const deployment = { chainId: 31337, operatorRegistry: address("1") };
const keys = createKeys("operator");
const signer = keys.signer.address;
const node = { endpoint: "127.0.0.1:9600", feeWei: 1n };

describe("a registration", () => {
  test("has the public keys of the key file, and what the node is", async () => {
    const { possession, ...rest } = await registrationOf(keys, deployment, node);
    expect(possession).toMatch(/^0x[0-9a-f]{130}$/);
    expect(rest).toEqual({
      signer,
      sealKey: keys.sealKey.publicKey,
      channelKey: keys.channelKey.publicKey,
      jiffKey: keys.jiffKey.publicKey,
      ...node,
    });
  });

  test("proves the signing key for this operator and market, and for nothing else", async () => {
    const { possession } = await registrationOf(keys, deployment, node);
    const message = { operator: keys.owner.address, signer };
    expect(recoverPossession(deployment, message, possession)).toBe(signer);
    const others = [
      [{ ...deployment, chainId: 1 }, message],
      [{ ...deployment, operatorRegistry: address("2") }, message],
      [deployment, { ...message, operator: address("9") }],
      [deployment, { ...message, signer: address("9") }],
    ] as const;
    for (const [market, changed] of others) {
      expect(recoverPossession(market, changed, possession)).not.toBe(signer);
    }
  });
});
