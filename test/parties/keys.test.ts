import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { verifyMessage, Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKeys, loadKeys, loadPublicKeys, publicKeys, roles, saveKeys } from "../../parties/keys.ts";
import { seal, unseal } from "../../parties/sealing.ts";
import { Secret } from "../../parties/secret.ts";
import { x25519PublicKey } from "../../parties/x25519.ts";

const invalid = (message = /./) =>
  expect.objectContaining({ code: "KEY_INVALID", message: expect.stringMatching(message) });

describe("key files", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "symbolon-keys-"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true });
  });
  let count = 0;
  const newFile = () => join(directory, `${++count}.json`);

  /** Writes `content` as a key file that only its owner can read. */
  async function write(content: unknown): Promise<string> {
    const file = newFile();
    await writeFile(file, typeof content === "string" ? content : JSON.stringify(content), { mode: 0o600 });
    return file;
  }

  it.each(roles)("of a %s are read as they were written, by their owner only", async (role) => {
    const keys = createKeys(role);
    const file = newFile();
    await saveKeys(keys, file);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const loaded = await loadKeys(file, role);
    expect(publicKeys(loaded)).toEqual(publicKeys(keys));
    expect(loaded.created).toBe(keys.created);
    expect((await loadPublicKeys(file)).public).toEqual(publicKeys(keys));
    const secrets = (all: object) =>
      Object.values(all).flatMap((key) =>
        key instanceof Secret ? [key.hex()] : key?.privateKey instanceof Secret ? [key.privateKey.hex()] : [],
      );
    expect(secrets(loaded)).toEqual(secrets(keys));
    expect(new Set(secrets(keys)).size).toBe(secrets(keys).length);
  });

  it("hold what each role needs", () => {
    expect(Object.keys(publicKeys(createKeys("seller")))).toEqual(["account"]);
    expect(Object.keys(publicKeys(createKeys("buyer")))).toEqual(["account", "resultKey"]);
    expect(Object.keys(publicKeys(createKeys("bridge")))).toEqual(["account"]);
    const operator = createKeys("operator");
    expect(Object.keys(publicKeys(operator))).toEqual([
      "owner",
      "signer",
      "sealKey",
      "channelKey",
      "jiffKey",
    ]);
    expect(operator.storageKey.byteLength).toBe(32);
  });

  it("work: an account signs, a result key opens seals", async () => {
    const keys = createKeys("buyer");
    const signature = await new Wallet(keys.account.privateKey.hex()).signMessage("x");
    expect(verifyMessage("x", signature)).toBe(keys.account.address);
    const context = {
      kind: "result-share",
      chainId: 1,
      escrow: keys.account.address,
      jobId: `0x${"01".repeat(32)}`,
      buyer: keys.account.address,
      operator: keys.account.address,
      point: 1,
      attempt: 1,
    } as const;
    const sealed = await seal(keys.resultKey.publicKey, context, Buffer.from("share"));
    expect(Buffer.from(await unseal(keys.resultKey.privateKey, context, sealed)).toString()).toBe("share");
  });

  it("can take an account that exists", () => {
    // The first account of the development mnemonic that every Ethereum tool knows.
    const account = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    expect(createKeys("seller", { account }).account.address).toBe(
      "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    );
    expect(() => createKeys("seller", { owner: account })).toThrow(invalid(/no key named owner/));
    expect(() => createKeys("seller", { account: "0x12" })).toThrow(invalid(/not a private key/));
    expect(() => createKeys("seller", { account: `0x${"0".repeat(64)}` })).toThrow(
      invalid(/not a private key/),
    );
    expect(() => createKeys("seller", { account: `0x${"f".repeat(64)}` })).toThrow(
      invalid(/not a private key/),
    );
  });

  it("are encrypted with a passphrase, and open with no other", async () => {
    const keys = createKeys("seller");
    const file = newFile();
    await saveKeys(keys, file, { passphrase: "correct horse \u00e9" });
    const text = await readFile(file, "utf8");
    expect(text).not.toContain(keys.account.privateKey.hex().slice(2));
    // The same words in another Unicode composition.
    const loaded = await loadKeys(file, "seller", { passphrase: "correct horse e\u0301" });
    expect(loaded.account.privateKey.hex()).toBe(keys.account.privateKey.hex());
    await expect(loadKeys(file, "seller", { passphrase: "wrong" })).rejects.toThrow(invalid(/does not open/));
    await expect(loadKeys(file, "seller")).rejects.toThrow(invalid(/passphrase is needed/));
    const content = JSON.parse(text);
    content.created = "2020-01-01T00:00:00.000Z";
    const altered = await write(content);
    await expect(loadKeys(altered, "seller", { passphrase: "correct horse \u00e9" })).rejects.toThrow(
      invalid(/does not open/),
    );
  });

  it("are never overwritten", async () => {
    const file = newFile();
    await saveKeys(createKeys("seller"), file);
    const before = await readFile(file, "utf8");
    await expect(saveKeys(createKeys("seller"), file)).rejects.toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
    expect(await readFile(file, "utf8")).toBe(before);
  });

  it.each([0o640, 0o604, 0o620])("are refused with mode %o", async (mode) => {
    const file = newFile();
    await saveKeys(createKeys("seller"), file);
    await chmod(file, mode);
    await expect(loadKeys(file, "seller")).rejects.toThrow(invalid(/can be read by other users/));
  });

  it.each(["no JSON", '{ "columns": [] }'])(
    "are not said to be known to others where a file is none: %s",
    async (text) => {
      const file = newFile();
      await writeFile(file, text, { mode: 0o644 });
      await expect(loadKeys(file, "seller")).rejects.toThrow(invalid(/is not JSON|is malformed/));
    },
  );

  it("are refused for another role", async () => {
    const file = newFile();
    await saveKeys(createKeys("seller"), file);
    await expect(loadKeys(file, "buyer")).rejects.toThrow(
      invalid(/keys of role seller, expected those of role buyer/),
    );
  });

  it("are refused when malformed, and never quoted", async () => {
    const file = newFile();
    const keys = createKeys("operator");
    await saveKeys(keys, file);
    const good = JSON.parse(await readFile(file, "utf8"));
    const bad: unknown[] = [
      JSON.stringify(good).slice(0, -20),
      `${JSON.stringify(good)}x`,
      [],
      { ...good, version: 2 },
      { ...good, role: "king" },
      { ...good, extra: good.secret.owner },
      { ...good, secret: undefined },
      { ...good, secret: { ...good.secret, owner: `${good.secret.owner}00` } },
      { ...good, secret: { ...good.secret, owner: undefined } },
      { ...good, secret: { ...good.secret, other: good.secret.owner } },
      { ...good, secret: { ...good.secret, owner: good.secret.signer } },
      { ...good, secret: { ...good.secret, sealKey: good.secret.jiffKey } },
      { ...good, public: { ...good.public, signer: good.public.owner } },
    ];
    for (const content of bad) {
      const error = await write(content)
        .then((name) => loadKeys(name, "operator"))
        .catch((thrown) => thrown);
      expect(error).toEqual(invalid());
      const printed = inspect(error, { depth: 9, showHidden: true }) + JSON.stringify(error);
      for (const secret of Object.values<string>(good.secret))
        expect(printed).not.toContain(secret.slice(2, 18));
    }
  });

  it("that do not exist are named", async () => {
    await expect(loadKeys(join(directory, "none.json"), "seller")).rejects.toThrow(
      expect.objectContaining({ code: "USAGE", message: expect.stringContaining("none.json") }),
    );
  });
});

