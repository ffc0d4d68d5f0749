/** `symbolon operator`: the registration of an operator. */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Deployment } from "../../../contracts/deployment.ts";
import { SymbolonError } from "../../../mpc/errors.ts";
import { parseEndpoint } from "../../compute/endpoint.ts";
import type { OperatorKeys } from "../../keys.ts";
import { parseWei } from "../command.ts";
import { type AccountOptions, withConnection } from "../market-options.ts";
import { operatorAccount, operatorCommand, refuse } from "../operator-account.ts";
import type { Output } from "../output.ts";

interface RegisterOptions extends AccountOptions {
  endpoint: string;
  fee: bigint;
  bond?: bigint;
}

type UpdateOptions = AccountOptions & Partial<Pick<RegisterOptions, "endpoint" | "fee">>;

export function register(output: Output): Command {
  return operatorCommand(
    "register",
    "register with a bond, the keys of the key file and the address of the node",
    "symbolon operator register --keys operator.keys.json --endpoint node1.example.org:9600 --fee 0.002eth",
  )
    .addOption(endpointOption().makeOptionMandatory())
    .addOption(feeOption().makeOptionMandatory())
    .addOption(new Option("--bond <amount>", "bond; the smallest one by default").argParser(parseWei))
    .action((options: RegisterOptions) =>
      withConnection(options, output, async (connection) => {
        const { keys, operator, market } = await operatorAccount(connection, options, { leaving: refuse });
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
    "take the keys of the key file, another endpoint, another fee; funded jobs keep the old signer and fee",
    "symbolon operator update --keys operator.keys.json --fee 0.003eth",
  )
    .addOption(endpointOption())
    .addOption(feeOption())
    .action((options: UpdateOptions) =>
      withConnection(options, output, async (connection) => {
        const { endpoint, fee } = options;
        if (endpoint === undefined && fee === undefined) {
          throw new SymbolonError("USAGE", "an update takes --endpoint, --fee or both", {
            hint: "where the keys alone are new, give the one or the other as it is registered",
          });
        }
        const tell = ({ message }: SymbolonError): void =>
          output.note(
            `${message}; the new endpoint counts for jobs that were funded before, and nothing else`,
          );
        const account = await operatorAccount(connection, options, { slashed: tell, leaving: tell });
        const { keys, operator, market } = account;
        const { endpoint: oldEndpoint, feeWei } = await market.operator(operator);
        const { hash } = await market.updateOperator(
          await registration(keys, connection.deployment, {
            endpoint: endpoint ?? oldEndpoint,
            fee: fee ?? feeWei,
          }),
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
  return new Option("--endpoint <host:port>", "where the node listens for the other parties").argParser(
    (text) => {
      try {
        parseEndpoint(text);
      } catch {
        throw new InvalidArgumentError("expected host:port, for instance node1.example.org:9600");
      }
      return text;
    },
  );
}

const feeOption = (): Option => new Option("--fee <amount>", "fee for a job").argParser(parseWei);

async function registration(
  keys: OperatorKeys,
  deployment: Deployment,
  { endpoint, fee }: Pick<RegisterOptions, "endpoint" | "fee">,
) {
  const { registrationOf } = await import("../../registration.ts");
  return registrationOf(keys, deployment, { endpoint, feeWei: fee });
}
