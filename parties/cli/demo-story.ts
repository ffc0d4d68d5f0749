/** How the demo tells what happens: the eight steps of a job, each under its heading, as they happen. */
import { rangeReport } from "../../algorithms/range-report.ts";
import type { JobSummary } from "../../bridge/client.ts";
import { shortId } from "../../contracts/use-terms.ts";
import type { JobResult } from "../buyer/result.ts";
import type { Child } from "../local/child-process.ts";
import type { DemoComparison, SeenCell } from "../local/demo.ts";
import type { LocalInputs } from "../local/inputs.ts";
import type { LocalMarket } from "../local/market.ts";
import type { JobObserver } from "../local/run-job.ts";
import type { TamperCheck } from "../local/tamper.ts";
import { rangeSummary } from "./describe-ranges.ts";
import { type Output, type Progress, showBytes, showEther, showHash } from "./output.ts";

const headings = [
  "Sellers share their data: checked, scaled, split into three shares, each sealed to one party",
  "The buyer pays for a job into the escrow on chain",
  "The bridge tells the parties; each checks the job against the chain itself and agrees to it",
  "The parties compute on shares",
  "Each party seals its share of the result to the buyer; the three sign what they did",
  "The buyer fetches three shares, checks them against the chain, and puts them together",
  "The buyer accepts the result, which settles the job",
  "Sellers and operators draw their pay",
];

export class DemoStory {
  readonly #output: Output;
  readonly #inputs: LocalInputs;
  #step = 0;
  #progress: Progress | undefined;
  #total = 0;
  readonly #roles = new Map<string, string>();
  #over = false;

  constructor(output: Output, inputs: LocalInputs) {
    this.#output = output;
    this.#inputs = inputs;
  }

