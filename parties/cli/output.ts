/**
 * What the command line prints, and where. Results go to stdout: one JSON document with `--json`, words and
 * tables otherwise. Everything else (progress, notices, logs) goes to stderr, so that a pipe sees results only.
 * Colours and moving bars appear on terminals alone, and never when NO_COLOR is set.
 */
import { SingleBar } from "cli-progress";
import Table from "cli-table3";
import picocolors from "picocolors";

export interface OutputStreams {
  stdout: NodeJS.WritableStream & { isTTY?: boolean };
  stderr: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
}

export interface Progress {
  /** Shows `done` of `total`; may be called often. */
  update(done: number, total: number, note?: string): void;
  /** Ends the bar; nothing is shown afterwards. */
  stop(): void;
}

type Palette = ReturnType<typeof picocolors.createColors>;

/** A tenth of the way is worth a line where no bar can move. */
const linesPerProgress = 10;

export class Output {
  readonly json: boolean;
  readonly colors: Palette;
  readonly #streams: OutputStreams;
  readonly #interactive: boolean;

  constructor(
    json: boolean,
    streams: OutputStreams = process,
    environment: Record<string, string | undefined> = process.env,
  ) {
    this.json = json;
    this.#streams = streams;
    const plain = environment.NO_COLOR !== undefined && environment.NO_COLOR !== "";
    const dumb = environment.TERM === "dumb";
    this.#interactive = streams.stderr.isTTY === true && !dumb;
    const shown = json ? streams.stderr : streams.stdout;
    this.colors = picocolors.createColors(!plain && !dumb && shown.isTTY === true);
  }

  /** The result of a command: the document with `--json`, otherwise the words. Call it once. */
  result(document: unknown, words: () => string): void {
    const text = this.json ? JSON.stringify(document, jsonValue, 2) : words();
    this.#streams.stdout.write(`${text}\n`);
  }

  /** A line of a command that tells a story: stdout, or stderr where stdout is for JSON. */
  say(line = ""): void {
    (this.json ? this.#streams.stderr : this.#streams.stdout).write(`${line}\n`);
  }

  /** A remark that is not part of the result. */
  note(line: string): void {
    this.#streams.stderr.write(`${line}\n`);
  }

  /** Rows under a head, aligned; without borders, so that other programs can cut it into columns. */
  table(head: readonly string[], rows: readonly (readonly string[])[]): string {
    const table = new Table({
      head: head.map((cell) => this.colors.bold(cell)),
      chars: noBorders,
      style: { head: [], border: [], "padding-left": 0, "padding-right": 2, compact: true },
    });
    for (const row of rows) table.push([...row]);
    return table
      .toString()
      .split("\n")
      .map((line) => line.trimEnd())
      .join("\n");
  }

  /** A bar on a terminal; elsewhere a line now and then. */
  progress(label: string): Progress {
    return this.#interactive ? new MovingBar(label, this.#streams.stderr) : new Lines(label, this);
  }
}

/** Money and other large integers are decimal strings in JSON. */
function jsonValue(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

const noBorders = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "",
} as const;

class MovingBar implements Progress {
  readonly #bar: SingleBar;
  #started = false;

  constructor(label: string, stream: NodeJS.WritableStream) {
    this.#bar = new SingleBar({
      format: `     ${label} {bar} {value}/{total} {note}`,
      barCompleteChar: "█",
      barIncompleteChar: "░",
      barsize: 30,
      stream,
      hideCursor: true,
      clearOnComplete: false,
      etaBuffer: 20,
    });
  }

  update(done: number, total: number, note = ""): void {
    if (this.#started) {
      this.#bar.setTotal(total);
      this.#bar.update(done, { note });
    } else {
      this.#started = true;
      this.#bar.start(total, done, { note });
    }
  }

  stop(): void {
    if (this.#started) this.#bar.stop();
    this.#started = false;
  }
}

class Lines implements Progress {
  readonly #label: string;
  readonly #output: Output;
  #note = "";
  #shown = -1;

  constructor(label: string, output: Output) {
    this.#label = label;
    this.#output = output;
  }

  update(done: number, total: number, note = ""): void {
    if (note !== this.#note) this.#shown = -1;
    this.#note = note;
    const part = total > 0 ? Math.floor((done / total) * linesPerProgress) : 0;
    if (part <= this.#shown) return;
    this.#shown = part;
    const count = total > 1 ? ` ${done}/${total}` : "";
    this.#output.note(`     ${this.#label}${note === "" ? "" : `: ${note}`}${count}`);
  }

  stop(): void {}
}

/** Wei as ether with at most six decimals, for people. */
export function showEther(wei: bigint): string {
  const whole = wei / 10n ** 18n;
  const rest = (wei % 10n ** 18n).toString().padStart(18, "0");
  const shown = rest.slice(0, 6).replace(/0+$/, "");
  // An amount too small for six decimals would read as nothing.
  if (whole === 0n && shown === "" && wei > 0n) return `${wei} wei`;
  return `${whole}${shown === "" ? "" : `.${shown}`} ETH`;
}

/** Bytes for people, in powers of 1000. */
export function showBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A span of time for people, rounded up, in the largest unit that it has at least two of. */
export function showSpan(seconds: number): string {
  const units = [
    ["days", 86_400],
    ["hours", 3600],
    ["minutes", 60],
  ] as const;
  const [name, length] = units.find((unit) => seconds >= 2 * unit[1]) ?? ["seconds", 1];
  const count = Math.ceil(seconds / length);
  return count === 1 ? "1 second" : `${count} ${name}`;
}

/** An address or hash, shortened. */
export function showHash(hash: string): string {
  return `${hash.slice(0, 8)}…${hash.slice(-4)}`;
}
