// Breaks the contracts in one place at a time and sees whether a Solidity test fails.
//
//   npm run mutants                                    everything, an hour or two
//   npm run mutants -- OperatorRegistry                one contract's sources
//   npm run mutants -- contracts/JobEscrow.sol:80-120  one source, or lines of it, in every contract that has it
//   npm run mutants -- --list OperatorRegistry         the mutants, without a run
//   npm run mutants -- --out FILE                      also writes the unnoticed as lines of JSON
//
// The mutants follow from rules, see `mutantsOf`: each condition of a guard fails to hold, each comparison moves by
// one, each check, guard against re-entrancy and write is left out, each payment goes before the write. A mutant
// that no test notices stands in test/contracts/equivalent-mutants.json with the reason why it changes nothing that
// a test could see; any other, and one in the list that a test does notice, fails the run.
//
// Works on a copy, where it can with the optimiser off, which compiles a contract in a third of the time.
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import { parseArgs } from "node:util";

const require = createRequire(import.meta.url);
const solc = require("solc");
const root = join(import.meta.dirname, "..");
const equivalentFile = join(root, "test", "contracts", "equivalent-mutants.json");
const hardhat = join(root, "node_modules", ".bin", "hardhat");

/** The contracts, and whose tests are whose by the beginning of their names. Those of disputes are the escrow's, too. */
const testsOf = {
  OperatorRegistry: /^(OperatorRegistry|Slashing)/,
  GradientRounds: /^(Gradient|Training)/,
  ReviewExchange: /^(ReviewExchange|Exchange|ShardSamples)/,
  Disputes: /^(Answers|Challenges|Contests|Convictions|SelfConvictions|DisputePayments|Invariants)/,
  JobEscrow: /^(?!OperatorRegistry|Gradient|Training|ReviewExchange|Exchange|ShardSamples)/,
};

/** Checks that return what they have checked, and the same without the check. */
const checkedReads = [
  [/\b_inState\((\w+), [\w.]+\)/g, "_slots[$1]"],
  [/\b_withStatus\((\w+), ([\w.]+), [\w.]+\)/g, "_owners[$1][$2]"],
  [/\b_step\(\w+, (\w+), \w+, [\w.]+\)/g, "_seats[$1].slot"],
  [/\b_registered\(([\w.]+)\)(?! private)/g, "_records[$1]"],
];

// ---- sources -----------------------------------------------------------------------------------------

const texts = new Map();

/** The text of a source by the name under which the compiler knows it. */
function textOf(source) {
  if (!texts.has(source)) {
    const path = source.startsWith("contracts/") ? join(root, source) : require.resolve(source);
    texts.set(source, readFileSync(path, "utf8"));
  }
  return texts.get(source);
}

/** A source with all that it imports, and they in turn unless they are `ends`. */
function closureOf(source, found = new Set(), ends = () => false) {
  if (found.has(source)) return found;
  found.add(source);
  if (ends(source)) return found;
  for (const [, path] of textOf(source).matchAll(/^import .*?"(.+?)";/gms)) {
    closureOf(path.startsWith(".") ? posix.join(posix.dirname(source), path) : path, found, ends);
  }
  return found;
}

/** Own sources of a contract that have code; what its interfaces import serves their types only. */
function sourcesOf(contract) {
  const found = closureOf(`contracts/${contract}.sol`, new Set(), (source) => source.includes("interfaces/"));
  return [...found].filter((source) => source.startsWith("contracts/") && !source.includes("interfaces/"));
}

// ---- mutants -----------------------------------------------------------------------------------------

/** The text with comments blanked, so that places in it are places in the original. */
function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, (comment) => comment.replace(/[^\n]/g, " "));
}

/** The place after the bracket that closes the one at `from`. */
function closing(text, from) {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    if ("([{".includes(text[at])) depth += 1;
    if (")]}".includes(text[at])) depth -= 1;
    if (depth === 0) return at + 1;
  }
  throw new Error(`the bracket at ${from} is not closed`);
}

/** [start, end) of the operands of a chain of `operator` that stands outside of brackets. */
function operands(text, start, end, operator) {
  const parts = [];
  let from = start;
  for (let at = start; at < end; at += 1) {
    if ("([{".includes(text[at])) at = closing(text, at) - 1;
    else if (text.startsWith(operator, at)) {
      parts.push([from, at]);
      from = at + operator.length;
    }
  }
  return parts.length === 0 ? [] : [...parts, [from, end]];
}

