/** Messages between a benchmark's parent process and its children, one awaited after the other. */
import { type ChildProcess, fork } from "node:child_process";
import { fewCores } from "../../mpc/collector.ts";

/** In a child: the next message of the parent. */
export function nextTask<T>(): Promise<T> {
  return new Promise((resolve) => process.once("message", (message) => resolve(message as T)));
}

/** In a child: sends to the parent, and resolves when it is on its way. */
export function answer<T>(message: T): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(message, undefined, undefined, (error) => (error ? reject(error) : resolve()));
  });
}

/** In the parent: a child process. */
export class Child {
  readonly #process: ChildProcess;
  readonly #arrived: unknown[] = [];
  #waiting: { resolve(message: unknown): void; reject(error: Error): void } | undefined;
  #failure: Error | undefined;

  /** Runs a module. Its standard output is dropped: JIFF writes there. */
  constructor(module: string) {
    this.#process = fork(module, {
      stdio: ["ignore", "ignore", 2, "ipc"],
      // As a local market starts its nodes.
      execArgv: [...fewCores],
    });
    this.#process.on("message", (message) => {
      if (this.#waiting === undefined) this.#arrived.push(message);
      else this.#waiting.resolve(message);
      this.#waiting = undefined;
    });
    this.#process.on("exit", (code) => {
      this.#failure = new Error(`a process of the benchmark ended with status ${code}`);
      this.#waiting?.reject(this.#failure);
      this.#waiting = undefined;
    });
  }

  send<T extends object>(message: T): void {
    this.#process.send(message);
  }

  next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#arrived.length > 0) resolve(this.#arrived.shift() as T);
      else if (this.#failure !== undefined) reject(this.#failure);
      else this.#waiting = { resolve: resolve as (message: unknown) => void, reject };
    });
  }

  kill(): void {
    this.#process.kill();
  }
}
