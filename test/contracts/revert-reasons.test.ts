import { Interface, id } from "ethers";
import { describe, expect, test } from "vitest";
import { allInterfaces, artifact, artifactNames } from "../../contracts/artifacts.ts";
import { reasonText, revertError, revertReasons, toChainError } from "../../contracts/revert-reasons.ts";
import { shortId, terms } from "../../contracts/use-terms.ts";
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
    const digit = String(index + 1);
    if (type === "address") return `0x${digit.repeat(40)}`;
    if (type === "bytes32") return `0x${digit.repeat(64)}`;
    // Of the terms, the one whose words show both values.
    if (type === "uint8") return name === "TermRefused" ? terms.indexOf("Token") : index + 1;
    if (type === "string") return "text";
    return BigInt(1_800_000_000 + index);
  });
}

/** What people see of a hash or an account: all of it, its first digits, or an address that fills a word. */
const asShown = (arg: string): RegExp => new RegExp(`${arg}|${arg.slice(0, 12)}|0x${arg.slice(-40)}`);

describe("words for reverts", () => {
  const job = id("a job");

  test("there are some for every error that the contracts declare, and for no other", () => {
    expect(Object.keys(revertReasons).sort()).toEqual([...declared.keys()].sort());
  });

  test("the interfaces in which an error is looked up are those of all contracts but the exchange's", () => {
    const known = allInterfaces().map((abi) => abi.formatJson());
    for (const name of artifactNames.filter((each) => each !== "ReviewExchange")) {
      expect(known).toContain(artifact(name).abi.formatJson());
    }
  });

  test("data that only begin like an error of ours are an unknown reason", () => {
    const { abi } = artifact("JobEscrow");
    const whole = abi.encodeErrorResult("WindowOpen", [job, 5n]);
    expect(revertError(whole)).toMatchObject({ code: "STATE_INVALID" });
    const unknown = { code: "CONTRACT_REVERTED", message: expect.stringContaining("unknown reason") };
    expect(revertError(whole.slice(0, -2))).toMatchObject(unknown);
  });

  test("an error that two contracts declare has the same arguments in both", () => {
    for (const abi of allInterfaces()) {
      abi.forEachError((error) => {
        expect(declared.get(error.name)!.getError(error.name)!.format()).toBe(error.format());
      });
    }
  });

  test.each([...declared.keys()])("%s comes in words, with its values and without its name", (name) => {
    const abi = declared.get(name)!;
    const args = argumentsOf(abi, name);
    const error = revertError(abi.encodeErrorResult(name, args));
    expect(error).toBeInstanceOf(SymbolonError);
    expect(error.message).toMatch(/ /);
    expect(error.message).not.toContain(name);
    expect(error.message).not.toMatch(/undefined|null|NaN|\[object/);
    for (const arg of args) if (typeof arg === "string") expect(error.message).toMatch(asShown(arg));
  });

  test.each([...terms.keys()])("a refusal by term %i says whose it is", (term) => {
    const abi = declared.get("TermRefused")!;
    const args = [job, term, id("found"), id("asked")];
    const { code, message, hint } = revertError(abi.encodeErrorResult("TermRefused", args));
    expect(code).toBe("TERMS_REFUSED");
    expect(message).toContain(`offer ${shortId(job)} `);
    expect(hint).toMatch(/ /);
  });

  test("a state is named, not numbered", () => {
    const abi = declared.get("TransitionRefused")!;
    const words = (from: number, to: number) => {
      const { code, message } = revertError(abi.encodeErrorResult("TransitionRefused", [job, from, to]));
      return { code, message };
    };
    expect(words(5, 7)).toEqual({
      code: "STATE_INVALID",
      message: `job ${shortId(job)} is Settled and cannot become Refunded`,
    });
    expect(words(4, 4)).toEqual({
      code: "STATE_INVALID",
      message: `job ${shortId(job)} is Disputed already`,
    });
    expect(words(0, 7)).toEqual({ code: "NOT_FOUND", message: `no job ${shortId(job)}` });
  });

  test("missing approvals are named by their points", () => {
    const abi = declared.get("AlgorithmNotApproved")!;
    const words = (approvals: number) =>
      revertError(abi.encodeErrorResult("AlgorithmNotApproved", [id("set"), id("algorithm"), approvals]))
        .message;
    expect(words(0b101)).toContain("the operator at point 2 did not");
    expect(words(0b100)).toContain("the operators at points 1, 2 did not");
  });

  test("a challenge of a job without a result has no time in it", () => {
    const abi = declared.get("ChallengeWindowClosed")!;
    const words = (endSec: number) =>
      revertError(abi.encodeErrorResult("ChallengeWindowClosed", [job, endSec])).message;
    expect(words(0)).toBe(`job ${shortId(job)} has no attested result`);
    expect(words(1_800_000_000)).toContain("2027-01-15T08:00:00.000Z");
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
