/** `symbolon operator`: the registration of an operator. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Deployment } from "../../../contracts/deployment.ts";
import { parseEndpoint } from "../../compute/endpoint.ts";
import type { OperatorKeys } from "../../keys.ts";
import { command, parseWei } from "../command.ts";
import { keysOf } from "../key-options.ts";
import { type AccountOptions, addKeyOptions, addMarketOptions, withConnection } from "../market-options.ts";
import type { Output } from "../output.ts";

export function operatorCommand(name: string, summary: string, example: string): Command {
  return addMarketOptions(addKeyOptions(command(name, summary, example), "operator"));
}

interface RegisterOptions extends AccountOptions {
  endpoint: string;
  fee: bigint;
  bond?: bigint;
}

export function register(output: Output): Command {
  return operatorCommand(
    "register",
    "register with a bond, the keys of the key file and the address of the node",
    "symbolon operator register --keys operator.keys.json --endpoint node1.example.org:9600 --fee 0.002eth",
  )
    .addOption(endpointOption())
    .addOption(new Option("--fee <amount>", "fee for a job").argParser(parseWei).makeOptionMandatory())
    .addOption(new Option("--bond <amount>", "bond; the smallest one by default").argParser(parseWei))
    .action((options: RegisterOptions) =>
      withConnection(options, output, async ({ as, deployment }) => {
        const keys = await keysOf("operator", options);
        const { hash } = await as(keys.owner).registerOperator({
          ...(await registration(keys, deployment, options)),
          ...(options.bond !== undefined && { bondWei: options.bond }),
        });
        const operator = keys.owner.address;
        output.result({ operator, txHash: hash }, () => `operator ${operator} is registered  tx ${hash}`);
      }),
    );
}

export function update(output: Output): Command {
  return operatorCommand(
    "update",
    "replace keys, endpoint and fee; funded jobs keep the old signer and fee",
    "symbolon operator update --keys operator.keys.json --endpoint node1.example.org:9600 --fee 0.003eth",
  )
    .addOption(endpointOption())
    .addOption(new Option("--fee <amount>", "fee for a job").argParser(parseWei).makeOptionMandatory())
    .action((options: RegisterOptions) =>
      withConnection(options, output, async ({ as, deployment }) => {
        const keys = await keysOf("operator", options);
        const { hash } = await as(keys.owner).updateOperator(await registration(keys, deployment, options));
        const signer = keys.signer.address;
        output.result(
          { operator: keys.owner.address, signer, txHash: hash },
          () => `updated; its signing key is ${signer}  tx ${hash}`,
        );
      }),
    );
}

/** Checked here, for it goes on chain, where the other two nodes find it unusable only when a job comes. */
function endpointOption(): Option {
  return new Option("--endpoint <host:port>", "where the node listens for the other parties")
    .argParser((text) => {
      try {
        parseEndpoint(text);
      } catch {
        throw new InvalidArgumentError("expected host:port, for instance node1.example.org:9600");
      }
      return text;
    })
    .makeOptionMandatory();
}

async function registration(keys: OperatorKeys, deployment: Deployment, { endpoint, fee }: RegisterOptions) {
  const { registrationOf } = await import("../../registration.ts");
  return registrationOf(keys, deployment, { endpoint, feeWei: fee });
}
