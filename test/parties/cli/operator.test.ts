/** The operator's commands on a real chain: which trouble they name, and when they send nothing. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operatorSetId } from "../../../contracts/commitments.ts";
import { signAttestation } from "../../../contracts/eip712.ts";
import { reportError } from "../../../parties/cli/errors.ts";
import { Output } from "../../../parties/cli/output.ts";
import { buildProgram } from "../../../parties/cli/program.ts";
import { createKeys, type OperatorKeys, saveKeys } from "../../../parties/keys.ts";
import { registrationOf } from "../../../parties/registration.ts";
import {
  algorithm,
  bytes32,
  type MarketFixture,
  settings,
  startMarket,
} from "../../contracts/market-fixture.ts";
import { runInProcess } from "./in-process.ts";

let market: MarketFixture;
let folder: string;
const file = (name: string) => join(folder, name);
/** One that stays, and two that share a set with it: one to pause and leave, one to be slashed. */
let [staying, leaving, slashed] = [] as unknown as [OperatorKeys, OperatorKeys, OperatorKeys];
let set: string;

beforeAll(async () => {
  market = await startMarket();
  folder = await mkdtemp(join(tmpdir(), "symbolon-operators-"));
  await writeFile(file("deployment.json"), JSON.stringify(market.deployment));
  const made: OperatorKeys[] = [];
  for (const [index, name] of ["staying", "leaving", "slashed"].entries()) {
    const owner = market.chain.accounts[13 + index]!.privateKey;
    const keys = createKeys("operator", { owner });
    await saveKeys(keys, file(`${name}.json`));
    const node = { endpoint: "127.0.0.1:9600", feeWei: 1n };
    const wallet = new Wallet(owner, market.provider);
    await market.of(wallet).registerOperator(await registrationOf(keys, market.deployment, node));
    made.push(keys);
  }
  [staying, leaving, slashed] = made as [OperatorKeys, OperatorKeys, OperatorKeys];
  const members = made.map(({ owner }) => owner.address) as [string, string, string];
  await market.of(market.stranger).createSet(members);
  set = operatorSetId(members);
}, 60_000);
afterAll(async () => {
  await market.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs `symbolon operator`. @returns the exit status, what it says, and how many transactions the account sent */
async function operator(line: string, keys: OperatorKeys, json = true) {
  const name = { [staying.owner.address]: "staying", [leaving.owner.address]: "leaving" };
  const args = [
    ...["operator", ...line.split(" "), "--keys", file(`${name[keys.owner.address] ?? "slashed"}.json`)],
    ...["--rpc", market.chain.url, "--deployment", file("deployment.json")],
  ];
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = new Output(json, { stdout, stderr }, {});
  const sent = () => market.provider.getTransactionCount(keys.owner.address);
  const before = await sent();
  const status = await buildProgram(output)
    .parseAsync(args, { from: "user" })
    .then(
      () => 0,
      (error) => reportError(error, output),
    );
  const said = stdout.read()?.toString() ?? stderr.read()?.toString() ?? "";
  return { status, said, document: json ? JSON.parse(said) : undefined, sent: (await sent()) - before };
}

const address = ({ owner }: OperatorKeys) => owner.address;

describe("what changes nothing is not sent", () => {
  const id = bytes32("an algorithm to approve");

  test("approve and revoke, each once", async () => {
    const at = { operator: address(staying), algorithm: id, operatorSets: [set] };
    const steps = [
      ["revoke", false],
      ["approve", true],
      ["approve", false],
      ["revoke", true],
    ] as const;
    for (const [verb, due] of steps) {
      const { status, document, sent } = await operator(`${verb} ${id}`, staying);
      expect([verb, status, sent, document]).toEqual([
        ...[verb, 0, due ? 1 : 0],
        { ...at, unchanged: due ? [] : [set], txHashes: due ? [expect.stringMatching(/^0x/)] : [] },
      ]);
    }
    const { status, said, sent } = await operator(`revoke ${id}`, staying, false);
    expect([status, sent]).toEqual([0, 0]);
    expect(said).toMatch(/^nothing to do: .* is not approved\n$/);
  });

  test("create-set of a set that is there", async () => {
    const members = [staying, leaving, slashed].map(address);
    const { status, document, sent } = await operator(`create-set ${members.join(" ")}`, staying);
    expect([status, sent, document]).toEqual([0, 0, { operatorSet: set, members, txHash: null }]);
    const { said } = await operator(`create-set ${members.join(" ")}`, staying, false);
    expect(said).toBe(`nothing to do: operator set ${set} is there already\n`);
  });
});

test("refuse-token of a token that was never accepted, or no longer is, sends nothing", async () => {
  const token = "0x1111111111111111111111111111111111111111";
  const refused = async () => {
    const { status, sent, document } = await operator(`refuse-token ${token}`, staying);
    return [status, sent, document];
  };
  const nothing = [0, 0, { operator: address(staying), token, txHash: null }];
  expect(await refused()).toEqual(nothing);
  // Not by the command, which looks at the token: there is none at this address.
  await market.of(new Wallet(staying.owner.privateKey.hex(), market.provider)).acceptToken(token, 1n);
  expect(await refused()).toMatchObject([0, 1, { txHash: expect.stringMatching(/^0x/) }]);
  expect(await refused()).toEqual(nothing);
  expect((await operator(`refuse-token ${token}`, staying, false)).said).toMatch(/^nothing to do: /);
});

test("update takes the endpoint, the fee or both, and leaves the other as it is registered", async () => {
  const registered = async () => {
    const { endpoint, feeWei } = await market.of(market.stranger).operator(address(staying));
    return [endpoint, feeWei];
  };
  for (const [line, after] of [
    ["--fee 7wei", ["127.0.0.1:9600", 7n]],
    ["--endpoint 127.0.0.1:9700", ["127.0.0.1:9700", 7n]],
    ["--endpoint 127.0.0.1:9600 --fee 1wei", ["127.0.0.1:9600", 1n]],
  ] as const) {
    expect(await operator(`update ${line}`, staying)).toMatchObject({ status: 0, sent: 1 });
    expect(await registered()).toEqual(after);
  }
  const { status, document, sent } = await operator("update", staying);
  expect([status, sent, document.error.code]).toEqual([2, 0, "USAGE"]);
  expect(document.error.message).toContain("--endpoint, --fee or both");
});

test("a hint names a command that runs as it stands, with the options of the present one", async () => {
  await operator("pause", staying);
  const { document } = await operator("pause", staying);
  const command = /`(?:npx )?symbolon (operator resume --keys \S+ --rpc \S+ --deployment \S+)`/.exec(
    document.error.hint,
  );
  expect((await runInProcess(command![1]!.split(" "))).status).toBe(0);
});

test("status asks for no passphrase: it shows what is public", async () => {
  await saveKeys(staying, file("sealed.json"), { passphrase: "a passphrase" });
  await saveKeys(createKeys("seller"), file("seller.json"));
  const show = (keys: string) =>
    runInProcess([
      ...["operator", "status", "--json", "--keys", file(keys)],
      ...["--rpc", market.chain.url, "--deployment", file("deployment.json")],
    ]);
  const { status, stdout } = await show("sealed.json");
  expect([status, JSON.parse(stdout).address]).toEqual([0, address(staying)]);
  expect(JSON.parse((await show("seller.json")).stdout).error).toMatchObject({
    ...{ code: "KEY_INVALID", message: expect.stringContaining("expected those of role operator") },
  });

  const content = JSON.parse(await readFile(file("sealed.json"), "utf8"));
  content.public.owner = "0x12";
  await writeFile(file("odd.json"), JSON.stringify(content), { mode: 0o600 });
  expect(JSON.parse((await show("odd.json")).stdout).error).toMatchObject({
    ...{ code: "KEY_INVALID", message: expect.stringContaining("no address of an owner") },
  });
});

describe("leaving", () => {
  test("is what an active operator that wants its bond is told to do", async () => {
    const { status, document, sent } = await operator("withdraw-bond", leaving);
    expect([status, sent]).toEqual([3, 0]);
    expect(document.error).toMatchObject({
      code: "STATE_INVALID",
      hint: expect.stringContaining("operator leave"),
    });
  });

  test("has a date, which the status shows, until the bond can be withdrawn", async () => {
    expect((await operator("status", leaving, false)).said).not.toContain("bond is free");
    const { document } = await operator("leave", leaving);
    const at = new Date(document.withdrawableAtSec * 1000).toISOString();
    const shown = await operator("status", leaving, false);
    expect(shown.said).toMatch(new RegExp(`bond is free +from ${at} on, in \\d+ (seconds|minutes)\n`));
    await market.pass(settings.unbondingSec);
    expect((await operator("status", leaving, false)).said).toMatch(
      new RegExp(`bond is free +since ${at}: (npx )?symbolon operator withdraw-bond --keys .* --rpc .*\n`),
    );
  });
});

test("create-set says what the owner of a member that takes no jobs can do", async () => {
  const stranger = market.stranger.address;
  const [first, second] = market.members;
  const outcome = async (third: string) => {
    const { status, document, sent } = await operator(`create-set ${first} ${second} ${third}`, staying);
    return [status, sent, document.error.message, document.error.hint];
  };
  expect(await outcome(stranger)).toEqual([
    ...[3, 0, expect.stringContaining(`operator ${stranger} is not registered`)],
    expect.stringContaining("operator register"),
  ]);
  expect(await outcome(address(leaving))).toEqual([
    ...[3, 0, expect.stringContaining(`operator ${address(leaving)} is leaving`)],
    expect.stringContaining("name another operator"),
  ]);
});

describe("an operator that was slashed", () => {
  beforeAll(async () => {
    const signer = new Wallet(slashed.signer.privateKey.hex());
    const one = {
      job: bytes32("job"),
      resultRoot: bytes32("one"),
      payoutRoot: bytes32("p"),
      budgetSpent: 0n,
    };
    const other = { ...one, resultRoot: bytes32("other") };
    const sign = (message: typeof one) => signAttestation(signer, market.deployment, message);
    await market.of(market.stranger).convict([one, other], [await sign(one), await sign(other)]);
  });

  test.each([
    "register --endpoint 127.0.0.1:1 --fee 1gwei",
    `approve ${algorithm}`,
    `revoke ${algorithm}`,
    "accept-token 0x1111111111111111111111111111111111111111 --fee 1",
    "refuse-token 0x1111111111111111111111111111111111111111",
    "pause",
    "resume",
    "leave",
    "withdraw-bond",
  ])("is told so by %s, which sends nothing", async (line) => {
    const { status, document, sent } = await operator(line, slashed);
    expect([status, sent]).toEqual([3, 0]);
    expect(document.error).toEqual({
      code: "STATE_INVALID",
      message: expect.stringContaining(`operator ${address(slashed)} was slashed: its bond is gone`),
      hint: expect.stringContaining("operator claim"),
    });
  });

  test("is told so by create-set, even of a set that is there", async () => {
    const members = [staying, leaving, slashed].map(address);
    const { status, document, sent } = await operator(`create-set ${members.join(" ")}`, slashed);
    expect([status, sent]).toEqual([3, 0]);
    expect(document.error.message).toContain(`operator ${address(slashed)} was slashed`);
  });

  test("can still move to another endpoint, for the jobs that it has", async () => {
    const moved = await operator("update --endpoint 127.0.0.1:7", slashed);
    expect(moved).toMatchObject({ status: 0, sent: 1 });
    const { endpoint } = await market.of(market.stranger).operator(address(slashed));
    expect(endpoint).toBe("127.0.0.1:7");
  });

  test("still sees its status and its earnings", async () => {
    expect(await operator("status", slashed)).toMatchObject({ status: 0, document: { status: "Slashed" } });
    // Refused for want of earnings alone.
    const { document } = await operator("claim", slashed);
    expect(document.error.message).not.toContain("slashed");
  });
});
