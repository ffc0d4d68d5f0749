/** Interfaces and bytecode of the contracts, as the build left them. */
import { readFileSync } from "node:fs";
import { Interface } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";

export const contractNames = ["OperatorRegistry", "OfferRegistry", "JobEscrow"] as const;
export type ContractName = (typeof contractNames)[number];

/** Every contract that is built: those of a market, and the exchange of raw data, which stands alone. */
export type BuiltContract = ContractName | "ReviewExchange";

export interface Artifact {
  name: BuiltContract;
  abi: Interface;
  /** Creation code without constructor arguments, 0x-hex. */
  bytecode: string;
}

const loaded = new Map<BuiltContract, Artifact>();

/** @throws CONFIG_INVALID when the contracts were not built */
export function artifact(name: BuiltContract): Artifact {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const file = new URL(`../build/artifacts/contracts/${name}.sol/${name}.json`, import.meta.url);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new SymbolonError("CONFIG_INVALID", `contract ${name} is not built`, {
      hint: "npm run build",
      cause: error,
    });
  }
  const { abi, bytecode } = JSON.parse(text) as { abi: object[]; bytecode: string };
  const fresh = { name, abi: new Interface(abi as ConstructorParameters<typeof Interface>[0]), bytecode };
  loaded.set(name, fresh);
  return fresh;
}

/** The interfaces of a market's contracts: an error or event is looked up in each. */
export function allInterfaces(): Interface[] {
  return contractNames.map((name) => artifact(name).abi);
}