describe("secrets in memory", () => {
  it("are never printed", () => {
    const keys = createKeys("operator");
    const printed = [
      inspect(keys, { depth: 9, showHidden: true }),
      inspect(keys, { colors: true }),
      JSON.stringify(keys),
      `${keys.storageKey}`,
      String(keys.owner.privateKey),
      inspect(new Error("x", { cause: keys }), { depth: 9 }),
    ].join("\n");
    for (const secret of [keys.storageKey, keys.owner.privateKey, keys.sealKey.privateKey]) {
      expect(printed).not.toContain(secret.hex().slice(2));
      expect(printed).not.toContain(Buffer.from(secret.reveal()).toString("base64").slice(0, 20));
      expect(printed).not.toContain([...secret.reveal()].slice(0, 8).join(", "));
    }
    expect(printed).toContain("[secret]");
  });

  it("cannot be changed through what they were made of or handed out", () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const secret = new Secret(bytes);
    bytes[0] = 9;
    secret.reveal()[1] = 9;
    expect(secret.hex()).toBe("0x010203");
  });
});

describe("X25519", () => {
  it("gives the public keys of RFC 7748, section 6.1", () => {
    const key = (hex: string) => Buffer.from(x25519PublicKey(Buffer.from(hex, "hex"))).toString("hex");
    expect(key("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")).toBe(
      "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    );
    expect(key("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")).toBe(
      "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    );
    expect(() => x25519PublicKey(new Uint8Array(31))).toThrow(invalid());
  });
});
