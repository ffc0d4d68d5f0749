/**
 * One party's JIFF session: an instance of jiff-mpc with its socket wired anew, the sealed links to the two
 * peers, the deadlines, and the one failure that everything ends with. What it promises is in `jiff.ts`.
 */
import { SymbolonError } from "../errors.ts";
import type { JiffHandle, JiffOperations } from "../jiff-program.ts";
import type { JiffOptions, JiffSession } from "./jiff.ts";
import { applyGuards, type GuardedSession, reservedPrefix } from "./jiff-guards.ts";
import { type JiffInstance, loadJiff } from "./jiff-library.ts";
import { proveKey } from "./jiff-proof.ts";
import { type JiffLabel, SealedLink } from "./jiff-seal.ts";
import { relayTransport } from "./jiff-socket.ts";
import { runContained } from "./jiff-stray.ts";
import {
  abortOf,
  dealerRefused,
  describeThrown,
  maxJiffMessageBytes,
  misbehaved,
  parseObject,
  relayMisbehaved,
  relayRefusal,
} from "./jiff-words.ts";
import { generateX25519, type X25519KeyPair } from "./keys.ts";
import { type PartyIndex, partyIndices } from "./transport.ts";

const maxOperationLength = 1024;
/** Reserved tags of custom messages. */
const helloTag = `${reservedPrefix}hello`;
const endTag = `${reservedPrefix}end`;
const abortTag = `${reservedPrefix}abort`;
/** How long `close` waits for the relay to take what was sent. */
const lingerMs = 1_000;
/** Shares that may arrive before this party has begun the operation. */
const maxEarlyShares = 100_000;

/** Where an outgoing or incoming message stands while JIFF calls the crypto hooks, which are told neither. */
interface MessageContext {
  label: JiffLabel;
  peer: PartyIndex;
  operation: string;
}

interface Peer {
  readonly index: PartyIndex;
  ephemeralKey: string | undefined;
  link: SealedLink | undefined;
  /** Proved that it holds its keys. */
  present: boolean;
  ended: boolean;
  /** Messages of this peer that operations wait for, since when, and when it was last heard. */
  awaited: number;
  awaitedSince: number;
  lastHeard: number;
}

export class Session implements JiffSession, GuardedSession {
  readonly jiff: JiffHandle;
  readonly failed: Promise<never>;
  readonly modulus: bigint;
  readonly partyIndex: PartyIndex;
  failure: SymbolonError | undefined;
  readonly operations: JiffOperations = { shares: 0, openings: 0, products: 0, messagesSent: 0 };
  readonly #options: JiffOptions;
  readonly #instance: JiffInstance;
  readonly #ephemeral: X25519KeyPair;
  readonly #peers = new Map<PartyIndex, Peer>();
  readonly #joined = Promise.withResolvers<void>();
  readonly #rejectFailed: (error: SymbolonError) => void;
  readonly #listeners = new Set<(error: SymbolonError) => void>();
  readonly #watch: NodeJS.Timeout;
  #joinTimer: NodeJS.Timeout | undefined;
  #outgoing: MessageContext | undefined;
  #incoming: MessageContext | undefined;
  #early = new Set<string>();
  #closed = false;