  opening(): void {
    const { bold, dim } = this.#output.colors;
    const { tables, validation, schema } = this.#inputs;
    this.#output.say(bold("Symbolon: three sellers' data become a model that only the buyer can read"));
    this.#output.say(
      dim(
        `Breast Cancer Wisconsin (Diagnostic), ${schema.columns.length} features, label ${schema.label?.name}: ` +
          `${tables.map(({ rows }) => rows).join(" + ")} rows of three sellers, ${validation?.rows} rows of the buyer`,
      ),
    );
    this.#output.say();
  }

  preparing(step: string): void {
    this.#output.note(this.#output.colors.dim(`  ${step}`));
  }

  market(market: LocalMarket): void {
    const processes: [Child, string][] = [
      [market.bridgeProcess, market.bridge.url],
      ...market.operators.map(({ node, keys }): [Child, string] => [node, `operator ${keys.owner.address}`]),
    ];
    this.#output.say();
    this.#output.say(
      indent(
        this.#output.table(
          ["process", "pid", ""],
          [
            ["chain, sellers, buyer", String(process.pid), market.rpcUrl],
            ...processes.map(([{ name, pid }, what]) => [name, String(pid), what]),
          ],
        ),
      ),
    );
    for (const { keys, point } of market.operators) this.#roles.set(keys.owner.address, `operator ${point}`);
  }

  observer(): JobObserver {
    return {
      offered: (seller, { offer, rows, columns, preview, txHash }) => {
        this.#heading(1);
        this.#line(
          `seller ${seller + 1}: ${rows} x ${columns} cells as offer ${shortId(offer)}, ${showBytes(preview.sealedBytes)} sealed`,
          txHash,
        );
      },
      proposed: ({ algorithm, amountWei, plan, offers, identity, shape }) => {
        offers.forEach(({ seller }, i) => {
          this.#roles.set(seller, `seller ${i + 1}`);
        });
        this.#heading(2);
        const { declaration } = plan;
        this.#line(
          `${identity.id} ${identity.version} over offers ${offers.map(({ offer }) => shortId(offer)).join(", ")}, ` +
            `metrics over the buyer's own ${shape.validation?.rows} rows, which are shared too`,
        );
        this.#line(
          `known before paying: ${declaration.rounds} rounds, ${showBytes(declaration.bytes)} between the parties`,
        );
        this.#line(rangeSummary(algorithm, rangeReport(algorithm, shape, plan)));
        this.#line(`price: ${showEther(amountWei)}`);
      },
      funded: (job, txHash) => this.#line(`job ${shortId(job)} is funded`, txHash),
      view: (view) => this.#view(view),
      attested: () => {
        this.#heading(5);
      },
      read: ({ job, file }) => {
        if (job.attestation !== null)
          this.#line(
            "three signatures over one result root, checked by the contract",
            job.attestation.txHash,
          );
        this.#heading(6);
        this.#line(
          "three ciphertexts fit the root on chain, three shares lie on one line, the model is decoded",
        );
        this.#line(
          `measured: ${file.run.rounds} rounds, ${showBytes(file.run.bytesSent)} sent, ${file.run.seconds.toFixed(2)} s; ` +
            (file.run.rounds === file.run.declared.rounds && file.run.bytesSent === file.run.declared.bytes
              ? "rounds and bytes are the declared ones"
              : "declared were others"),
        );
      },
      accepted: (txHash) => {
        this.#heading(7);
        this.#line("accepted", txHash);
      },
      paid: (account, amountWei) => {
        this.#heading(8);
        this.#line(`${(this.#roles.get(account) ?? "").padEnd(10)} ${account}  ${showEther(amountWei)}`);
      },
    };
  }

  killed({ name, pid }: Child): void {
    this.#progress?.stop();
    this.#over = true;
    this.#output.say();
    this.#output.say(this.#output.colors.red(`     kill -9 ${pid}: ${name} is gone`));
  }

  closing(report: {
    result: JobResult;
    comparison: DemoComparison;
    seen: SeenCell[];
    tampering: TamperCheck[];
    seconds: number;
  }): void {
    const { bold, green, red, dim } = this.#output.colors;
    const { comparison, seen, tampering, result } = report;
    const percent = (value: number): string => `${(100 * value).toFixed(2)} %`;
    this.#output.say();
    this.#output.say(bold(`The model, on the buyer's ${comparison.rows} rows that no seller has`));
    this.#output.say(
      indent(
        this.#output.table(
          ["training", "accuracy"],
          [
            ["on shares, by three parties", green(percent(comparison.accuracy.secure))],
            ["the same in plaintext", percent(comparison.accuracy.plaintext)],
            ["in plaintext with the exact sigmoid", percent(comparison.accuracy.exactSigmoid)],
          ],
        ),
      ),
    );
    this.#line(
      `largest difference of a weight from plaintext: ${comparison.largestWeightDifference.toExponential(1)} (standardised units)`,
    );
    this.#line(
      `accuracy as the parties counted it on shares: ${percent(Number(result.file.metrics.accuracy))}`,
    );
    this.#output.say();
    this.#output.say(bold("What each party could see of a cell"));
    for (const { point, offer, row, column, share, value } of seen) {
      this.#line(`party ${point}, offer ${shortId(offer)}, row ${row + 1}, ${column}: ${share}`);
      this.#line(
        dim(`         the seller's file says ${value}; a share alone is as likely for any other value`),
      );
    }
    this.#output.say();
    this.#output.say(bold("Tampering, tried on copies"));
    for (const { what, caught } of tampering) {
      this.#line(what);
      this.#line(
        caught === null
          ? red("         NOT caught")
          : green(`         caught: ${caught.code}, ${caught.message}`),
      );
    }
    this.#output.say();
    this.#output.say(
      `${report.seconds.toFixed(0)} s in all. Your own data: npx symbolon local logistic-regression --data a.csv --data b.csv --label COLUMN`,
    );
  }

  /** Leaves the terminal as it was. */
  end(): void {
    this.#progress?.stop();
  }

  #view(view: JobSummary): void {
    if (this.#over || view.joins.length === 0) return;
    this.#heading(3);
    if (view.receipts.join === null) return;
    if (this.#step < 4) {
      this.#line("parties 1, 2 and 3 joined", view.receipts.join);
      this.#heading(4);
      this.#progress = this.#output.progress("training");
    }
    const { progress } = view;
    if (progress === null || this.#step !== 4 || progress.phase !== "training") return;
    this.#total = progress.total;
    this.#progress?.update(progress.done, progress.total);
  }

  /** The last report of a run that is over may be some steps old. */
  #endProgress(): void {
    if (this.#total > 0) this.#progress?.update(this.#total, this.#total);
    this.#progress?.stop();
  }

  /** Prints the headings up to this one, each once. */
  #heading(step: number): void {
    while (this.#step < step) {
      if (this.#step === 4) this.#endProgress();
      this.#step += 1;
      const { bold, cyan } = this.#output.colors;
      this.#output.say();
      this.#output.say(`${cyan(bold(String(this.#step)))}  ${bold(headings[this.#step - 1] ?? "")}`);
    }
  }

  #line(text: string, txHash?: string): void {
    const receipt = txHash === undefined ? "" : this.#output.colors.dim(`  tx ${showHash(txHash)}`);
    this.#output.say(`     ${text}${receipt}`);
  }
}

function indent(text: string): string {
  return text
    .split("\n")
    .map((line) => `     ${line}`)
    .join("\n");
}
