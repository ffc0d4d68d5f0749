/**
 * A stream of bytes to one peer, below handshake and frames: a TCP connection, or anything else that Node
 * gives as a duplex stream, such as a WebSocket through the bridge.
 *
 * Reading: what arrives goes to one taker at a time. A dialled connection is read into one kept buffer; a
 * stream that makes a fresh chunk of each read costs 2.7 us more a message. The taker may look at the bytes
 * only while it is called.
 *
 * Writing: bytes are copied into blocks that are used again, and handed to the kernel block by block. A frame
 * of 16 MB that was kept in fresh buffers until the peer had read it cost 4,000 page faults, half of the
 * processor time of the round.
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { SymbolonError } from "../errors.ts";

const readBufferBytes = 256 * 1024;
/** The most that is written at once. Each write wakes the peer: with 64 KB a frame of 123 KB took a third longer. */
export const blockBytes = 256 * 1024;
/** Blocks that are kept for the next frames, at most: 32 MB. */
const spareBlocks = 128;
/** See `release`. */
const releaseFromBytes = 16 * 1024;

type Taker = (bytes: Buffer) => void;

export class Connection {
  /** Resolves when nothing more can happen on it. */
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  #taker: Taker | undefined;
  /** What came while nobody took it; little, because the stream is paused then. */
  #held: Buffer[] = [];
  #lost = false;
  #onLost: (() => void) | undefined;
  #block: Buffer = Buffer.allocUnsafeSlow(blockBytes);
  #fill = 0;
  readonly #spare: Buffer[] = [];
  /** For each write that was not reported yet: its block, if it was not free again at once. */
  readonly #written: (Buffer | undefined)[] = [];

  /** A socket is done with a block when it reports it written; another stream may hand the very bytes on. */
  readonly #reuse: boolean;

  private constructor(stream: Duplex, reuse: boolean) {
    this.#stream = stream;
    this.#reuse = reuse;
    const lose = () => this.#lose();
    stream.on("error", lose).on("close", lose).on("end", lose);
    if (stream.destroyed) this.#lost = true;
    this.closed = new Promise((resolve) => {
      if (stream.closed) resolve();
      else stream.once("close", resolve);
    });
  }

  /** A connection being made to a listener. Not before `connected` may it be used. */
  static dial({ host, port }: { host: string; port: number }): Connection {
    const buffer = Buffer.allocUnsafeSlow(readBufferBytes);
    const take = (length: number) => {
      connection.#take(buffer.subarray(0, length));
      return true;
    };
    const socket = connect({ host, port, noDelay: true, onread: { buffer, callback: take } });
    const connection = new Connection(socket, true);
    socket.setKeepAlive(true, 10_000);
    return connection;
  }

  /** A connection that a server accepted, or that was dialled elsewhere; paused. */
  static overSocket(socket: Socket): Connection {
    const connection = new Connection(socket, true);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("data", (chunk: Buffer) => {
      connection.#take(chunk);
      release(chunk);
    });
    // Listening made it flow.
    socket.pause();
    return connection;
  }