  constructor(options: JiffOptions) {
    this.#options = options;
    this.modulus = options.modulus;
    this.partyIndex = options.partyIndex;
    this.#ephemeral = generateX25519();
    for (const index of partyIndices) {
      if (index === options.partyIndex) continue;
      const heard = { awaited: 0, awaitedSince: 0, lastHeard: 0 };
      const state = { ephemeralKey: undefined, link: undefined, present: false, ended: false };
      this.#peers.set(index, { index, ...state, ...heard });
    }
    const failed = Promise.withResolvers<never>();
    this.failed = failed.promise;
    this.#rejectFailed = failed.reject;
    this.failed.catch(() => undefined);
    this.#joined.promise.catch(() => undefined);
    this.#instance = this.#createInstance();
    this.jiff = this.#instance as unknown as JiffHandle;
    this.#watch = setInterval(
      () => this.#checkSilence(),
      Math.max(10, Math.min(options.timeoutMs / 4, 1_000)),
    );
    this.#watch.unref();
  }

  async join(): Promise<void> {
    const { signal, timeoutMs } = this.#options;
    if (signal?.aborted) this.#stop();
    signal?.addEventListener("abort", this.#stop, { once: true });
    this.#joinTimer = setTimeout(() => {
      const missing = [...this.#peers.values()].filter((peer) => !peer.present).map((peer) => peer.index);
      const text = `party ${missing.join(" and ")} did not join the JIFF session within ${timeoutMs} ms`;
      this.abort(new SymbolonError("PEER_TIMEOUT", text));
    }, timeoutMs);
    if (this.failure === undefined) this.#instance.connect();
    try {
      await Promise.race([this.#joined.promise, this.failed]);
    } finally {
      clearTimeout(this.#joinTimer);
    }
  }

  onFailure(listener: (error: SymbolonError) => void): void {
    if (this.failure !== undefined) listener(this.failure);
    else this.#listeners.add(listener);
  }

  async run<T>(program: (jiff: JiffHandle) => Promise<T>): Promise<T> {
    if (this.failure !== undefined) throw this.failure;
    const result = runContained(
      (thrown) => this.fail(thrown),
      async () => program(this.jiff),
    );
    try {
      return await Promise.race([result, this.failed]);
    } catch (thrown) {
      this.fail(thrown);
      throw this.failure;
    }
  }

  abort(error: SymbolonError): void {
    this.fail(error);
  }

  readonly #stop = (): void => this.abort(new SymbolonError("RUN_ABORTED", "stopped by the caller"));

  /** The first reason counts. What has no code comes from JIFF: its text may quote anything and is dropped. */
  fail(thrown: unknown): void {
    if (this.failure !== undefined || this.#closed) return;
    const error =
      thrown instanceof SymbolonError
        ? thrown
        : new SymbolonError("INTERNAL", `the run failed: ${describeThrown(thrown)}`);
    for (const peer of this.#peers.values()) this.#tell(peer, abortTag, error.code);
    this.#end(error);
  }

  async close(): Promise<void> {
    if (this.#closed || this.failure !== undefined) return;
    for (const peer of this.#peers.values()) this.#tell(peer, endTag, "");
    this.#closed = true;
    const { socket } = this.#instance;
    const until = performance.now() + lingerMs;
    socket?.safe_emit("free", "{}");
    while (socket?.connected && !socket.is_empty() && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.#listeners.clear();
    this.#end(new SymbolonError("STATE_INVALID", "the JIFF session was closed"));
  }

  /** An operation waits for a message of `from`. Returns what to call when it is there. */
  awaitPeer(from: PartyIndex): () => void {
    const peer = this.#peer(from);
    if (peer.awaited++ === 0) peer.awaitedSince = performance.now();
    if (peer.ended) this.fail(new SymbolonError("PEER_LOST", `party ${from} ended its JIFF session early`));
    return () => {
      peer.awaited--;
    };
  }

  /** An operation begins. Returns whether its share from `from` has come already. */
  takeEarlyShare(operation: string, from: PartyIndex): boolean {
    return this.#early.delete(`${from}|${operation}`);
  }

  #createInstance(): JiffInstance {
    const { JIFFClient, bignumber } = loadJiff();
    const { relayUrl, relayPath, computationId, partyIndex, modulus, timeoutMs } = this.#options;
    const url = new URL(relayUrl);
    const pinned = Object.fromEntries(partyIndices.map((index) => [index, "pinned"]));
    const instance = new JIFFClient(url.origin, computationId, {
      party_id: partyIndex,
      party_count: 3,
      public_key: Buffer.from(this.#ephemeral.publicKey).toString("hex"),
      public_keys: pinned,
      autoConnect: false,
      crypto_provider: false,
      safemod: false,
      sodium: false,
      Zp: modulus.toString(),
      socketOptions: {
        path: `${url.pathname.replace(/\/$/, "")}${relayPath}`,
        transports: [relayTransport(maxJiffMessageBytes)],
        reconnection: false,
        forceNew: true,
        autoConnect: false,
        timeout: timeoutMs,
      },
    });
    instance.apply_extension(bignumber, { safemod: false });
    // Plain decimals, also above 10^21.
    instance.helpers._BigNumber.config({ EXPONENTIAL_AT: 1e9 });
    instance.hooks.parseKey = () => "pinned";
    instance.hooks.dumpKey = (_jiff, key) => String(key);
    instance.hooks.beforeOperation.push((_jiff, label, message) => {
      this.#beginSending(label, message);
      return message;
    });
    instance.hooks.encryptSign = (_jiff, message) => this.#seal(message);
    instance.hooks.decryptSign = (_jiff, sealed) => this.#open(sealed);
    applyGuards(instance, this);
    instance.initSocket = () => this.#wireSocket();
    return instance;
  }

  #beginSending(label: string, message: Record<string, unknown>): void {
    if (this.failure !== undefined) throw this.failure;
    if (label !== "share" && label !== "open" && label !== "custom") return;
    const operation = String(label === "custom" ? message.tag : message.op_id);
    const { index } = this.#peer(message.party_id);
    this.#outgoing = { label, peer: index, operation };
  }

  #seal(message: string): string {
    const context = this.#outgoing;
    this.#outgoing = undefined;
    if (context === undefined) throw new SymbolonError("INTERNAL", "a JIFF message without a context");
    const { link } = this.#peer(context.peer);
    if (link === undefined) throw new SymbolonError("STATE_INVALID", "no session with this party yet");
    this.operations.messagesSent++;
    const plaintext =
      context.label === "custom" ? Buffer.from(message, "utf8") : this.#encodeElement(BigInt(message));
    return link.seal(context.label, context.operation, plaintext);
  }

  #open(sealed: unknown): string {
    const context = this.#incoming;
    this.#incoming = undefined;
    if (context === undefined) throw new SymbolonError("INTERNAL", "a JIFF message without a context");
    const { link, index } = this.#peer(context.peer);
    if (link === undefined) throw misbehaved(index, "sent a message before its session key came");
    const plaintext = link.open(context.label, context.operation, sealed);
    if (context.label === "custom") return plaintext.toString("utf8");
    const value = BigInt(`0x${plaintext.toString("hex") || "0"}`);
    if (plaintext.length !== this.#elementBytes || value >= this.modulus) {
      throw misbehaved(index, "sent a share that is not a field element");
    }
    return value.toString();
  }

  get #elementBytes(): number {
    return Math.ceil(this.modulus.toString(2).length / 8);
  }

  /** Fixed width: the length of a ciphertext must not tell the size of a share. */
  #encodeElement(value: bigint): Buffer {
    if (value < 0n || value >= this.modulus) throw new SymbolonError("INTERNAL", "a share is outside [0, p)");
    return Buffer.from(value.toString(16).padStart(2 * this.#elementBytes, "0"), "hex");
  }

  /** JIFF's own wiring with every message checked first and every exception kept inside the session. */
  #wireSocket(): void {
    const { socket, handlers } = this.#instance;
    if (socket === undefined) throw new SymbolonError("INTERNAL", "no socket");
    // JIFF has just (re)made its handlers.
    handlers.error = (_label, error) => this.fail(error);
    handlers.receive_crypto_provider = () => this.fail(dealerRefused());
    const guarded =
      (work: (message: unknown) => void) =>
      (message: unknown, acknowledge?: unknown): void => {
        if (this.failure !== undefined || this.#closed) return;
        try {
          if (typeof acknowledge === "function") acknowledge(true);
          work(message);
        } catch (thrown) {
          this.fail(thrown);
        }
      };
    const on = (event: string, work: (message: unknown) => void) => socket.on(event, guarded(work) as never);
    // In the place of `handlers.connected()`, which also writes to the console.
    on("challenge", (challenge) => this.#introduce(challenge));
    on("initialization", (message) => this.#initialized(message));
    on("public_keys", (message) => this.#takeKeys(parseObject(message).public_keys));
    on("share", (message) => this.#receive("share", message));
    on("open", (message) => this.#receive("open", message));
    on("custom", (message) => this.#receive("custom", message));
    on("crypto_provider", () => this.fail(dealerRefused()));
    on("error", (message) => this.fail(relayRefusal(message)));
    on("connect_error", () =>
      this.fail(new SymbolonError("BRIDGE_UNREACHABLE", "the JIFF relay does not answer or refuses")),
    );
    on("disconnect", () =>
      this.fail(new SymbolonError("BRIDGE_UNREACHABLE", "the JIFF relay closed the connection")),
    );
  }

  #introduce(challenge: unknown): void {
    if (typeof challenge !== "string" || !/^[0-9a-f]{64}$/.test(challenge)) throw relayMisbehaved();
    const { computationId, partyIndex, secretKey } = this.#options;
    const sessionKey = Buffer.from(this.#ephemeral.publicKey).toString("hex");
    const proof = proveKey(secretKey, challenge, { computationId, partyIndex, sessionKey });
    const message = this.#instance.handlers.build_initialization_message();
    this.#instance.socket!.emit("initialization", JSON.stringify({ ...message, proof }));
  }

  #initialized(message: unknown): void {
    const { party_id, party_count, public_keys } = parseObject(message);
    if (party_id !== this.partyIndex || party_count !== 3) {
      throw new SymbolonError("PEER_MISBEHAVED", "the JIFF relay admitted this party under another number");
    }
    const checked = { party_id, party_count, public_keys: { s1: "relay" } };
    this.#instance.handlers.initialized(JSON.stringify(checked));
    this.#takeKeys(public_keys);
  }

  #takeKeys(keys: unknown): void {
    if (typeof keys !== "object" || keys === null) throw relayMisbehaved();
    for (const peer of this.#peers.values()) {
      const key = (keys as Record<string, unknown>)[peer.index];
      if (key === undefined) continue;
      if (typeof key !== "string" || !/^[0-9a-f]{64}$/.test(key)) throw relayMisbehaved();
      if (peer.ephemeralKey === key) continue;
      if (peer.ephemeralKey !== undefined) {
        throw new SymbolonError("CHANNEL_AUTH", `the relay changed the session key of party ${peer.index}`);
      }
      peer.ephemeralKey = key;
      const { computationId, secretKey, publicKeys, pairSecrets } = this.#options;
      peer.link = new SealedLink({
        computationId,
        modulus: this.modulus,
        partyIndex: this.partyIndex,
        peer: peer.index,
        staticPrivateKey: secretKey,
        ephemeralPrivateKey: this.#ephemeral.privateKey,
        peerPublicKey: publicKeys[peer.index],
        peerEphemeralKey: Buffer.from(key, "hex"),
        pairSecret: pairSecrets?.get(peer.index),
      });
      this.#tell(peer, helloTag, "");
    }
  }

  #receive(label: JiffLabel, raw: unknown): void {
    const message = parseObject(raw);
    const peer = this.#peer(message.party_id);
    const operation = label === "custom" ? message.tag : message.op_id;
    if (typeof operation !== "string" || operation === "" || operation.length > maxOperationLength) {
      throw misbehaved(peer.index, "sent a message without a proper operation id");
    }
    if (label === "custom" && message.encrypted !== true) {
      throw misbehaved(peer.index, "sent a custom message in plaintext");
    }
    if (label === "open" && message.Zp !== this.modulus.toString()) {
      throw misbehaved(peer.index, "named another modulus");
    }
    this.#incoming = { label, peer: peer.index, operation };
    // Only these fields go on into JIFF, and the modulus is ours.
    if (label === "custom") {
      this.#receiveCustom(peer, operation, message.message);
      return;
    }
    const checked = { party_id: peer.index, op_id: operation, share: message.share, Zp: this.#instance.Zp };
    if (label === "open") this.#instance.handlers.receive_open(checked);
    else this.#receiveShare(peer, operation, checked);
    peer.lastHeard = performance.now();
  }

  #receiveShare(peer: Peer, operation: string, message: Record<string, unknown>): void {
    const deferred = this.#instance.deferreds[operation]?.[peer.index];
    const key = `${peer.index}|${operation}`;
    if (deferred === undefined) {
      if (this.#early.size >= maxEarlyShares) throw misbehaved(peer.index, "sent too many shares ahead");
      this.#early.add(key);
    } else if (this.#early.has(key)) {
      throw misbehaved(peer.index, "sent a share twice");
    }
    this.#instance.handlers.receive_share(message);
  }

  #receiveCustom(peer: Peer, tag: string, sealed: unknown): void {
    const text = this.#open(sealed);
    peer.lastHeard = performance.now();
    if (tag === helloTag) {
      if (peer.present) throw misbehaved(peer.index, "joined twice");
      peer.present = true;
      if ([...this.#peers.values()].every(({ present }) => present)) this.#joined.resolve();
    } else if (!peer.present) {
      throw misbehaved(peer.index, "sent a message before it joined");
    } else if (tag === abortTag) {
      throw abortOf(peer.index, text);
    } else if (tag === endTag) {
      peer.ended = true;
      if (peer.awaited > 0) {
        throw new SymbolonError("PEER_LOST", `party ${peer.index} ended its JIFF session early`);
      }
    } else {
      // Opened already: `encrypted: false` keeps JIFF from opening it again.
      const message = { tag, party_id: peer.index, message: text, encrypted: false };
      this.#instance.handlers.receive_custom(message);
    }
  }

  #tell(peer: Peer, tag: string, text: string): void {
    if (peer.link === undefined || !this.#instance.socket?.connected) return;
    try {
      const sealed = peer.link.seal("custom", tag, Buffer.from(text, "utf8"));
      const message = { tag, party_id: peer.index, message: sealed, encrypted: true };
      this.#instance.socket.safe_emit("custom", JSON.stringify(message));
    } catch {
      // Telling the peer is a courtesy: it notices by itself.
    }
  }

  /** Who is waited for and has said nothing for too long ends the run. */
  #checkSilence(): void {
    const now = performance.now();
    const { timeoutMs } = this.#options;
    const silent = [...this.#peers.values()].filter(
      (peer) => peer.awaited > 0 && now - Math.max(peer.lastHeard, peer.awaitedSince) > timeoutMs,
    );
    if (silent.length === 0) return;
    const names = silent.map((peer) => peer.index).join(" and ");
    this.fail(new SymbolonError("PEER_TIMEOUT", `party ${names} sent no JIFF message for ${timeoutMs} ms`));
  }

  #end(error: SymbolonError): void {
    this.failure = error;
    this.#options.signal?.removeEventListener("abort", this.#stop);
    clearInterval(this.#watch);
    clearTimeout(this.#joinTimer);
    this.#instance.socket?.old_disconnect();
    for (const peer of this.#peers.values()) peer.link?.erase();
    this.#ephemeral.privateKey.fill(0);
    this.#early.clear();
    this.#rejectFailed(error);
    for (const listener of this.#listeners) listener(error);
    this.#listeners.clear();
  }

  #peer(index: unknown): Peer {
    const peer = this.#peers.get(index as PartyIndex);
    if (peer === undefined) throw new SymbolonError("PEER_MISBEHAVED", "a JIFF message from or to nobody");
    return peer;
  }
}
