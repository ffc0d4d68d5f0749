/** Parts of a result that nobody looks into. */
import { id } from "ethers";
import type { ResultParts } from "../../contracts/commitments.ts";

export const someParts = {
  roots: [id("root 1"), id("root 2"), id("root 3")],
  ciphertextHashes: [id("sealed 1"), id("sealed 2"), id("sealed 3")],
  fieldBits: 127,
  total: 65,
} as const satisfies ResultParts;
