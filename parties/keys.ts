/**
 * Key files: one JSON file for each role, readable by its owner only, its secrets optionally encrypted with
 * a passphrase (scrypt, AES-256-GCM).
 *
 *     { "role", "version": 1, "created", "public": { ... }, "secret": { ... } }
 *     { "role", "version": 1, "created", "public": { ... }, "encrypted": { "kdf", "n", "r", "p", "salt", "nonce", "ciphertext" } }
 *
 * Keys and addresses are 0x-hexadecimal. Each purpose has its own key: none is used for two.
 */
import { createCipheriv, createDecipheriv, scrypt } from "node:crypto";
import { open, readFile, rm, stat } from "node:fs/promises";
import canonicalize from "canonicalize";
import { computeAddress, SigningKey } from "ethers";
import { z } from "zod";
import { SymbolonError } from "../mpc/errors.ts";
import { randomBytes } from "../mpc/random.ts";
import { Secret } from "./secret.ts";
import { unreadable } from "./unreadable.ts";
import { x25519PublicKey } from "./x25519.ts";

/** Which keys a role has: `account` is secp256k1, `x25519` a Diffie-Hellman key, `symmetric` 32 bytes. */
const roleKeys = {
  /** account: signs offers and receives pay. */
  seller: { account: "account" },
  /** account: funds jobs; resultKey: result shares are sealed to it. */
  buyer: { account: "account", resultKey: "x25519" },
  /**
   * owner: bond and fees; signer: attestations; sealKey: input shares are sealed to it; channelKey: the mesh;
   * jiffKey: JIFF's boxes; storageKey: shares at rest.
   */
  operator: {
    owner: "account",
    signer: "account",
    sealKey: "x25519",
    channelKey: "x25519",
    jiffKey: "x25519",
    storageKey: "symmetric",
  },
  /** account: sends the bridge's transactions. */
  bridge: { account: "account" },
} as const satisfies Record<string, Record<string, "account" | "x25519" | "symmetric">>;

export type Role = keyof typeof roleKeys;
export const roles = Object.keys(roleKeys) as readonly Role[];

/** A secp256k1 account. `privateKey.hex()` goes to ethers' Wallet. */
export interface AccountKey {
  /** Checksummed. */
  address: string;
  privateKey: Secret;
}

/** An X25519 key pair. */
export interface DiffieHellmanKey {
  /** 32 raw bytes as 0x and 64 hexadecimal digits, as the registry on chain holds it. */
  publicKey: string;
  privateKey: Secret;
}

interface KeyOfKind {
  account: AccountKey;
  x25519: DiffieHellmanKey;
  /** 32 bytes. */
  symmetric: Secret;
}

/** The keys of one role, by name, with the role and the time of creation (ISO 8601). Prints no secret. */
export type Keys<R extends Role> = { role: R; created: string } & {
  [K in keyof (typeof roleKeys)[R]]: (typeof roleKeys)[R][K] extends keyof KeyOfKind
    ? KeyOfKind[(typeof roleKeys)[R][K]]
    : never;
};

export type SellerKeys = Keys<"seller">;
export type BuyerKeys = Keys<"buyer">;
export type OperatorKeys = Keys<"operator">;
export type BridgeKeys = Keys<"bridge">;

type SecretFields = Record<string, string>;

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);
const hexBytes = z.string().regex(/^0x(?:[0-9a-f]{2})+$/);

const keyFile = z.strictObject({
  role: z.enum(roles as [Role, ...Role[]]),
  version: z.literal(1),
  created: z.iso.datetime(),
  public: z.record(z.string(), z.string()),
  secret: z.record(z.string(), hex32).optional(),
  encrypted: z
    .strictObject({
      kdf: z.literal("scrypt"),
      // Upper limits keep a hostile file from taking all memory: 128 r n bytes, at most 1 GiB.
      n: z.union([z.literal(2 ** 15), z.literal(2 ** 17), z.literal(2 ** 20)]),
      r: z.literal(8),
      p: z.literal(1),
      salt: hex32,
      nonce: z.string().regex(/^0x[0-9a-f]{24}$/),
      ciphertext: hexBytes,
    })
    .optional(),
});

type KeyFile = z.infer<typeof keyFile>;

/**
 * Fresh keys for a role. `imported` gives private keys (0x and 64 hexadecimal digits) that exist already, by
 * name, for instance `{ account }` for an account of a development chain.
 * @throws KEY_INVALID when an imported key is none, or has no such name in this role
 */
export function createKeys<R extends Role>(
  role: R,
  imported: Readonly<Record<string, string>> = {},
): Keys<R> {
  const kinds = kindsOf(role);
  const secrets: SecretFields = {};
  for (const [name, kind] of Object.entries(kinds)) {
    secrets[name] = imported[name]?.toLowerCase() ?? freshSecret(kind);
  }
  for (const name of Object.keys(imported)) {
    if (!(name in kinds)) throw invalid(`A ${role} has no key named ${name}.`);
  }
  return assemble(role, new Date().toISOString(), secrets);
}

