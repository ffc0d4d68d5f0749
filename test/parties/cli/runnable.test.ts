import { describe, expect, test } from "vitest";
import { SymbolonError } from "../../../mpc/errors.ts";
import { runnable, runnableHint } from "../../../parties/cli/runnable.ts";

const plain = { rpc: "http://127.0.0.1:8545", bridge: "http://127.0.0.1:8600" };
const job = `0x${"5c".repeat(32)}`;
const accept = `symbolon buyer accept ${job}`;

describe("a command that a message names", () => {
  test("stays as it is where nothing was given", () => {
    expect(runnable(`accept it with: ${accept}`, plain, {})).toBe(`accept it with: ${accept}`);
  });

  test("repeats what was given, as a shell takes it", () => {
    const options = {
      ...{ rpc: "http://127.0.0.1:9545", bridge: "https://bridge.example.org" },
      ...{ keys: "my keys/it's.json", passphraseFile: "pass.txt", deployment: "deployment.json" },
    };
    expect(runnable(`${accept}; or wait`, options, {})).toBe(
      `${accept} --keys 'my keys/it'\\''s.json' --passphrase-file pass.txt --rpc http://127.0.0.1:9545 --bridge https://bridge.example.org --deployment deployment.json; or wait`,
    );
  });

  test("leaves out what the environment says, and repeats a default in its place", () => {
    const environment = {
      ...{ SYMBOLON_RPC: "http://127.0.0.1:9545", SYMBOLON_BRIDGE: "http://127.0.0.1:9600" },
      SYMBOLON_DEPLOYMENT: "deployment.json",
    };
    const options = { rpc: "http://127.0.0.1:9545", bridge: plain.bridge, deployment: "deployment.json" };
    expect(runnable(accept, options, environment)).toBe(`${accept} --bridge ${plain.bridge}`);
  });

  test("repeats the files of schema and result where the command takes them", () => {
    const options = { ...plain, schema: "schema.json", out: "model.json" };
    const text = ["result", "accept", "dispute", "status"].map((name) => `symbolon buyer ${name} ${job}`);
    expect(text.map((line) => runnable(`${line} --x`, options, {}).replace(`${line} `, ""))).toEqual([
      "--schema schema.json --out model.json --x",
      "--schema schema.json --x",
      "--schema schema.json --out model.json --x",
      "--x",
    ]);
  });

  test("has no secret of an endpoint's address", () => {
    const options = { ...plain, rpc: "https://user:secret@example.org/v3/secret?token=secret" };
    const text = runnable(accept, options, {});
    expect(text).not.toContain("secret");
    expect(text).toContain("--rpc https://example.org/...");
  });

  test("is run by npx where the present one was", () => {
    const text = `${accept} and npx symbolon seller relist 0x3fa9c20b01`;
    expect(runnable(text, plain, { npm_lifecycle_event: "npx" })).toBe(
      `npx ${accept} and npx symbolon seller relist 0x3fa9c20b01`,
    );
  });

  test("of an operator is completed where its keys are all that it needs", () => {
    const options = { ...plain, keys: "operator.json" };
    for (const name of ["claim", "leave", "pause", "resume", "status", "withdraw-bond"]) {
      expect(runnable(`\`symbolon operator ${name}\` does it`, options, {})).toBe(
        `\`symbolon operator ${name} --keys operator.json\` does it`,
      );
    }
    const register = "register first: `symbolon operator register`";
    expect(runnable(register, options, {})).toBe(register);
  });

  test("is completed in the hint of an error, and nothing else of it changes", () => {
    const error = new SymbolonError("PEER_TIMEOUT", "a share is missing", { hint: `ask: ${accept}` });
    const completed = runnableHint(error, { ...plain, keys: "buyer.json" }) as SymbolonError;
    expect([completed.code, completed.message]).toEqual([error.code, error.message]);
    expect(completed.hint).toContain("--keys buyer.json");
    const other = new SymbolonError("USAGE", "no", { hint: "give --price" });
    expect(runnableHint(other, { ...plain, keys: "buyer.json" })).toBe(other);
  });
});
