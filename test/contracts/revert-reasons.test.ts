import { Interface } from "ethers";
import { describe, expect, test } from "vitest";
import { allInterfaces } from "../../contracts/artifacts.ts";
import { reasonText, revertError, revertReasons, toChainError } from "../../contracts/revert-reasons.ts";
import { terms } from "../../contracts/use-terms.ts";
import { SymbolonError } from "../../mpc/errors.ts";

const declared = new Map(
  allInterfaces().flatMap((abi) =>
    abi.fragments
      .filter((fragment) => fragment.type === "error")
      .map((fragment) => [errorName(abi, fragment), abi] as const),
  ),
);

function errorName(abi: Interface, fragment: { format(): string }): string {
  return abi.getError(fragment.format())?.name ?? "";
}

/** Values of the right types for an error, distinct so that a test can look for them in the words. */
function argumentsOf(abi: Interface, name: string): unknown[] {
  return abi.getError(name)!.inputs.map(({ type }, index) => {
    if (type === "address") return `0x${String(index + 1).repeat(40)}`;
    if (type === "bytes32") return `0x${"ab".repeat(32)}`;
    // Of the terms, the one whose words show both values.
    if (type === "uint8") return name === "TermRefused" ? terms.indexOf("Algorithm") : index + 1;
    if (type === "string") return "text";
    return BigInt(1_800_000_000 + index);
  });
}

describe("words for reverts", () => {
  test("there are some for every error that the contracts declare, and for no other", () => {
    expect(Object.keys(revertReasons).sort()).toEqual([...declared.keys()].sort());
  });

  test.each([...declared.keys()])("%s comes in words, with its values and without its name", (name) => {
    const abi = declared.get(name)!;
    const args = argumentsOf(abi, name);
    const error = revertError(abi.encodeErrorResult(name, args));
    expect(error).toBeInstanceOf(SymbolonError);
    expect(error.message).toMatch(/ /);
    expect(error.message).not.toContain(name);
    for (const arg of args) if (typeof arg === "string") expect(error.message).toContain(arg);
  });

  test("a state is named, not numbered", () => {
    const abi = declared.get("TransitionRefused")!;
    const words = (from: number, to: number) => {
      const { code, message } = revertError(abi.encodeErrorResult("TransitionRefused", [7n, from, to]));
      return { code, message };
    };
    expect(words(4, 6)).toEqual({
      code: "STATE_INVALID",
      message: "job 7 is Settled and cannot become Refunded",
    });
    expect(words(6, 6)).toEqual({ code: "STATE_INVALID", message: "job 7 is Refunded already" });
    expect(words(0, 6)).toEqual({ code: "NOT_FOUND", message: "no job 7" });
  });

  test("an unknown error stays a refusal", () => {
    const other = new Interface(["error SomethingElse(uint256)"]).encodeErrorResult("SomethingElse", [1n]);
    expect(revertError(other).code).toBe("CONTRACT_REVERTED");
  });
});

describe("what an endpoint throws", () => {
  const data = declared.get("OffersEmpty")!.encodeErrorResult("OffersEmpty", []);

  test.each([
    ["ethers' own place", { code: "CALL_EXCEPTION", data }],
    ["a JSON-RPC error", { code: "UNKNOWN_ERROR", error: { code: 3, data } }],
    ["Hardhat's place", { code: "CALL_EXCEPTION", info: { error: { data: { data } } } }],
  ])("revert data is found in %s", (_, thrown) => {
    expect(toChainError(thrown)).toMatchObject({ code: "PARAMETER_INVALID" });
  });

  test.each([
    [{ code: "INSUFFICIENT_FUNDS" }, "FUNDS_MISSING"],
    [{ code: "UNKNOWN_ERROR", message: "Sender doesn't have enough funds to send tx" }, "FUNDS_MISSING"],
    [{ code: "CALL_EXCEPTION" }, "CONTRACT_REVERTED"],
    [{ code: "BAD_DATA" }, "CONFIG_INVALID"],
    [{ code: "INVALID_ARGUMENT", shortMessage: "bad address" }, "PARAMETER_INVALID"],
    [{ code: "NONCE_EXPIRED" }, "CHAIN_UNREACHABLE"],
    [{ code: "ECONNREFUSED" }, "CHAIN_UNREACHABLE"],
    [{ code: "SERVER_ERROR" }, "CHAIN_UNREACHABLE"],
    [{ code: "TIMEOUT" }, "CHAIN_UNREACHABLE"],
    [new TypeError("x is not a function"), "INTERNAL"],
    [new SymbolonError("NOT_FOUND", "no such thing"), "NOT_FOUND"],
  ])("%o becomes %s", (thrown, code) => {
    expect(toChainError(thrown).code).toBe(code);
  });
});

test("a reason that is no text stays hexadecimal", () => {
  expect(reasonText(`0x${"41".repeat(4)}${"00".repeat(28)}`)).toBe("AAAA");
  expect(reasonText(`0x${"ff".repeat(32)}`)).toBe(`0x${"ff".repeat(32)}`);
});
