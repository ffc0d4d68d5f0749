/** `symbolon demo`: the whole market on this machine, step by step. */
import { type Command, Option } from "commander";
import { SymbolonError } from "../../../mpc/errors.ts";
import { command } from "../command.ts";
import { DemoStory } from "../demo-story.ts";
import { type Output, showEther } from "../output.ts";

interface DemoOptions {
  chaos?: "kill-node";
}

/** Long enough that a node can be killed in the middle of the training. */
const chaosEpochs = 600;

export function demoCommand(output: Output): Command {
  return command("demo", "the whole market on this machine, on real data", "symbolon demo")
    .addOption(
      new Option(
        "--chaos <what>",
        "what goes wrong: kill-node kills a party in the middle of the job",
      ).choices(["kill-node"]),
    )
    .action(async (options: DemoOptions) => {
      if (options.chaos === undefined) await runDemo(output);
      else await runChaos(output);
    });
}

async function runDemo(output: Output): Promise<void> {
  const { withMarket } = await import("../../local/market.ts");
  const { runLocalJob } = await import("../../local/run-job.ts");
  const demo = await import("../../local/demo.ts");
  const started = Date.now();
  const inputs = await demo.demoInputs();
  const story = new DemoStory(output, inputs);
  story.opening();
  const report = await withMarket(
    { algorithms: [inputs.algorithm.manifest], onStep: (step) => story.preparing(step) },
    async (market, signal) => {
      story.market(market);
      const { result, offers, buyer } = await runLocalJob(market, inputs, story.observer(), signal);
      const comparison = await demo.compareWithPlaintext(inputs, result);
      const seen = await demo.whatPartiesSaw(market, inputs, offers);
      const tampering = await demo.showTampering(market, result, buyer);
      const seconds = (Date.now() - started) / 1000;
      story.closing({ result, comparison, seen, tampering, seconds });
      const processes = [market.bridgeProcess, ...market.operators.map(({ node }) => node)];
      return {
        result: result.file,
        comparison,
        parties: seen.map(({ point, offer, row, column, share }) => ({ point, offer, row, column, share })),
        tampering,
        processes: processes.map(({ name, pid }) => ({ name, pid })),
        seconds,
      };
    },
  ).finally(() => story.end());
  if (report.tampering.some(({ caught }) => caught === null)) {
    throw new SymbolonError("INTERNAL", "a result that was tampered with passed the buyer's checks");
  }
  if (!(report.comparison.largestWeightDifference < weightTolerance)) {
    throw new SymbolonError("INTERNAL", "the model trained on shares is not the one trained in plaintext");
  }
  if (output.json) output.result(report, () => "");
}

/** The two trainings may differ by rounding alone; in standardised units. */
const weightTolerance = 0.01;

/** Kills the third party while it trains: the job must end with a named error and the money back. */
async function runChaos(output: Output): Promise<void> {
  const { withMarket } = await import("../../local/market.ts");
  const { runLocalJob } = await import("../../local/run-job.ts");
  const { createKeys } = await import("../../keys.ts");
  const demo = await import("../../local/demo.ts");
  const inputs = await demo.demoInputs({ epochs: chaosEpochs });
  const story = new DemoStory(output, inputs);
  story.opening();
  const document = await withMarket(
    { algorithms: [inputs.algorithm.manifest], onStep: (step) => story.preparing(step) },
    async (market, signal) => {
      story.market(market);
      const victim = market.operators[2].node;
      const observer = story.observer();
      const buyer = createKeys("buyer");
      let job: string | undefined;
      const failure = await runLocalJob(
        market,
        inputs,
        {
          ...observer,
          funded: (id, txHash) => {
            job = id;
            observer.funded?.(id, txHash);
          },
          view: (view) => {
            observer.view?.(view);
            if (view.progress?.phase !== "training" || view.progress.done === 0 || !victim.running) return;
            victim.kill();
            story.killed(victim);
          },
        },
        signal,
        buyer,
      ).then(
        () => null,
        (error: unknown) => error,
      );
      if (failure === null) throw new SymbolonError("INTERNAL", "the job ended before the node was killed");
      if (!(failure instanceof SymbolonError) || job === undefined || signal.aborted) throw failure;
      const { state, amountWei } = await market.reader.job(job);
      const events = await market.reader.jobEvents(job);
      const refund = events.find(({ type }) => type === "JobRefunded");
      output.say("");
      output.say(`The buyer is told  ${output.colors.red(failure.code)}: ${failure.message}`);
      output.say(
        `The job on chain   ${state}; ${showEther(amountWei)} went back to the buyer  ${refund?.txHash ?? ""}`,
      );
      if (state !== "Refunded") throw failure;
      return { error: failure, state, amountWei, refund: refund?.txHash ?? null, killed: victim.pid };
    },
  ).finally(() => story.end());
  if (output.json) output.result(document, () => "");
}
