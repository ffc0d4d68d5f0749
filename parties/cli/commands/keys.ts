/** `symbolon keys`: the key files of each role. */
import { Argument, type Command, Option } from "commander";
import { SymbolonError } from "../../../mpc/errors.ts";
import { createKeys, loadPublicKeys, publicKeys, type Role, roles, saveKeys } from "../../keys.ts";
import { command, group, wholeNumber } from "../command.ts";
import { readPassphrase } from "../key-options.ts";
import type { Output } from "../output.ts";

export function keyCommands(output: Output): Command {
  return group("keys", "make and show key files", "symbolon keys new seller --out seller.keys.json", [
    keysNew(output),
    keysShow(output),
  ]);
}

function keysNew(output: Output): Command {
  return command(
    "new",
    "make the key file of a role; it is never overwritten",
    "symbolon keys new seller --out seller.keys.json",
  )
    .addArgument(new Argument("<role>", "whose keys").choices([...roles]))
    .requiredOption("--out <file>", "file to write, readable by its owner only")
    .option(
      "--passphrase-file <file>",
      "encrypt with the passphrase in this file (or in SYMBOLON_PASSPHRASE)",
    )
    .addOption(
      new Option(
        "--dev-account <number>",
        "take the account of this number of the development chain, whose keys everyone knows",
      ).argParser(wholeNumber(0, 19)),
    )
    .action(async (role: Role, options: { out: string; passphraseFile?: string; devAccount?: number }) => {
      const passphrase = await readPassphrase(options.passphraseFile);
      const keys = createKeys(role, await imported(role, options.devAccount));
      await saveKeys(keys, options.out, passphrase === undefined ? {} : { passphrase });
      const shown = publicKeys(keys);
      if (passphrase === undefined)
        output.note(`The secrets in ${options.out} are not encrypted; keep the file to yourself.`);
      output.result({ role, file: options.out, public: shown }, () =>
        output.table(["key", "public part"], Object.entries(shown)),
      );
    });
}

function keysShow(output: Output): Command {
  return command("show", "show the public part of a key file", "symbolon keys show seller.keys.json")
    .argument("<file>", "a key file")
    .action(async (file: string) => {
      const { role, created, public: shown } = await loadPublicKeys(file);
      output.result({ role, file, created, public: shown }, () =>
        output.table(["key", "public part"], [["role", role], ...Object.entries(shown)]),
      );
    });
}

async function imported(role: Role, devAccount: number | undefined): Promise<Record<string, string>> {
  if (devAccount === undefined) return {};
  const { devAccounts } = await import("../../../contracts/dev-chain.ts");
  const account = devAccounts()[devAccount];
  if (account === undefined)
    throw new SymbolonError("USAGE", `there is no development account ${devAccount}`);
  return { [role === "operator" ? "owner" : "account"]: account.privateKey };
}
