/** `symbolon buyer status`: where a job stands. */
import type { Command } from "commander";
import { shortId } from "../../../contracts/use-terms.ts";
import { command, parseId } from "../command.ts";
import { addMarketOptions, type MarketOptions, withConnection } from "../market-options.ts";
import type { Output } from "../output.ts";

export function status(output: Output): Command {
  return addMarketOptions(command("status", "where a job stands", "symbolon buyer status 0x5c1e"))
    .argument("<job>", "its name, or the first digits of it", parseId)
    .action((start: string, options: MarketOptions) =>
      withConnection(options, output, async ({ reader, bridge, tokens }) => {
        const id = await reader.jobNamed(start);
        const job = await reader.job(id);
        // The chain decides; what the bridge adds is progress.
        const view = await bridge.job(id).catch(() => null);
        const { state, buyer, token, amountWei, deadlineSec, offers, windowEndSec } = job;
        const joins = view?.joins ?? [];
        const progress = view?.progress ?? null;
        const failures = view?.failures ?? [];
        const document = {
          job: id,
          state,
          buyer,
          token,
          amountWei,
          deadlineSec,
          windowEndSec,
          offers,
          joins,
          progress,
          failures,
        };
        const escrowed = await tokens.show(amountWei, token);
        output.result(document, () =>
          output.table(
            ["job", id],
            [
              ["state", state],
              ["buyer", buyer],
              ["escrowed", escrowed],
              ["offers", offers.map(shortId).join(", ")],
              ["deadline", new Date(deadlineSec * 1000).toISOString()],
              ["joined", joins.join(", ") || "nobody yet"],
              ["progress", progress === null ? "" : `${progress.phase} ${progress.done}/${progress.total}`],
              ...failures.map(({ point, reason }) => [`party ${point}`, reason]),
            ],
          ),
        );
      }),
    );
}
