// Installs what is missing and builds what is generated, so that `npm run demo` and `npm test` are the only
// commands a newcomer needs. Plain JavaScript without dependencies: it runs before anything is installed, on
// whatever Node is there; everything after it runs on the Node that the installation brings along.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const lock = readFileSync(join(root, "package-lock.json"));
const wanted = createHash("sha256").update(lock).digest("hex");
const stamp = join(root, "node_modules", ".symbolon-setup");
const installed = existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;

if (!installed) {
  console.error("Installing dependencies (once) ...");
  // npm says where it is when it runs a script; without it, the one on the path is used.
  const npm = process.env.npm_execpath;
  const [command, args] = npm ? [process.execPath, [npm]] : ["npm", []];
  run(command, [...args, "ci", "--loglevel=error"], "the installation of dependencies failed");
  writeFileSync(stamp, wanted);
}

const bundled = join(root, "node_modules", ".bin", "node");
const node = existsSync(bundled) ? bundled : process.execPath;
// Of a build that is up to date there is nothing to say.
const built = existsSync(join(root, "build", "contracts.sha256"));
if (!built) console.error("Building what is generated (once) ...");
run(node, [join(root, "scripts", "build.mjs")], "the build failed");
if (!installed || !built) console.error("Everything is set up.");

function run(command, args, failure) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) {
    console.error(`${failure}${error ? `: ${error.message}` : ""}`);
    process.exit(status ?? 1);
  }
}
