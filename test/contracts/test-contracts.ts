/**
 * Contracts that only tests put on a chain: tokens, and sellers' own contracts. They are compiled when a test asks for
 * them, in a second or two, so that the build of the market's contracts stays as it is.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Contract, ContractFactory, type Signer } from "ethers";
import { z } from "zod";

interface Compiler {
  compile(input: string, callbacks: { import(path: string): { contents: string } }): string;
}

const require = createRequire(import.meta.url);

const pragma = "// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n";

/** Solidity by the name of the contract to deploy. */
const sources = {
  /** A token as OpenZeppelin has it, with permits and the domain that they are signed in; six decimals, as many have. */
  PermitToken: `${pragma}
    import {ERC20Permit, ERC20} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
    contract PermitToken is ERC20Permit {
      constructor(string memory symbol_) ERC20("Test dollar", symbol_) ERC20Permit("Test dollar") {}
      function decimals() public pure override returns (uint8) { return 6; }
      function mint(address account, uint256 amount) external { _mint(account, amount); }
    }`,
  /** Without permits, and takes a new allowance only where there is none, as one of the largest tokens does. */
  StubbornToken: `${pragma}
    import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
    contract StubbornToken is ERC20 {
      constructor(string memory symbol_) ERC20("Stubborn", symbol_) {}
      function mint(address account, uint256 amount) external { _mint(account, amount); }
      function approve(address spender, uint256 amount) public override returns (bool) {
        require(amount == 0 || allowance(msg.sender, spender) == 0, "set it to 0 first");
        return super.approve(spender, amount);
      }
    }`,
  /** Says the domain of another contract, whose permits would then be signed. */
  ForeignDomainToken: `${pragma}
    import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
    contract ForeignDomainToken is ERC20 {
      constructor(string memory symbol_) ERC20("Foreign", symbol_) {}
      function mint(address account, uint256 amount) external { _mint(account, amount); }
      function nonces(address) external pure returns (uint256) { return 0; }
      function eip712Domain() external view returns (
        bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory
      ) {
        return (hex"0f", "Test dollar", "1", block.chainid, address(1), 0, new uint256[](0));
      }
    }`,
  /** A seller's own contract, which agrees to one buyer. */
  OneBuyer: `${pragma}
    import {IOfferRegistry} from "contracts/interfaces/IOfferRegistry.sol";
    import {ITerms} from "contracts/interfaces/ITerms.sol";
    contract OneBuyer is ITerms {
      address private immutable _buyer;
      constructor(address buyer) { _buyer = buyer; }
      function check(IOfferRegistry.JobFacts calldata facts, address, bytes32) external view returns (bool) {
        return facts.buyer == _buyer;
      }
    }`,
};

const outputSchema = z.object({
  errors: z.array(z.object({ severity: z.string(), formattedMessage: z.string() })).optional(),
  contracts: z.record(
    z.string(),
    z.record(
      z.string(),
      z.object({
        abi: z.array(z.any()),
        evm: z.object({ bytecode: z.object({ object: z.string() }) }),
      }),
    ),
  ),
});

const compiled = new Map<keyof typeof sources, ReturnType<typeof compile>>();

/** Compiles a contract, once, and puts it on the chain of the account. */
export async function deployTestContract(
  name: keyof typeof sources,
  signer: Signer,
  args: readonly unknown[],
): Promise<{ address: string; contract: Contract }> {
  const { abi, bytecode } = compiled.get(name) ?? compile(name);
  compiled.set(name, { abi, bytecode });
  const deployed = await new ContractFactory(abi, bytecode, signer).deploy(...args);
  await deployed.waitForDeployment();
  const address = await deployed.getAddress();
  return { address, contract: new Contract(address, abi, signer) };
}

function compile(name: keyof typeof sources) {
  const { compile: run } = require("solc") as Compiler;
  const input = {
    language: "Solidity",
    sources: { [name]: { content: sources[name] } },
    settings: {
      evmVersion: "osaka",
      outputSelection: { [name]: { [name]: ["abi", "evm.bytecode.object"] } },
    },
  };
  const read = (path: string) => {
    const file = path.startsWith("@") ? require.resolve(path) : new URL(`../../${path}`, import.meta.url);
    return { contents: readFileSync(file, "utf8") };
  };
  const output = outputSchema.parse(JSON.parse(run(JSON.stringify(input), { import: read })));
  const errors = output.errors?.filter(({ severity }) => severity === "error") ?? [];
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const { abi, evm } = output.contracts[name]![name]!;
  return { abi, bytecode: evm.bytecode.object };
}
