/** Self times of a CPU profile, by function, and the group of work that each function belongs to. */
import type { Profiler } from "node:inspector/promises";
import { relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * waiting: nothing to do; kernel: inside WebAssembly; crypto: ciphers and hashes with their Node wrappers;
 * socket: reading and writing with Node's streams; gc: the garbage collector; project: our TypeScript;
 * node: the rest of Node's own code (promises, timers); native: V8 and libuv outside of any function.
 */
export const groups = ["waiting", "kernel", "crypto", "socket", "gc", "project", "node", "native"] as const;
export type Group = (typeof groups)[number];

export interface SelfTime {
  readonly name: string;
  readonly group: Group;
  readonly milliseconds: number;
}

const root = resolve(import.meta.dirname, "..");

/** All functions with a self time, the longest first. */
export function selfTimes(profile: Profiler.Profile): SelfTime[] {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((c) => [c, node.id])));

  // A native function carries no address; it belongs to what called it.
  const groupOf = (id: number | undefined): Group => {
    if (id === undefined) return "native";
    const { functionName, url } = nodes.get(id)!.callFrame;
    return ownGroup(functionName, url) ?? groupOf(parents.get(id));
  };

  const found = new Map<string, { name: string; group: Group; milliseconds: number }>();
  (profile.samples ?? []).forEach((id, i) => {
    const { functionName, url, lineNumber } = nodes.get(id)!.callFrame;
    const group = groupOf(id);
    const name = `${functionName || "(anonymous)"}${place(url, lineNumber)}`;
    const key = `${group} ${name}`;
    const entry = found.get(key) ?? { name, group, milliseconds: 0 };
    // The delta of a sample is the time since the one before, so a sample lasts until the next.
    entry.milliseconds += (profile.timeDeltas?.[i + 1] ?? 0) / 1000;
    found.set(key, entry);
  });
  return [...found.values()]
    .filter((f) => f.milliseconds > 0)
    .sort((a, b) => b.milliseconds - a.milliseconds);
}

function ownGroup(functionName: string, url: string): Group | undefined {
  if (functionName === "(idle)") return "waiting";
  if (functionName === "(garbage collector)") return "gc";
  if (functionName === "(program)" || functionName === "(root)") return "native";
  if (url === "") return undefined;
  if (url.startsWith("wasm:")) return "kernel";
  if (/^node:(internal\/)?crypto/.test(url)) return "crypto";
  if (/^node:(net|internal\/(streams|stream_base_commons|js_stream|net))/.test(url)) return "socket";
  return url.startsWith("node:") ? "node" : "project";
}

function place(url: string, lineNumber: number): string {
  if (url === "") return "";
  const file = url.startsWith("file:") ? relative(root, fileURLToPath(url)) : url.replace(/^(wasm:).*/, "$1");
  return ` ${file}:${lineNumber + 1}`;
}
