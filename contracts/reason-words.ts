/** What tables of words for refusals share. */
import { formatEther } from "ethers";
import type { ErrorCode } from "../mpc/errors.ts";

export interface Words {
  code: ErrorCode;
  message: string;
  hint?: string;
}

export function eth(wei: bigint): string {
  return `${formatEther(wei)} ETH`;
}

export function time(seconds: bigint): string {
  // Beyond what a Date holds there is no calendar.
  return seconds > 8_640_000_000_000n ? `second ${seconds}` : new Date(Number(seconds) * 1000).toISOString();
}
