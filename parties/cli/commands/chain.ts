/** `symbolon chain`, the embedded development chain, and `symbolon deploy`, the contracts on any chain. */
import { once } from "node:events";
import { createServer } from "node:net";
import { type Command, Option } from "commander";
import { SymbolonError } from "../../../mpc/errors.ts";
import { command, parseWei, wholeNumber } from "../command.ts";
import { type KeyOptions, keysOf } from "../key-options.ts";
import { connectChain } from "../market-options.ts";
import { checkOutFile, writeOutFile } from "../out-file.ts";
import type { Output } from "../output.ts";
import { untilStopped } from "../until-stopped.ts";

export function chainCommand(output: Output): Command {
  return command(
    "chain",
    "run a development chain on 127.0.0.1; it forgets all when it ends",
    "symbolon chain --port 8545",
  )
    .addOption(
      new Option("--port <number>", "0 takes a free one").argParser(wholeNumber(0, 65535)).default(8545),
    )
    .addOption(
      new Option(
        "--block-time <seconds>",
        "a block so often even when nothing is sent; 0: only for transactions",
      )
        .argParser(wholeNumber(0, 3600))
        .default(5),
    )
    .action(async (options: { port: number; blockTime: number }) => {
      const { startDevChain } = await import("../../../contracts/dev-chain.ts");
      await checkPort(options.port);
      const chain = await startDevChain({ port: options.port, blockTimeSec: options.blockTime });
      const accounts = chain.accounts.map(({ address }) => address);
      output.result({ url: chain.url, chainId: 31337, accounts }, () =>
        [
          `A development chain is at ${chain.url}. Anyone can know the keys of its accounts, each with 10,000 ETH:`,
          ...accounts.map((address, number) => `  ${String(number).padStart(2)}  ${address}`),
          "Key files for them: symbolon keys new ROLE --dev-account NUMBER --out FILE. End it with Ctrl-C.",
        ].join("\n"),
      );
      await untilStopped();
      await chain.close();
    });
}

/**
 * Listens for a moment: Hardhat's server leaves the error of its own attempt unhandled, which would end the
 * process with a stack trace. @throws CONFIG_INVALID
 */
async function checkPort(port: number): Promise<void> {
  const probe = createServer();
  try {
    probe.listen(port, "127.0.0.1");
    await once(probe, "listening");
    probe.close();
    await once(probe, "close");
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === "EADDRINUSE";
    throw new SymbolonError("CONFIG_INVALID", `cannot listen on 127.0.0.1 port ${port}`, {
      hint: taken
        ? "the port is taken: end the other program or give --port 0"
        : "give another port, or --port 0 for a free one",
      cause,
    });
  }
}

interface DeployOptions extends KeyOptions {
  rpc: string;
  out?: string;
  challengeWindow: number;
  minBond: bigint;
  unbonding: number;
  grace: number;
  challengeFee: bigint;
  response: number;
  evidence: number;
  sampleDelay: number;
  devAccount?: number;
}

const onDevChain = "on a development chain --dev-account 0 takes an account of it";

export function deployCommand(output: Output): Command {
  return command(
    "deploy",
    "put the contracts of a market on a chain",
    "symbolon deploy --rpc http://127.0.0.1:8545 --dev-account 0 --out deployment.json",
  )
    .addOption(
      new Option("--rpc <url>", "JSON-RPC endpoint").env("SYMBOLON_RPC").default("http://127.0.0.1:8545"),
    )
    .option("--keys <file>", "key file of a bridge, whose account pays (or SYMBOLON_KEYS)")
    .option("--passphrase-file <file>", "passphrase of the key file")
    .addOption(
      new Option("--dev-account <number>", "an account of the development chain pays").argParser(
        wholeNumber(0, 19),
      ),
    )
    .option("--out <file>", "write the deployment document to this file, for bridge, nodes and clients")
    .addOption(
      new Option(
        "--challenge-window <seconds>",
        "how long a buyer can look at a result before anyone may settle",
      )
        .argParser(wholeNumber(60, 0xffffffff))
        .default(3600),
    )
    .addOption(
      new Option("--min-bond <amount>", "smallest bond of an operator")
        .argParser(parseWei)
        .default(10n ** 17n, "0.1eth"),
    )
    .addOption(
      new Option("--unbonding <seconds>", "how long a bond stays after its operator left")
        .argParser(wholeNumber(0, 0xffffffff))
        .default(31 * 86400),
    )
    .addOption(
      new Option("--grace <seconds>", "how long after its deadline a job's result is still taken")
        .argParser(wholeNumber(0, 86_400))
        .default(600),
    )
    .addOption(
      new Option("--challenge-fee <amount>", "what a buyer pays for a chunk of a result posted on chain")
        .argParser(parseWei)
        .default(10n ** 15n, "0.001eth"),
    )
    .addOption(
      new Option("--response <seconds>", "how long an operator has to post it")
        .argParser(wholeNumber(60, 30 * 86400))
        .default(3600),
    )
    .addOption(
      new Option(
        "--evidence <seconds>",
        "how long the deposit of a data owner that left a training stays open to evidence",
      )
        .argParser(wholeNumber(0, 0xffffffff))
        .default(7 * 86400),
    )
    .addOption(
      new Option(
        "--sample-delay <seconds>",
        "how long after registration an exchange samples; longer than the chain's reorganisations",
      )
        .argParser(wholeNumber(0, 0xffffffff))
        .default(900),
    )
    .action(async (options: DeployOptions) => {
      // It may be the only record of where another market is.
      await checkOutFile(options.out, { fresh: true });
      const { buildContracts } = await import("../../../contracts/build.ts");
      const { deployMarket } = await import("../../../contracts/deploy.ts");
      const { devAccounts } = await import("../../../contracts/dev-chain.ts");
      const { Wallet } = await import("ethers");
      const privateKey =
        options.devAccount === undefined
          ? (await keysOf("bridge", options, onDevChain)).account.privateKey.hex()
          : devAccounts()[options.devAccount]!.privateKey;
      await buildContracts();
      const provider = await connectChain(options.rpc);
      try {
        const deployment = await deployMarket(new Wallet(privateKey, provider), {
          challengeWindowSec: options.challengeWindow,
          minBondWei: options.minBond,
          unbondingSec: options.unbonding,
          graceSec: options.grace,
          challengeFeeWei: options.challengeFee,
          responseSec: options.response,
          evidenceSec: options.evidence,
          sampleDelaySec: options.sampleDelay,
        });
        await writeOutFile(options.out, deployment);
        output.result(deployment, () =>
          output.table(
            ["contract", "address"],
            [
              ["OperatorRegistry", deployment.operatorRegistry],
              ["JobEscrow", deployment.jobEscrow],
              ["Disputes", deployment.disputes],
              ["GradientRounds", deployment.gradientRounds],
              ["ReviewExchange", deployment.reviewExchange],
            ],
          ),
        );
      } finally {
        provider.destroy();
      }
    });
}
