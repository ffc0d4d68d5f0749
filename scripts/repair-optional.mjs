// npm on a Node older than 22 silently drops optional packages whose `engines` ask for 22 or later;
// Hardhat's native binding is one of them. This script runs under the Node 24 that came with the
// installation and, where the binding is missing, runs the installer once more under that Node.
import { spawnSync } from "node:child_process";

const guard = "SYMBOLON_REPAIRING_OPTIONAL";
const lockOnly = process.env.npm_config_package_lock_only === "true";

if (
  !process.env[guard] &&
  !lockOnly &&
  process.env.npm_execpath &&
  Number(process.versions.node.split(".")[0]) >= 22
) {
  const present = await import("@nomicfoundation/edr").then(
    () => true,
    () => false,
  );
  if (!present) {
    const args = [process.env.npm_execpath, "install", "--no-save", "--ignore-scripts", "--loglevel=error"];
    const { status } = spawnSync(process.execPath, args, {
      stdio: "inherit",
      env: { ...process.env, [guard]: "1" },
    });
    process.exitCode = status ?? 1;
  }
}
