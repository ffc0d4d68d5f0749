import { describe, expect, test } from "vitest";
import { artifact, contractNames } from "../../contracts/artifacts.ts";
import { emitterOf, eventDecoders, type MarketEventType } from "../../contracts/market-events.ts";

/** OpenZeppelin's, never emitted here: the domain does not change. */
const notOurs = ["EIP712DomainChanged"];

const declared = contractNames.flatMap((name) =>
  artifact(name)
    .abi.fragments.filter((fragment) => fragment.type === "event")
    .map((fragment) => artifact(name).abi.getEvent(fragment.format())!)
    .map((event) => ({ contract: name, event })),
);

describe("events", () => {
  test("every event of the contracts has a decoder, and no other", () => {
    const names = declared.map(({ event }) => event.name).filter((name) => !notOurs.includes(name));
    expect(Object.keys(eventDecoders).sort()).toEqual(names.sort());
  });

  test.each(Object.keys(eventDecoders) as MarketEventType[])("%s decodes to all of its arguments", (type) => {
    const contract = emitterOf(type);
    const { abi } = artifact(contract);
    const event = abi.getEvent(type)!;
    const values = event.inputs.map((input, index) =>
      input.components !== null
        ? input.components.map(({ type: inner }, item) => sample(null, inner, index + item))
        : sample(input.baseType === "array" ? input.arrayLength! : null, input.type, index),
    );
    const { data, topics } = abi.encodeEventLog(event, values);
    const parsed = abi.parseLog({ data, topics: topics as string[] })!;
    const decoded = eventDecoders[type](parsed.args) as Record<string, unknown>;
    for (const [field, value] of Object.entries(decoded)) expect(value, field).toBeDefined();
    // jobId and offerId are renamed to job and offer; nothing is left out.
    expect(Object.keys(decoded)).toHaveLength(event.inputs.length);
  });
});

function sample(arrayLength: number | null, type: string, index: number): unknown {
  if (arrayLength !== null) {
    const length = arrayLength < 0 ? 2 : arrayLength;
    const inner = type.slice(0, type.lastIndexOf("["));
    return Array.from({ length }, (_, item) => sample(null, inner, index + item));
  }
  if (type === "address") return `0x${"11".repeat(20)}`;
  if (type === "bytes32") return `0x41${"00".repeat(31)}`;
  if (type === "string") return "text";
  if (type === "bytes") return "0x1234";
  return BigInt(index + 1);
}
