/** What each side is told to do next, at every point of a session. */
import { describe, expect, test } from "vitest";
import { collectorStep, forfeitable, providerStep } from "../../../parties/exchange/next-step.ts";
import { phaseTimes } from "../../../parties/exchange/phases.ts";
import type { SeatRecord, SessionRecord } from "../../../parties/exchange/session.ts";

const request = {
  ...{ token: "", reward: 1n, deposit: 1n, samplingBps: 0, minShards: 1, shardsPerSample: 1 },
  ...{ registerBySec: 1000, sampleSec: 100, featuresSec: 100, reviewSec: 100, answerSec: 100 },
  ...{ optimalSec: 100, claimSec: 100, secretHash: "", extractorHash: "", descriptionHash: "" },
};
const times = phaseTimes(request, 30);
const root = `0x${"ab".repeat(32)}`;
const sampled = { seed: root };
const named = { ...sampled, featuresRoot: root };
const answered = { ...named, reviewAsked: true, keys: [root] };

function seat(state: SeatRecord["state"], facts: Partial<SeatRecord> = {}): SeatRecord {
  const provider = `0x${"11".repeat(20)}`;
  const commitment = { shardRoot: root, masterKeyHash: root, shardCount: 4 };
  return { seat: 7n, commitment, provider, state, reviewAsked: false, ...facts };
}

function record(nowSec: number, seats: SeatRecord[], change: Partial<SessionRecord> = {}): SessionRecord {
  const terms = { collector: "", schedule: 0n, token: "", amounts: 0n, context: "" };
  return {
    ...{ id: root, collector: "", request, terms, times, nowSec, seats },
    ...{ state: "Open", answered: 0, winner: null },
    ...change,
  };
}

describe("a buyer's next step", () => {
  const scores = [
    { seat: "7", featuresRoot: root, score: { rows: 1, accuracy: 1, logLoss: 0, agreement: 1 } },
  ];
  test.each([
    [
      "without a registration",
      record(900, []),
      [],
      { command: "sample", fromSec: 1030, bySec: 1100, due: false },
    ],
    [
      "once sampling has begun",
      record(1050, [seat("Registered")]),
      [],
      { command: "sample", bySec: 1100, due: true },
    ],
    ["when nobody came", record(1050, []), [], { command: "close", fromSec: 1501, due: false }],
    [
      "when sampling was missed",
      record(1101, [seat("Registered")]),
      [],
      { command: "close", fromSec: 1501, due: false },
    ],
    [
      "once all are sampled",
      record(1050, [seat("Sampled", sampled)]),
      [],
      { command: "score", bySec: 1300, due: false },
    ],
    [
      "with scores",
      record(1250, [seat("Sampled", named)]),
      scores,
      { command: "review", bySec: 1300, due: true },
    ],
    [
      "when no review was asked in time",
      record(1301, [seat("Sampled", named)]),
      scores,
      { command: "close", fromSec: 1501, due: false },
    ],
    [
      "with a review that was asked",
      record(1290, [seat("Reviewing", { ...named, reviewAsked: true })]),
      scores,
      { command: "choose", fromSec: 1401, bySec: 1500, due: false },
    ],
    [
      "when no review was answered",
      record(1401, [seat("Reviewing", { ...named, reviewAsked: true })]),
      scores,
      { command: "close", fromSec: 1501, due: false },
    ],
    [
      "with an answer",
      record(1450, [seat("Answered", answered)]),
      scores,
      { command: "choose", bySec: 1500, due: true },
    ],
    [
      "when the choice was missed",
      record(1501, [seat("Answered", answered)]),
      scores,
      { command: "close", due: true },
    ],
    ["with a winner", record(1450, [], { state: "Won", winner: 7n }), [], { command: "collect", due: false }],
    [
      "with a winner that sleeps",
      record(1601, [], { state: "Won", winner: 7n }),
      [],
      { command: "close", due: true },
    ],
    [
      "once the winner was paid",
      record(1450, [], { state: "Claimed", winner: 7n }),
      [],
      { command: "collect", due: true },
    ],
    [
      "with a deposit that it can take",
      record(1700, [seat("Accused")], { state: "Closed" }),
      [],
      { command: "close", due: true },
    ],
  ])("%s", (_, at, known, expected) => {
    const { note: _note, ...step } = collectorStep(at, { scores: known })!;
    expect(step).toEqual(expected);
  });

  test("is nothing after the end", () => {
    expect(collectorStep(record(1700, [], { state: "Closed" }), { scores: [] })).toBeNull();
  });

  test("is over once it has collected, but for deposits that were forfeited", () => {
    const collected = { scores: [], collected: true };
    const claimed = { state: "Claimed", winner: 7n } as const;
    expect(collectorStep(record(1450, [], claimed), collected)).toBeNull();
    expect(collectorStep(record(1450, [seat("Accused")], claimed), collected)).toEqual({
      command: "close",
      due: true,
    });
  });

  test("says who has not delivered, and until when it can be accused", () => {
    expect(collectorStep(record(1050, [seat("Sampled", sampled)]), { scores: [] })!.note).toMatch(
      /^1 of 1 sampled data sets have no score yet; .* 1970-01-01T00:20:00.000Z; .* accuse .* until 1970-01-01T00:20:50/,
    );
  });
});

