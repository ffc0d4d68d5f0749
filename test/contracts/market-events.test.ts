import { hexlify, type ParamType } from "ethers";
import { describe, expect, test } from "vitest";
import { artifact, contractNames } from "../../contracts/artifacts.ts";
import { type ResultParts, resultRoot } from "../../contracts/commitments.ts";
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
    const given: string[] = [];
    const values = event.inputs.map((input) => sample(input, given));
    const { data, topics } = abi.encodeEventLog(event, values);
    const parsed = abi.parseLog({ data, topics: topics as string[] })!;
    const decoded = eventDecoders[type](parsed.args);
    // Hashed here, so that nobody who reads the event has to.
    if ("resultRoot" in decoded && "parts" in decoded) given.push(resultRoot(decoded.parts as ResultParts));
    // Names may be others, and rules come within the terms that have them; nothing is left out, nothing comes twice.
    expect(leaves(decoded).sort()).toEqual(given.sort());
  });

  test("an endpoint of bytes that are no text comes as none, and stops nobody", () => {
    const { abi } = artifact("OperatorRegistry");
    const event = abi.getEvent("OperatorRegistered")!;
    const values = event.inputs.map((input) => (input.name === "endpoint" ? "?" : sample(input, [])));
    const { data, topics } = abi.encodeEventLog(event, values);
    // The text is the last word, one byte of it used.
    const broken = `${data.slice(0, -64)}ff${"00".repeat(31)}`;
    const { args } = abi.parseLog({ data: broken, topics: topics as string[] })!;
    expect(() => args.endpoint).toThrow();
    expect(eventDecoders.OperatorRegistered(args)).toMatchObject({ endpoint: "" });
  });

  test("the rules of terms without any are null", () => {
    const { abi } = artifact("JobEscrow");
    const event = abi.getEvent("OfferRelisted")!;
    const { data, topics } = abi.encodeEventLog(event, [bytes32(1), [1, 2, 3, 4, 5, bytes32(0)], []]);
    const { args } = abi.parseLog({ data, topics: topics as string[] })!;
    expect(eventDecoders.OfferRelisted(args)).toMatchObject({ terms: { minSellers: 5, rules: null } });
  });
});

const bytes32 = (value: number): string => `0x${value.toString(16).padStart(64, "0")}`;

/** A value of the type, different from all that were `given` before, to which it is added as text. */
function sample(input: ParamType, given: string[]): unknown {
  if (input.isArray()) {
    // Of structs there is at most one: rules.
    const dynamic = input.arrayChildren.isTuple() ? 1 : 2;
    const length = input.arrayLength < 0 ? dynamic : input.arrayLength;
    return Array.from({ length }, () => sample(input.arrayChildren, given));
  }
  if (input.isTuple()) return input.components.map((component) => sample(component, given));
  const value = plainSample(input.type, given.length + 1);
  // Whoever has the rules has no need of their hash.
  if (input.name !== "rulesHash") given.push(String(value));
  return value;
}

function plainSample(type: string, number: number): bigint | string {
  if (type === "address") return `0x${String(number).padStart(40, "0")}`;
  if (type === "bytes32") return bytes32(number);
  if (type === "bytes") return `0x${String(number).padStart(4, "0")}`;
  return type === "string" ? `text ${number}` : BigInt(number);
}

function leaves(value: unknown): string[] {
  if (value instanceof Uint8Array) return [hexlify(value)];
  if (typeof value !== "object" || value === null) return [String(value)];
  return Object.values(value).flatMap(leaves);
}
