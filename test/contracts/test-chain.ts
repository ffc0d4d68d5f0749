/**
 * The chain that the tests of the contracts run on: Hardhat's, or anvil, whose EVM and JSON-RPC server are another
 * implementation. The project of vitest says which (vitest.config.ts).
 */
import { spawn } from "node:child_process";
import { type DevChain, devAccounts, startDevChain } from "../../contracts/dev-chain.ts";
import { anvilMissing, anvilPath } from "./anvil.ts";

/** Starts anvil under the rules of Hardhat's chain, with the same accounts. */
export async function startAnvil(): Promise<DevChain> {
  if (anvilPath === undefined) throw new Error(`there is no anvil: ${anvilMissing}`);
  const accounts = devAccounts();
  const args = ["--host", "127.0.0.1", "--port", "0", "--chain-id", "31337", "--hardfork", "osaka"];
  // Tests that mine by hand send in the order in which the block is to have their transactions.
  args.push("--accounts", String(accounts.length), "--order", "fifo");
  const child = spawn(anvilPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = new Promise<void>((resolve) => {
    child.once("close", () => resolve());
  });
  // A worker that is stopped in the middle of a test closes nothing.
  const kill = () => child.kill();
  process.once("exit", kill);
  let output = "";
  const url = await new Promise<string>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk;
      const listening = /Listening on (\S+)/.exec(output);
      if (listening !== null) resolve(`http://${listening[1]}`);
    };
    // Read to the end, or a full pipe would stop it.
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("close", () => reject(new Error(`anvil ended\n${output}`)));
  });
  const close = async () => {
    process.off("exit", kill);
    child.kill();
    await ended;
  };
  return { url, accounts, close };
}

/** Starts the chain of this run. */
export const startTestChain: () => Promise<DevChain> =
  process.env.SYMBOLON_TEST_CHAIN === "anvil" ? startAnvil : startDevChain;