describe("a seller's next step", () => {
  test.each([
    [
      "registered",
      record(900, []),
      seat("Registered"),
      { command: "features", fromSec: 1030, bySec: 1200, due: false },
    ],
    ["never sampled", record(1101, []), seat("Registered"), { command: "withdraw", due: true }],
    ["sampled", record(1050, []), seat("Sampled", sampled), { command: "features", bySec: 1200, due: true }],
    ["late", record(1201, []), seat("Sampled", sampled), { command: "features", bySec: 1300, due: true }],
    [
      "delivered",
      record(1201, []),
      seat("Sampled", named),
      { command: "answer", fromSec: 1301, bySec: 1400, due: false },
    ],
    ["not reviewed", record(1301, []), seat("Sampled", named), { command: "withdraw", due: true }],
    ["a candidate in vain", record(1301, []), seat("Candidate", named), { command: "withdraw", due: true }],
    ["accused", record(1250, []), seat("Accused", sampled), { command: "features", bySec: 1300, due: true }],
    ["accused and silent", record(1301, []), seat("Accused", sampled), null],
    ["asked", record(1350, []), seat("Reviewing", named), { command: "answer", bySec: 1400, due: true }],
    ["asked and silent", record(1401, []), seat("Reviewing", named), { command: "withdraw", due: true }],
    [
      "opened",
      record(1390, []),
      seat("Answered", answered),
      { command: "claim", fromSec: 1401, bySec: 1600, due: false },
    ],
    ["opened in vain", record(1501, []), seat("Answered", answered), { command: "withdraw", due: true }],
    [
      "named",
      record(1450, [], { state: "Won", winner: 7n }),
      seat("Answered", answered),
      { command: "claim", bySec: 1600, due: true },
    ],
    ["named and asleep", record(1601, [], { state: "Won", winner: 7n }), seat("Answered", answered), null],
    [
      "beaten",
      record(1450, [], { state: "Won", winner: 8n }),
      seat("Answered", answered),
      { command: "withdraw", due: true },
    ],
    ["not there yet", record(900, []), undefined, { command: "register", bySec: 1000, due: true }],
    ["not there in time", record(1001, []), undefined, null],
    ["over", record(1700, []), seat("Ended"), null],
  ])("whose data set is %s", (_, at, own, expected) => {
    const step = providerStep(at, own, 0n);
    expect(step === null ? null : { ...step, note: undefined }).toEqual(
      expected === null ? null : { ...expected, note: undefined },
    );
  });

  test("is to take back what the seat holds", () => {
    expect(providerStep(record(1700, []), seat("Ended"), 5n)).toEqual({ command: "withdraw", due: true });
    expect(providerStep(record(1700, []), undefined, 5n)).toEqual({ command: "withdraw", due: true });
  });
});

test("deposits can be taken of those who were silent, and not before", () => {
  const seats = [seat("Accused"), seat("Answered", { ...answered, seat: 8n }), seat("Sampled", { seat: 9n })];
  const taken = (at: SessionRecord) => forfeitable(at).map((each) => each.seat);
  expect(taken(record(1300, seats, { state: "Won", winner: 8n }))).toEqual([]);
  expect(taken(record(1301, seats, { state: "Won", winner: 8n }))).toEqual([7n]);
  expect(taken(record(1601, seats, { state: "Won", winner: 8n }))).toEqual([7n, 8n]);
  expect(taken(record(1601, seats, { state: "Claimed", winner: 8n }))).toEqual([7n]);
});
