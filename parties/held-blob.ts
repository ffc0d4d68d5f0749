/** Whether the bridge still has what was given to it. */
import type { BridgeClient } from "../bridge/client.ts";
import { SymbolonError } from "../mpc/errors.ts";

/** An altered blob is as good as lost. @throws BRIDGE_UNREACHABLE */
export async function isHeld(bridge: BridgeClient, hash: string): Promise<boolean> {
  return bridge.hasBlob(hash).catch((error) => {
    if (error instanceof SymbolonError && error.code === "COMMITMENT_MISMATCH") return false;
    throw error;
  });
}
