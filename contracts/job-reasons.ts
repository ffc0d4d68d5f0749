/** What the escrow and the contract of disputes refused, in words. */
import { formatUnits, type Result, ZeroAddress } from "ethers";
import { jobStates } from "./job-states.ts";
import { eth, time, type Words } from "./reason-words.ts";
import { describeTermFailure, shortId, terms } from "./use-terms.ts";

/** By name of the custom error. Arguments come in the order of the declaration. */
export const jobReasons: Readonly<Record<string, (args: Result) => Words>> = {
  // JobEscrow: offers
  DataSetKnown: ([offer]) => ({
    code: "TERMS_REFUSED",
    message: `these share commitments were published before, as offer ${shortId(offer)}`,
    hint: "share the data anew, or list that offer under other terms",
  }),
  OfferUnknown: ([seller, offer]) => ({
    code: "NOT_FOUND",
    message: `seller ${seller} has no offer ${shortId(offer)} to this operator set`,
    hint: "offers of one job are of one operator set",
  }),
  OfferInactive: ([offer]) => ({
    code: "TERMS_REFUSED",
    message: `offer ${shortId(offer)} was withdrawn by its seller`,
    hint: "leave it out of the job",
  }),
  AlreadyReplaced: ([offer]) => ({
    code: "TERMS_REFUSED",
    message: `offer ${shortId(offer)} was replaced by another of the same data, and ended for good`,
    hint: "use the offer in its place",
  }),
  TermsChanged: ([offer]) => ({
    code: "TERMS_REFUSED",
    message: `offer ${shortId(offer)} has other terms now`,
    hint: "look at the offer again",
  }),
  RulesMismatch: ([offer]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the rules given for offer ${shortId(offer)} are not those of its terms`,
    hint: "read them from the offer's last listing on this chain",
  }),
  DiscountInvalid: ([bps]) => ({
    code: "PARAMETER_INVALID",
    message: `a discount of ${formatUnits(bps, 2)} %`,
    hint: "a credential gives at most the whole price back",
  }),
  TermRefused: ([offer, term, found, asked]) => ({
    code: "TERMS_REFUSED",
    ...describeTermFailure({ offer, term: terms[Number(term)] ?? "Terms", found, asked }),
  }),
  OffersEmpty: () => ({ code: "PARAMETER_INVALID", message: "a job uses at least one offer" }),
  OffersNotDistinct: ([offers, distinct]) => ({
    code: "PARAMETER_INVALID",
    message: `a job of ${offers} offers names only ${distinct} different ones`,
    hint: "name each offer once",
  }),
  ShapeInvalid: ([rows, columns]) => ({
    code: "SHAPE_MISMATCH",
    message: `a data set of ${rows} rows and ${columns} columns`,
    hint: "a data set has at least one row and one column",
  }),
  // JobEscrow: jobs
  BudgetNotReturnable: ([job]) => ({
    code: "STATE_INVALID",
    message: `job ${shortId(job)} has no privacy budget to give back`,
    hint: "it comes back once, from a job that ended or expired before the operators joined, or of which all three say that nothing was opened",
  }),
  SpecMismatch: ([job]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `these are not the data sets and the amount that job ${shortId(job)} reserved`,
  }),
  TransitionRefused: ([job, from, to]) => ({
    code: from === 0n ? "NOT_FOUND" : "STATE_INVALID",
    message:
      from === 0n
        ? `no job ${shortId(job)}`
        : from === to
          ? `job ${shortId(job)} is ${stateName(from)} already`
          : `job ${shortId(job)} is ${stateName(from)} and cannot become ${stateName(to)}`,
    ...(from === 0n && { hint: "`symbolon buyer jobs` lists those of a buyer" }),
  }),
  DeadlineOutOfRange: ([deadline, earliest, latest]) => ({
    code: "PARAMETER_INVALID",
    message: `the deadline ${time(deadline)} is not between ${time(earliest)} and ${time(latest)}`,
    hint: "choose a deadline within a minute and 30 days from now",
  }),
  DeadlinePassed: ([job, deadline]) => ({
    code: "JOB_EXPIRED",
    message: `the deadline of job ${shortId(job)}, ${time(deadline)}, has passed`,
    hint: "the buyer is refunded",
  }),
  DeadlineNotPassed: ([job, deadline]) => ({
    code: "STATE_INVALID",
    message: `job ${shortId(job)} can be refunded after its deadline, ${time(deadline)}, unless two operators report its failure`,
    hint: "try again after that time",
  }),
  AmountTooLarge: ([amount]) => ({
    code: "PARAMETER_INVALID",
    message: `a job of ${amount} units, more than the escrow can hold for one`,
  }),
  OutcomeMismatch: ([job]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the outcome given for job ${shortId(job)} is not the one that was attested`,
    hint: "read it from the job's attestation on this chain",
  }),
  SignatureInvalid: ([job, point, expected]) => ({
    code: "NOT_AUTHORISED",
    message: `the signature at point ${point} of job ${shortId(job)} is not by ${expected}`,
    hint: "each operator signs with the key that was registered when the job was funded",
  }),
  PointsInvalid: ([first, second]) => ({
    code: "PARAMETER_INVALID",
    message: `failure notices come from two different points 1, 2 or 3, not from ${first} and ${second}`,
  }),
  NotBuyer: ([job, caller]) => ({
    code: "NOT_AUTHORISED",
    message: `account ${caller} is not the buyer of job ${shortId(job)}`,
    hint: "only the buyer can accept; anyone can settle after the challenge window",
  }),
  WindowOpen: ([job, end]) => ({
    code: "STATE_INVALID",
    message: `the challenge window of job ${shortId(job)} is open until ${time(end)}`,
    hint: "the buyer can accept now; anyone can settle after that time",
  }),
  WindowClosed: ([job, end]) => ({
    code: "STATE_INVALID",
    message: `the challenge window of job ${shortId(job)} ended at ${time(end)}`,
    hint: "its result stands",
  }),
  ChallengeOpen: ([job]) => ({
    code: "STATE_INVALID",
    message: `an operator was asked for a part of the result of job ${shortId(job)} and has not answered yet`,
    hint: "wait for the answer, or for the end of its time",
  }),
  AnswerOpen: ([job, until]) => ({
    code: "STATE_INVALID",
    message: `what an operator posted of the result of job ${shortId(job)} can be contested until ${time(until)}`,
    hint: "the buyer can accept now; anyone can settle after that time",
  }),
  NotDisputes: ([caller]) => ({
    code: "NOT_AUTHORISED",
    message: `account ${caller} is not the contract of disputes`,
  }),
  AlreadyClaimed: ([job, index]) => ({
    code: "STATE_INVALID",
    message: `payout ${index} of job ${shortId(job)} was paid before`,
  }),
  ProofInvalid: ([job, index]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `payout ${index} is not in the attested payouts of job ${shortId(job)}`,
    hint: "account, amount and proof must be exactly those of the attested tree",
  }),
  ClaimTooLarge: ([job, amount, unclaimed]) => ({
    code: "FUNDS_MISSING",
    message: `payout of ${amount} units from job ${shortId(job)}, which holds ${unclaimed}`,
    hint: "the attested payouts add up to more than was paid in",
  }),
  ReentrancyGuardReentrantCall: () => ({
    code: "CONTRACT_REVERTED",
    message: "a payment called back into the escrow",
  }),
  // Disputes
  NothingToSlash: ([operator]) => ({
    code: "STATE_INVALID",
    message:
      operator === ZeroAddress
        ? "the key that signed belongs to no operator"
        : `operator ${operator} has no bond any more`,
  }),
  PartsMismatch: ([job]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `these are not the roots of the three shares that job ${shortId(job)} was attested with`,
  }),
  PointInvalid: ([point]) => ({
    code: "PARAMETER_INVALID",
    message: `there is no point ${point}, only 1, 2, 3`,
  }),
  ChunkOutOfRange: ([chunk, chunks]) => ({
    code: "PARAMETER_INVALID",
    message: `there is no chunk ${chunk} in a result of ${chunks}`,
  }),
  FieldInvalid: ([bits]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the result was attested in a field of ${bits} bits, which is none`,
  }),
  OpeningInvalid: ([job, point]) => ({
    code: "COMMITMENT_MISMATCH",
    message: `the chunk is not what the operator at point ${point} attested of job ${shortId(job)}`,
  }),
  CoordinateOutOfRange: ([place, length]) => ({
    code: "PARAMETER_INVALID",
    message: `there is no coordinate ${place} in a chunk of ${length}`,
  }),
  SharesConsistent: ([job, coordinate]) => ({
    code: "TERMS_REFUSED",
    message: `the three shares of coordinate ${coordinate} of job ${shortId(job)} are on a line`,
    hint: "nobody lied about it",
  }),
  ChallengeWindowClosed: ([job, end]) => ({
    code: "STATE_INVALID",
    message:
      end === 0n
        ? `job ${shortId(job)} has no attested result`
        : `the result of job ${shortId(job)} can no longer be disputed: the job ended, or its challenge window did at ${time(end)}`,
  }),
  FeeTooSmall: ([sent, due]) => ({
    code: "FUNDS_MISSING",
    message: `a challenge costs ${eth(due)} now, and ${eth(sent)} came with it`,
    hint: "the price follows that of gas: try again",
  }),
  AlreadyChallenged: ([job, point, chunk]) => ({
    code: "STATE_INVALID",
    message: `the operator at point ${point} was asked for chunk ${chunk} of job ${shortId(job)} already`,
    hint: "a chunk is asked for once",
  }),
  NoChallenge: ([job, point, chunk]) => ({
    code: "NOT_FOUND",
    message: `nobody waits for chunk ${chunk} of the operator at point ${point} of job ${shortId(job)}`,
  }),
  ResponseTooLate: ([job, due]) => ({
    code: "STATE_INVALID",
    message: `the time to answer the challenge of job ${shortId(job)} ended at ${time(due)}`,
  }),
  ResponseNotDue: ([job, due]) => ({
    code: "STATE_INVALID",
    message: `the operator has until ${time(due)} to answer the challenge of job ${shortId(job)}`,
  }),
  WindowTooShort: ([window, least]) => ({
    code: "PARAMETER_INVALID",
    message: `in a challenge window of ${window} s nobody can look at a result`,
    hint: `give it ${least} s at least`,
  }),
  ResponseTooShort: ([response, least]) => ({
    code: "PARAMETER_INVALID",
    message: `no operator can answer a challenge within ${response} s`,
    hint: `give it ${least} s at least`,
  }),
  DeploymentInvalid: () => ({
    code: "INTERNAL",
    message: "escrow and registry take orders from another contract of disputes",
    hint: "deploy again; the account must send nothing else meanwhile",
  }),
};

function stateName(number: bigint): string {
  return jobStates[Number(number)] ?? String(number);
}
