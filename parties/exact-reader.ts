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
    for (let have = 0; ; ) {
      const part = this.#take(Math.min(this.#left.length, length - have));
      whole.set(part, have);
      have += part.length;
      if (have === length) return whole;
      if (!(await this.#next())) return undefined;
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
