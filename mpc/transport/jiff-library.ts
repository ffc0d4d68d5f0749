/**
 * Loads the parts of jiff-mpc that the client needs, and says what is used of them. The library is CommonJS
 * without types.
 */
import { createRequire } from "node:module";
import type { JiffHandle, JiffNumber, SecretShare } from "../jiff-program.ts";

export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
}

export interface JiffSocket {
  connected: boolean;
  on(event: string, listener: (...values: never[]) => void): void;
  emit(event: string, message: string): void;
  safe_emit(label: string, message: string): void;
  resend_mailbox(): void;
  /** Acknowledged by the relay and no opening pending. */
  is_empty(): boolean;
  old_disconnect(): void;
}

type Message = Record<string, unknown>;

/** The whole instance, as the adapter uses it; programs see only `JiffHandle`. */
export interface JiffInstance extends Omit<JiffHandle, "helpers"> {
  keymap: Record<string, unknown>;
  deferreds: Record<string, Record<number, Deferred<JiffNumber>>>;
  preprocessing_table: Record<string, unknown>;
  listeners: Record<string, unknown>;
  custom_messages_mailbox: Record<string, unknown>;
  preprocessing_function_map: Record<string, Record<string, unknown>>;
  counters: {
    pending_opens: number;
    gen_op_id2(operation: string, receivers: readonly number[], senders: readonly number[]): string;
  };
  helpers: {
    BigNumber(value: number | string | JiffNumber): JiffNumber;
    _BigNumber: { config(options: Record<string, unknown>): void };
    mod(value: JiffNumber | number, modulus: JiffNumber | number): JiffNumber;
    random(max?: JiffNumber | number): JiffNumber;
    bits_to_number(bits: JiffNumber[], length?: number): JiffNumber;
  };
  hooks: {
    encryptSign: (jiff: JiffInstance, message: string) => string;
    decryptSign: (jiff: JiffInstance, sealed: unknown) => string;
    parseKey: (jiff: JiffInstance, key: string) => unknown;
    dumpKey: (jiff: JiffInstance, key: unknown) => string;
    computeShares: (
      jiff: JiffInstance,
      secret: unknown,
      parties: number[],
      threshold: number,
      modulus: unknown,
    ) => Record<number, JiffNumber>;
    reconstructShare: (
      jiff: JiffInstance,
      shares: { value: JiffNumber; sender_id: number; Zp: unknown }[],
    ) => JiffNumber;
    beforeOperation: ((jiff: JiffInstance, label: string, message: Message) => Message)[];
    createSecretShare: ((jiff: JiffInstance, share: SecretShare) => SecretShare)[];
    execute_array_hooks(name: string, parameters: unknown[], index: number): never;
  };
  handlers: {
    error: (label: string, error: unknown) => void;
    build_initialization_message(): Message;
    initialized(message: string): void;
    receive_share(message: Message): void;
    receive_open: (message: Message) => void;
    receive_custom(message: Message): void;
    receive_crypto_provider: (message: Message) => void;
  };
  socket?: JiffSocket;
  SecretShare: {
    new (
      value: JiffNumber | Promise<JiffNumber>,
      holders: number[],
      threshold: number,
      Zp: JiffNumber,
    ): SecretShare;
    prototype: Record<string, unknown>;
  };
  share: JiffHandle["share"];
  internal_share: JiffHandle["share"];
  open: JiffHandle["open"];
  internal_open: JiffHandle["open"];
  preprocessing: JiffHandle["preprocessing"];
  get_preprocessing: (opId: string) => unknown;
  from_crypto_provider: () => never;
  emit: (tag: string, receivers: number[] | null, message: string, encrypt?: boolean) => void;
  initSocket: () => void;
  connect(): void;
  disconnect: () => void;
  free: () => void;
  apply_extension(extension: JiffExtension, options?: unknown): void;
}

export interface JiffExtension {
  name: string;
  make_jiff(base: JiffInstance, options: unknown): JiffInstance;
}

const require = createRequire(import.meta.url);

interface Library {
  JIFFClient: new (hostname: string, computationId: string, options: object) => JiffInstance;
  bignumber: JiffExtension;
}

let library: Library | undefined;

/** The client class and its big-number extension. */
export function loadJiff(): Library {
  if (library !== undefined) return library;
  library = keepingGlobalCrypto(() => ({
    JIFFClient: require("jiff-mpc/lib/jiff-client.js"),
    bignumber: require("jiff-mpc/lib/ext/jiff-client-bignumber.js"),
  }));
  return library;
}

/** JIFF's extension replaces `globalThis.crypto` by node's module of that name: puts the real one back. */
function keepingGlobalCrypto<T>(load: () => T): T {
  const original = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  const loaded = load();
  if (original !== undefined) Object.defineProperty(globalThis, "crypto", original);
  return loaded;
}

/** Exact conversions; JIFF's numbers are integers. */
export const toBigInt = (value: JiffNumber | number | string): bigint =>
  BigInt(typeof value === "object" ? value.toString(10) : value);