/** Where the condition of the `?` at `at` begins. */
function conditionStart(text, at) {
  let depth = 0;
  for (let from = at - 1; ; from -= 1) {
    if (")]}".includes(text[from])) depth += 1;
    if ("([{".includes(text[from])) depth -= 1;
    const assigns = text[from] === "=" && !"=!<>".includes(text[from - 1]) && text[from + 1] !== "=";
    const begins = ",;?:".includes(text[from]) || assigns || text.slice(from - 6, from) === "return";
    if (depth < 0 || (depth === 0 && begins)) return from + 1;
  }
}

/** Each [start, end, replacement, kind, also]: what to replace, and with `also` a second place. */
function mutantsOf(source) {
  const original = textOf(source);
  const text = withoutComments(original);
  const found = [];
  const add = (start, end, by, kind, also = []) => found.push({ source, start, end, by, kind, also });

  const comparisons = (start, end) => {
    for (const match of text.slice(start, end).matchAll(/ (<=?|>=?) /g)) {
      const [at, sign] = [start + match.index + 1, match[1]];
      add(at, at + sign.length, sign.length === 2 ? sign[0] : `${sign}=`, "boundary");
    }
  };
  const chain = (start, end) => {
    for (const [operator, neutral] of [
      ["||", "false"],
      ["&&", "true"],
    ]) {
      for (const [from, to] of operands(text, start, end, operator)) {
        add(from, to, ` ${neutral} `, "operand");
        // One level deeper: (a || b) && c.
        const inner = text.slice(from, to).match(/^\s*\(/);
        if (inner) {
          const open = from + inner[0].length - 1;
          if (text.slice(closing(text, open), to).trim() === "") chain(open + 1, closing(text, open) - 1);
        }
      }
    }
  };

  for (const { index } of text.matchAll(/\bif \(/g)) {
    const [start, end] = [index + 4, closing(text, index + 3) - 1];
    const refuses = /^\)\s*\{?\s*revert\b/.test(text.slice(end));
    add(start, end, "false", refuses ? "guard" : "condition");
    if (!refuses) add(start, end, "true", "condition");
    chain(start, end);
    comparisons(start, end);
  }
  for (const { index, 0: head } of text.matchAll(/\breturn (?=[^;]*(&&|\|\||[^-]> |< |==|!=))/g)) {
    const [start, end] = [index + head.length, text.indexOf(";", index)];
    chain(start, end);
    comparisons(start, end);
  }
  for (const { index } of text.matchAll(/ \? /g)) {
    const start = conditionStart(text, index + 1);
    for (const value of ["true", "false"]) add(start, index, ` ${value}`, "choice");
  }
  for (const { index, 0: word } of text.matchAll(/\bnonReentrant\b/g))
    add(index, index + word.length, "", "re-entrancy");
  for (const { index, 0: row } of text.matchAll(
    /\(1 << \(\d+ \* uint256\(\w+\.\w+\) \+ uint256\(\w+\.\w+\)\)\)/g,
  )) {
    add(index, index + row.length, "0", "arrow");
  }
  for (const [pattern, by] of checkedReads) {
    for (const match of text.matchAll(pattern)) {
      const read = match[0].replace(new RegExp(pattern.source), by);
      add(match.index, match.index + match[0].length, read, "check");
    }
  }

  // Statements: a call of a check or of a payment, and an assignment.
  const statement =
    /(?<=[;{})]\s*|else )(?:(_\w+|Payments\.\w+)\(|delete \w+\[|(?!return|if|for)[\w.]+(?:\[[^;=]*\])*(?:\.\w+)* (?:[+-]?= ))/g;
  const writes = [];
  for (const { index, 1: call } of text.matchAll(statement)) {
    const end = text.indexOf(";", index) + 1;
    // In the braces of a struct, an argument list, or a loop's head.
    if (text.lastIndexOf("for (", index) > text.lastIndexOf("\n", index)) continue;
    add(index, end, "{}", call ? "call" : "write");
    if (!call) writes.push(index);
  }
  // The payment that ends a function, before one of the writes in it.
  for (const { index } of text.matchAll(/(?<=\n\s+)(Payments\.(pay|collect)\(|if \(!LowLevelCall\.)/g)) {
    const end = text.indexOf(";", index) + 1;
    if (!/^\s*\}/.test(text.slice(end))) continue;
    const begin = text.lastIndexOf("function ", index);
    for (const at of writes.filter((write) => write > begin && write < index)) {
      add(at, at, `${original.slice(index, end)}\n`, "order", [index, end, ""]);
    }
  }
  return found.sort((a, b) => a.start - b.start);
}

function mutated({ source, start, end, by, also }) {
  const text = textOf(source);
  // `also` lies behind.
  const tail = also.length === 0 ? text.slice(end) : text.slice(end, also[0]) + also[2] + text.slice(also[1]);
  return text.slice(0, start) + by + tail;
}

/** What identifies a mutant while lines move: the line, what stood there and what stands there now. */
function describe({ source, start, end, by, kind }) {
  const text = textOf(source);
  const line = text.slice(0, start).split("\n").length;
  const code = text.split("\n")[line - 1].trim();
  const squeeze = (piece) => piece.trim().replace(/\s+/g, " ");
  return { source, line, kind, code, was: squeeze(text.slice(start, end)), now: squeeze(by) };
}

// ---- running -----------------------------------------------------------------------------------------

const quick = { optimizer: { enabled: false } };
/** As shipped. */
const optimised = { optimizer: { enabled: true, runs: 2000 }, viaIR: true };
const settings = new Map();

/** Deployment code of a contract, with one source replaced; null when it does not compile. */
function compile(contract, replaced, by) {
  if (!settings.has(contract)) {
    // Without the detour over Yul some contract has too many variables for the stack.
    settings.set(contract, quick);
    if (compile(contract) === null) settings.set(contract, optimised);
  }
  const main = `contracts/${contract}.sol`;
  const sources = {};
  for (const source of closureOf(main)) {
    sources[source] = { content: source === replaced ? by : textOf(source) };
  }
  const input = {
    language: "Solidity",
    sources,
    settings: {
      ...settings.get(contract),
      evmVersion: "osaka",
      outputSelection: { [main]: { [contract]: ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const { contracts, errors = [] } = JSON.parse(solc.compile(JSON.stringify(input)));
  return errors.some(({ severity }) => severity === "error") ? null : contracts[main][contract].evm;
}

/** Copies what the tests need and builds them there. */
function prepare() {
  const folder = mkdtempSync(join(tmpdir(), "symbolon-mutants-"));
  for (const name of [
    "contracts",
    "test/contracts",
    "mpc",
    "hardhat.config.ts",
    "package.json",
    "tsconfig.json",
  ]) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  // What the project has built already need not be built again.
  const build = join(root, "build");
  if (existsSync(build)) cpSync(build, join(folder, "build"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const { status, stdout, stderr } = spawnSync(hardhat, ["build"], { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`the contracts or their tests do not compile\n${stdout}${stderr}`);
  return folder;
}

function install(folder, contract, evm) {
  const path = join(folder, "build/artifacts/contracts", `${contract}.sol`, `${contract}.json`);
  const artifact = JSON.parse(readFileSync(path, "utf8"));
  artifact.bytecode = `0x${evm.bytecode.object}`;
  artifact.deployedBytecode = `0x${evm.deployedBytecode.object}`;
  writeFileSync(path, JSON.stringify(artifact));
}

/** Hardhat in `folder`, in this process: to start it anew for each mutant would take longer than the tests. */
async function hardhatIn(folder) {
  process.chdir(folder);
  const { createHardhatRuntimeEnvironment, importUserConfig } = await import("hardhat/hre");
  const config = await importUserConfig(join(folder, "hardhat.config.ts"));
  const hre = await createHardhatRuntimeEnvironment(config, {}, folder);
  return hre.tasks.getTask(["test", "solidity"]);
}

/** Whether the tests of a file pass. What they print is of no use here. */
async function passes(task, file) {
  const { write } = process.stdout;
  let printed = "";
  process.stdout.write = (text, encoding, done = encoding) => {
    printed += text;
    // Whoever writes may wait to be told.
    if (typeof done === "function") done();
    return true;
  };
  let success;
  try {
    ({ success } = await task.run({ noCompile: true, testFiles: [`test/contracts/${file}`] }));
  } finally {
    process.stdout.write = write;
  }
  if (success && !/\d+ passing/.test(printed)) throw new Error(`${file} has no tests\n${printed}`);
  return success;
}

/** Invariants last: they take longest. */
function testFilesOf(folder, contract) {
  return readdirSync(join(folder, "test", "contracts"))
    .filter((name) => name.endsWith(".t.sol") && testsOf[contract].test(name) && !/Handler/.test(name))
    .sort((a, b) => /Invariants/.test(a) - /Invariants/.test(b));
}

/** What noticed the mutant before: neighbours are mostly noticed by the same tests. */
let lastKiller = "";

/** The contract that is broken now; its tests alone are to see it so. */
let broken;

/** The file that notices the mutant, null when none does, undefined when it does not compile. */
async function killer(folder, task, mutant, contracts) {
  const text = mutated(mutant);
  let built = false;
  for (const contract of contracts) {
    const evm = compile(contract, mutant.source, text);
    if (evm === null) continue;
    built = true;
    if (broken !== undefined && broken !== contract) install(folder, broken, compile(broken));
    install(folder, contract, evm);
    broken = contract;
    const files = testFilesOf(folder, contract).sort((a, b) => (b === lastKiller) - (a === lastKiller));
    for (const file of files) {
      if (await passes(task, file)) continue;
      if (!/Invariants/.test(file)) lastKiller = file;
      return file;
    }
  }
  return built ? null : undefined;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { list: { type: "boolean" }, out: { type: "string" } },
});
const wanted = positionals.length === 0 ? Object.keys(testsOf) : positionals;
/** Sources, each with the lines that are asked for; those that two contracts share once. */
const asked = wanted.flatMap((name) => {
  if (name in testsOf) return sourcesOf(name).map((source) => [source, 1, Number.MAX_SAFE_INTEGER]);
  const [source, lines] = name.split(":");
  const [from, to = from] = lines?.split("-").map(Number) ?? [1, Number.MAX_SAFE_INTEGER];
  return [[source, from, to]];
});
const parts = [...new Map(asked.map((part) => [part.join(), part])).values()];
const mutants = parts.flatMap(([source, from, to]) =>
  mutantsOf(source).filter((mutant) => from <= describe(mutant).line && describe(mutant).line <= to),
);
if (values.list) {
  for (const mutant of mutants) {
    const { source, line, kind, was, now } = describe(mutant);
    console.log(`${source}:${line} ${kind}: ${was} -> ${now}`);
  }
  console.log(`${mutants.length} mutants`);
  process.exit();
}

const equivalent = JSON.parse(readFileSync(equivalentFile, "utf8"));
const known = ({ source, kind, code, was, now }) =>
  equivalent.find(
    (each) =>
      each.source === source &&
      each.kind === kind &&
      each.code === code &&
      each.was === was &&
      each.now === now,
  );
const folder = prepare();
const task = await hardhatIn(folder);
const counts = { killed: 0, equivalent: 0, survived: 0, unbuilt: 0 };
let wrong = 0;
try {
  for (const contract of Object.keys(testsOf)) {
    if (!sourcesOf(contract).some((source) => parts.some(([part]) => part === source))) continue;
    install(folder, contract, compile(contract));
    for (const file of testFilesOf(folder, contract)) {
      if (!(await passes(task, file))) throw new Error(`${file} fails before anything is broken`);
    }
  }
  for (const mutant of mutants) {
    const contracts = Object.keys(testsOf).filter((contract) => sourcesOf(contract).includes(mutant.source));
    const by = await killer(folder, task, mutant, contracts);
    const seen = describe(mutant);
    const reason = known(seen)?.reason;
    const outcome =
      by === undefined ? "unbuilt" : by !== null ? "killed" : reason ? "equivalent" : "survived";
    counts[outcome] += 1;
    if (outcome === "survived" || (reason && outcome === "killed")) wrong += 1;
    const note =
      outcome === "killed" ? (reason ? `${by}, though it is listed as equivalent` : by) : (reason ?? "");
    console.log(
      `${outcome.padEnd(10)} ${seen.source}:${seen.line} ${seen.kind}: ${seen.was} -> ${seen.now}  ${note}`,
    );
    if (outcome === "survived" && values.out)
      writeFileSync(values.out, `${JSON.stringify(seen)}\n`, { flag: "a" });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(
  `${counts.killed} noticed, ${counts.equivalent} that change nothing, ${counts.survived} unnoticed, ` +
    `${counts.unbuilt} that do not compile`,
);
process.exitCode = wrong === 0 ? 0 : 1;