/** The public half of a role's keys by name: addresses and X25519 public keys; nothing for symmetric keys. */
export function publicKeys<R extends Role>(keys: Keys<R>): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, kind] of Object.entries(kindsOf(keys.role))) {
    const key = (keys as unknown as Record<string, unknown>)[name];
    if (kind === "account") all[name] = (key as AccountKey).address;
    if (kind === "x25519") all[name] = (key as DiffieHellmanKey).publicKey;
  }
  return all;
}

/**
 * Writes keys to a new file with mode 0600. With a passphrase the secrets are encrypted, and the public part
 * is authenticated with them.
 * @throws USAGE when the file exists (keys are never overwritten) or cannot be written
 */
export async function saveKeys<R extends Role>(
  keys: Keys<R>,
  file: string,
  options: { passphrase?: string } = {},
): Promise<void> {
  const secret: SecretFields = {};
  for (const [name, kind] of Object.entries(kindsOf(keys.role))) {
    const key = (keys as unknown as Record<string, unknown>)[name];
    secret[name] = (kind === "symmetric" ? (key as Secret) : (key as AccountKey).privateKey).hex();
  }
  const clear: KeyFile = { role: keys.role, version: 1, created: keys.created, public: publicKeys(keys) };
  const content =
    options.passphrase === undefined
      ? { ...clear, secret }
      : { ...clear, encrypted: await encrypt(clear, secret, options.passphrase) };
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, "wx", 0o600);
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === "EEXIST";
    throw new SymbolonError(
      "USAGE",
      exists ? `The key file ${file} exists already.` : `The key file ${file} cannot be written.`,
      {
        cause: error,
        ...(exists ? { hint: "Keys are never overwritten: move the file or name another." } : {}),
      },
    );
  }
  try {
    // Not the umask, but this program decides who can read keys.
    await handle.chmod(0o600);
    await handle.writeFile(`${JSON.stringify(content, null, 2)}\n`);
    await handle.sync();
  } catch (error) {
    await handle.close();
    await rm(file, { force: true });
    throw new SymbolonError("USAGE", `The key file ${file} cannot be written.`, { cause: error });
  }
  await handle.close();
}

export interface PassphraseOptions {
  passphrase?: string | undefined;
  /** Where the caller would have found one: for the error that says that it is missing. */
  passphraseHint?: string;
}

/**
 * Reads the keys of `role` from a file, checks them, and that the public part belongs to the secret one.
 * @throws KEY_INVALID for another role, a malformed file, a file that others can read, a missing or wrong
 * passphrase; USAGE when there is no such file
 */
export async function loadKeys<R extends Role>(
  file: string,
  role: R,
  options: PassphraseOptions = {},
): Promise<Keys<R>> {
  const content = await readKeyFile(file);
  requireRole(content, role, file);
  const secrets = await secretsOf(content, file, options);
  const keys = assemble(role, content.created, secrets);
  if (canonicalize(publicKeys(keys)) !== canonicalize(content.public)) {
    throw invalid(`In ${file} the public keys do not belong to the secret ones.`);
  }
  return keys;
}

/**
 * The public part of a key file, without the passphrase; it is not authenticated.
 * @param expected any role unless given
 * @throws as `loadKeys`
 */
export async function loadPublicKeys(
  file: string,
  expected?: Role,
): Promise<{ role: Role; created: string; public: Record<string, string> }> {
  const content = await readKeyFile(file);
  if (expected !== undefined) requireRole(content, expected, file);
  const { role, created, public: all } = content;
  return { role, created, public: all };
}

function requireRole(content: KeyFile, role: Role, file: string): void {
  if (content.role === role) return;
  throw invalid(`${file} holds keys of role ${content.role}, expected those of role ${role}.`);
}

async function readKeyFile(file: string): Promise<KeyFile> {
  let text: string;
  let mode: number;
  try {
    ({ mode } = await stat(file));
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new SymbolonError("USAGE", `The key file ${file} ${unreadable(error)}.`, {
      cause: error,
      hint: "`symbolon keys new` makes key files.",
    });
  }
  const content = parseKeyFile(text, file);
  // Only now: of another file that was named by mistake it need not be said.
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    throw new SymbolonError(
      "KEY_INVALID",
      `The key file ${file} can be read by other users of this machine.`,
      {
        hint: `Run chmod 600 ${file}, and consider the keys in it known to them.`,
      },
    );
  }
  return content;
}

function parseKeyFile(text: string, file: string): KeyFile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // No cause: the parser's message quotes the text around the error, which may be a key.
    throw invalid(`The key file ${file} is not JSON.`);
  }
  const parsed = keyFile.safeParse(value);
  if (!parsed.success || (parsed.data.secret === undefined) === (parsed.data.encrypted === undefined)) {
    // Only the place: what stands there may be a key.
    const place = parsed.error?.issues[0]?.path[0];
    throw invalid(`The key file ${file} is malformed${place === undefined ? "" : ` at ${String(place)}`}.`);
  }
  return parsed.data;
}

