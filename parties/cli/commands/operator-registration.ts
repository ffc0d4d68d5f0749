/** `symbolon operator`: the registration of an operator, and the proof of its signing key. */
import { Argument, type Command, InvalidArgumentError, Option } from "commander";
import type { Deployment } from "../../../contracts/deployment.ts";
import { parseEndpoint } from "../../compute/endpoint.ts";
import type { OperatorKeys } from "../../keys.ts";
import { command, parseWei } from "../command.ts";
import { type KeyOptions, keysOf } from "../key-options.ts";
import {
  type AccountOptions,
  addKeyOptions,
  addMarketOptions,
  deploymentOption,
  readDeploymentFile,
  withConnection,
} from "../market-options.ts";
import { parseAccount } from "../money.ts";
import { writeOutFile } from "../out-file.ts";
import type { Output } from "../output.ts";

export function operatorCommand(name: string, summary: string, example: string): Command {
  return addMarketOptions(addKeyOptions(command(name, summary, example), "operator"));
}

interface RegisterOptions extends AccountOptions {
  endpoint: string;
  fee: bigint;
  bond?: bigint;
  signerProof?: string;
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
    .addOption(signerProofOption())
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
    .addOption(signerProofOption())
    .action((options: RegisterOptions) =>
      withConnection(options, output, async ({ as, deployment }) => {
        const keys = await keysOf("operator", options);
        const { hash } = await as(keys.owner).updateOperator(await registration(keys, deployment, options));
        output.result({ operator: keys.owner.address, txHash: hash }, () => `updated  tx ${hash}`);
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

function signerProofOption(): Option {
  return new Option(
    "--signer-proof <file>",
    "register the signing key of this proof, which is on another machine, and not the one of the key file",
  );
}

async function registration(keys: OperatorKeys, deployment: Deployment, options: RegisterOptions) {
  const { proveSigner, readSignerProof, registrationOf } = await import("../../registration.ts");
  const operator = keys.owner.address;
  const proof =
    options.signerProof === undefined
      ? await proveSigner(keys.signer, deployment, operator)
      : await readSignerProof(options.signerProof, deployment, operator);
  return registrationOf(keys, proof, { endpoint: options.endpoint, feeWei: options.fee });
}

/** Without a connection: the signing key may be on a machine that has none. */
export function proveSigner(output: Output): Command {
  return addKeyOptions(
    command(
      "prove-signer",
      "prove, offline, that the signing key of this key file signs for an operator who registers from another machine",
      "symbolon operator prove-signer 0xOWNER --keys node.keys.json --deployment deployment.json --out proof.json",
    ),
    "operator",
  )
    .addArgument(new Argument("<operator>", "the operator's account").argParser(parseAccount))
    .addOption(
      deploymentOption("where the contracts are, as `symbolon deploy` wrote it").makeOptionMandatory(),
    )
    .option("--out <file>", "write the proof to this file, for --signer-proof")
    .action(async (operator: string, options: KeyOptions & { deployment: string; out?: string }) => {
      const { proveSigner } = await import("../../registration.ts");
      const { signer } = await keysOf("operator", options);
      const proof = await proveSigner(signer, await readDeploymentFile(options.deployment), operator);
      await writeOutFile(options.out, proof);
      output.result(proof, () =>
        options.out === undefined
          ? JSON.stringify(proof, null, 2)
          : `the proof that ${proof.signer} signs for operator ${operator} is in ${options.out}`,
      );
    });
}
