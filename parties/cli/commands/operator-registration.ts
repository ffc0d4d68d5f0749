/** `symbolon operator`: the registration of an operator. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Deployment } from "../../../contracts/deployment.ts";
import { parseEndpoint } from "../../compute/endpoint.ts";
import type { OperatorKeys } from "../../keys.ts";
import { parseWei } from "../command.ts";
import { type AccountOptions, withConnection } from "../market-options.ts";
import { operatorAccount, operatorCommand } from "../operator-account.ts";
import type { Output } from "../output.ts";

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
      withConnection(options, output, async (connection) => {
        const { keys, operator, market } = await operatorAccount(connection, options);
        const { hash } = await market.registerOperator({
          ...(await registration(keys, connection.deployment, options)),
          ...(options.bond !== undefined && { bondWei: options.bond }),
        });
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
      withConnection(options, output, async (connection) => {
        const { keys, operator, market } = await operatorAccount(connection, options, ({ message }) =>
          output.note(
            `${message}; the new endpoint counts for jobs that were funded before, and nothing else`,
          ),
        );
        const { hash } = await market.updateOperator(
          await registration(keys, connection.deployment, options),
        );
        const signer = keys.signer.address;
        output.result(
          { operator, signer, txHash: hash },
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
