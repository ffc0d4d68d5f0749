/** Reads a stream of bytes in pieces of wanted lengths, whatever pieces it comes in. */
export class ExactReader {
  readonly #source: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #left: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
    this.#source =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** The next `length` bytes, a view or a copy; undefined when the stream ends before. */
  async read(length: number): Promise<Uint8Array | undefined> {
    if (this.#left.length >= length) return this.#take(length);
    const whole = new Uint8Array(length);
    return (await this.readInto(whole)) ? whole : undefined;
  }

  /** Fills `target` with the next bytes: no memory is taken for them. False when the stream ends before. */
  async readInto(target: Uint8Array): Promise<boolean> {
    for (let have = 0; ; ) {
      const part = this.#take(Math.min(this.#left.length, target.length - have));
      target.set(part, have);
      have += part.length;
      if (have === target.length) return true;
      if (!(await this.#next())) return false;
    }
  }

  /** Whether nothing is left. */
  async atEnd(): Promise<boolean> {
    while (this.#left.length === 0) if (!(await this.#next())) return true;
    return false;
  }

  async #next(): Promise<boolean> {
    const { done, value } = await this.#source.next();
    if (done === true) return false;
    this.#left = value;
    return true;
  }

  #take(length: number): Uint8Array {
    const taken = this.#left.subarray(0, length);
    this.#left = this.#left.subarray(length);
    return taken;
  }
}
