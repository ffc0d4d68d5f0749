/** Secret bytes in memory that do not print themselves. */
import { type InspectOptions, inspect } from "node:util";

/**
 * Holds secret bytes. Logging, string conversion and JSON show "[secret]"; only `reveal` and `hex`, which are
 * easy to search for, hand the bytes out.
 */
export class Secret {
  readonly #bytes: Uint8Array;

  /** Copies `bytes`. */
  constructor(bytes: Uint8Array) {
    this.#bytes = Uint8Array.from(bytes);
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  /** A copy of the bytes. */
  reveal(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  /** The bytes as 0x and hexadecimal digits. */
  hex(): string {
    return `0x${Buffer.from(this.#bytes).toString("hex")}`;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return options.colors === true ? "\u001b[2m[secret]\u001b[22m" : "[secret]";
  }
}