async function secretsOf(
  content: KeyFile,
  file: string,
  { passphrase, passphraseHint: hint }: PassphraseOptions,
): Promise<SecretFields> {
  if (content.secret !== undefined) return content.secret;
  if (passphrase === undefined) {
    throw new SymbolonError("KEY_INVALID", `The key file ${file} is encrypted: a passphrase is needed.`, {
      ...(hint !== undefined && { hint }),
    });
  }
  return await decrypt(content, file, passphrase);
}

function invalid(message: string): SymbolonError {
  return new SymbolonError("KEY_INVALID", message);
}

function kindsOf(role: Role): Record<string, keyof KeyOfKind> {
  return roleKeys[role];
}

function freshSecret(kind: keyof KeyOfKind): string {
  for (;;) {
    const candidate = `0x${randomBytes(32).toString("hex")}`;
    // One in 2^128 strings is not a secp256k1 scalar.
    if (kind !== "account" || isAccountSecret(candidate)) return candidate;
  }
}

function isAccountSecret(secret: string): boolean {
  try {
    new SigningKey(secret).publicKey;
    return true;
  } catch {
    return false;
  }
}

/** Turns the secrets of a role, by name, into keys; refuses missing, superfluous and impossible ones. */
function assemble<R extends Role>(role: R, created: string, secrets: SecretFields): Keys<R> {
  const kinds = kindsOf(role);
  const keys: Record<string, unknown> = { role, created };
  for (const name of Object.keys(secrets)) {
    if (!(name in kinds)) throw invalid(`A ${role} has no key named ${name}.`);
  }
  for (const [name, kind] of Object.entries(kinds)) {
    const secret = secrets[name];
    if (secret === undefined) throw invalid(`The key ${name} of the ${role} is missing.`);
    if (!hex32.safeParse(secret).success || (kind === "account" && !isAccountSecret(secret))) {
      throw invalid(`The key ${name} of the ${role} is not a private key of 32 bytes.`);
    }
    const privateKey = new Secret(Buffer.from(secret.slice(2), "hex"));
    if (kind === "account") keys[name] = { address: computeAddress(secret), privateKey };
    else if (kind === "x25519") {
      const publicKey = `0x${Buffer.from(x25519PublicKey(privateKey.reveal())).toString("hex")}`;
      keys[name] = { publicKey, privateKey };
    } else keys[name] = privateKey;
  }
  return keys as Keys<R>;
}

const toHex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const fromHex = (hex: string): Buffer => Buffer.from(hex.slice(2), "hex");

/** What the encryption authenticates besides the secrets: the clear part and the parameters. */
function associatedData(clear: KeyFile, parameters: object): Buffer {
  const { role, version, created, public: all } = clear;
  return Buffer.from(canonicalize({ role, version, created, public: all, parameters })!, "utf8");
}

async function encrypt(clear: KeyFile, secret: SecretFields, passphrase: string) {
  const parameters = {
    kdf: "scrypt" as const,
    n: (2 ** 17) as 131072,
    r: 8 as const,
    p: 1 as const,
    salt: toHex(randomBytes(32)),
    nonce: toHex(randomBytes(12)),
  };
  const key = await deriveKey(passphrase, parameters);
  const cipher = createCipheriv("aes-256-gcm", key, fromHex(parameters.nonce));
  cipher.setAAD(associatedData(clear, parameters));
  const body = Buffer.concat([
    cipher.update(JSON.stringify(secret), "utf8"),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
  return { ...parameters, ciphertext: toHex(body) };
}

async function decrypt(content: KeyFile, file: string, passphrase: string): Promise<SecretFields> {
  const { ciphertext, ...parameters } = content.encrypted!;
  const body = fromHex(ciphertext);
  if (body.length <= 16) throw invalid(`The key file ${file} is malformed at encrypted.`);
  const decipher = createDecipheriv(
    "aes-256-gcm",
    await deriveKey(passphrase, parameters),
    fromHex(parameters.nonce),
    {
      authTagLength: 16,
    },
  );
  decipher.setAAD(associatedData(content, parameters));
  decipher.setAuthTag(body.subarray(-16));
  try {
    const text = Buffer.concat([decipher.update(body.subarray(0, -16)), decipher.final()]).toString("utf8");
    return z.record(z.string(), hex32).parse(JSON.parse(text));
  } catch {
    throw invalid(`The key file ${file} does not open: the passphrase is wrong or the file was altered.`);
  }
}

function deriveKey(
  passphrase: string,
  parameters: { n: number; r: number; p: number; salt: string },
): Promise<Buffer> {
  const { n, r, p, salt } = parameters;
  return new Promise((resolve, reject) => {
    scrypt(
      // The same passphrase typed on another system may come composed differently.
      passphrase.normalize("NFKC"),
      fromHex(salt),
      32,
      { N: n, r, p, maxmem: 256 * n * r },
      (error, key) => (error === null ? resolve(key) : reject(error)),
    );
  });
}