  /** Over any other stream. */
  static overStream(stream: Duplex): Connection {
    const connection = new Connection(stream, false);
    stream.on("data", (chunk: Buffer) => connection.#take(chunk));
    stream.pause();
    return connection;
  }

  /** Resolves when a dialled connection stands. @throws PEER_LOST naming the system's reason */
  connected(): Promise<void> {
    return new Promise((resolve, reject) => {
      let why = "the connection was closed or took too long";
      this.#stream.once("connect", resolve);
      this.#stream.once("error", (error: NodeJS.ErrnoException) => {
        why = error.code ?? "the connection failed";
      });
      this.#stream.once("close", () => reject(new SymbolonError("PEER_LOST", why)));
    });
  }

  /** Whether it has ended or broken. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Bytes that wait to be sent. */
  get queuedBytes(): number {
    return this.#stream.writableLength;
  }

  /** Called once when the connection ends, in whatever way; not if it has before. */
  set onLost(listener: (() => void) | undefined) {
    this.#onLost = listener;
  }

  /** From now on `taker` gets what arrives. It may look at the bytes only while it is called. */
  read(taker: Taker): void {
    this.#taker = taker;
    for (const bytes of this.#held.splice(0)) this.#take(bytes);
    if (this.#taker === taker) this.#stream.resume();
  }

  /**
   * The next `length` bytes; what follows them stays for the next reader.
   * @throws PEER_LOST when the connection ends before
   */
  readExactly(length: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const wanted = Buffer.alloc(length);
      let fill = 0;
      const lost = () =>
        reject(new SymbolonError("PEER_LOST", "the connection closed before the handshake was done"));
      if (this.#lost) {
        lost();
        return;
      }
      this.#onLost = lost;
      this.read((bytes) => {
        const taken = Math.min(length - fill, bytes.length);
        wanted.set(bytes.subarray(0, taken), fill);
        fill += taken;
        if (fill < length) return;
        this.#onLost = undefined;
        this.#taker = undefined;
        this.#stream.pause();
        if (taken < bytes.length) this.#take(bytes.subarray(taken));
        resolve(wanted);
      });
    });
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Copies the bytes into what is sent next; they go when a block is full, or with `flush`. */
  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const taken = Math.min(blockBytes - this.#fill, bytes.length - at);
      const whole = at === 0 && taken === bytes.length;
      this.#block.set(whole ? bytes : bytes.subarray(at, at + taken), this.#fill);
      this.#fill += taken;
      at += taken;
      if (this.#fill === blockBytes) this.flush();
    }
  }

  /** Hands to the kernel what was written. */
  flush(): void {
    if (this.#fill === 0) return;
    const block = this.#block;
    const bytes = block.subarray(0, this.#fill);
    this.#fill = 0;
    if (!this.#reuse) {
      this.#stream.write(Buffer.from(bytes));
      return;
    }
    this.#stream.write(bytes, this.#onWritten);
    // Node hands a write to the kernel at once if it can. If not, the block is still being read.
    const taken = this.#stream.writableLength === 0;
    this.#written.push(taken ? undefined : block);
    if (!taken) this.#block = this.#spare.pop() ?? Buffer.allocUnsafeSlow(blockBytes);
  }

  /**
   * Sends what was written and ends. What still comes is thrown away, rather than left unread: closing on
   * unread bytes resets the connection, and the peer might then not read why. After `lingerMs` it is cut.
   */
  end(lingerMs: number): void {
    const stream = this.#stream;
    if (stream.destroyed) return;
    this.flush();
    this.#taker = () => {};
    this.#held = [];
    stream.end();
    stream.resume();
    const timer = setTimeout(() => stream.destroy(), lingerMs);
    timer.unref();
    stream.once("close", () => clearTimeout(timer));
  }

  destroy(): void {
    this.#stream.destroy();
  }

  #take(bytes: Buffer): void {
    if (this.#taker !== undefined) {
      this.#taker(bytes);
      return;
    }
    this.#held.push(Buffer.from(bytes));
    this.#stream.pause();
  }

  readonly #onWritten = (): void => {
    const block = this.#written.shift();
    if (block !== undefined && this.#spare.length < spareBlocks) this.#spare.push(block);
  };

  #lose(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#onLost?.();
  }
}

/**
 * Gives the memory of a large buffer back now. node:crypto and the socket make a fresh one for each call;
 * left to the collector, they brought a full collection every 64 MB, a third of the time of a 100 KB round.
 * Short buffers may be slices of Node's pool, which must not be touched.
 */
export function release(buffer: Buffer): void {
  const memory = buffer.buffer;
  if (buffer.length >= releaseFromBytes && memory.byteLength === buffer.length)
    (memory as ArrayBuffer).transfer(0);
}
