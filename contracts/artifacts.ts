/** Interfaces and bytecode of the contracts, as the build left them. */
import { readFileSync } from "node:fs";
import { Interface } from "ethers";
import { SymbolonError } from "../mpc/errors.ts";

export const contractNames = ["OperatorRegistry", "JobEscrow", "Disputes"] as const;
export type ContractName = (typeof contractNames)[number];

/** Those of a market, and those that stand beside it with bindings of their own. */
export const artifactNames = [...contractNames, "GradientRounds", "ReviewExchange"] as const;
export type ArtifactName = (typeof artifactNames)[number];

export interface Artifact {
  name: ArtifactName;
  abi: Interface;
  /** Creation code without constructor arguments, 0x-hex. */
  bytecode: string;
}

const loaded = new Map<ArtifactName, Artifact>();

/** @throws CONFIG_INVALID when the contracts were not built */
export function artifact(name: ArtifactName): Artifact {
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

/** The interfaces in which an error is looked up; the exchange's words have a table of their own. */
export function allInterfaces(): Interface[] {
  return [...contractNames, "GradientRounds" as const].map((name) => artifact(name).abi);
}
