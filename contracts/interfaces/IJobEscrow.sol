// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobState} from "../libraries/JobStates.sol";
import {IOfferRegistry} from "./IOfferRegistry.sol";
import {IOperatorRegistry} from "./IOperatorRegistry.sol";

/// @title Escrow of jobs
/// @notice A buyer funds a job over offers of one operator set. The three operators join it, compute, and attest
/// the result together; then the payment is divided by Merkle claims. Otherwise it goes back to the buyer. A job is
/// named by the hash of its terms, so what is signed about it can be about no other, also when the chain is
/// reorganised. The terms stand in {JobFunded}, and each call repeats them. Amounts are in the smallest unit of the
/// job's token, in wei where that is zero.
interface IJobEscrow is IOfferRegistry {
    /// @notice What a buyer asks for.
    struct JobRequest {
        /// Hash of the algorithm's code and manifest.
        bytes32 algorithm;
        /// The operators in the order of their points.
        address[3] members;
        /// The job is to be done by this second.
        uint64 deadlineSec;
        /// X25519 key to which the parties seal the result. A fresh one makes a job that is asked for twice two jobs.
        bytes32 resultKey;
        /// Micro-rho that the result spends of each data set's privacy budget; `type(uint64).max` for an exact result.
        uint64 microRho;
        /// keccak256 of the purpose in words, or 0.
        bytes32 purpose;
        /// ERC-20 token in which all the offers are priced; zero is ETH.
        address token;
        /// The data sets with their terms, in the order in which they are computed on.
        OfferUse[] offers;
        /// Canonical JSON of parameters and of commitments to the buyer's own inputs.
        bytes spec;
    }

    /// @notice A token's own permission to take so much of it, EIP-2612.
    struct Permit {
        uint256 value;
        uint256 deadlineSec;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice What a job is, and its id the hash of. Fees, prices and signers are those of the moment of funding.
    struct JobTerms {
        address buyer;
        address token;
        uint96 amount;
        uint64 deadlineSec;
        /// H(operator set, algorithm, result key, micro-rho, purpose, keccak256 of the specification, data roots),
        /// with H = keccak256 of abi.encode.
        bytes32 specHash;
        address[3] signers;
    }

    /// @notice What a job's `specHash` is the hash of.
    struct JobSpec {
        bytes32 operatorSet;
        bytes32 algorithm;
        bytes32 resultKey;
        uint64 microRho;
        bytes32 purpose;
        /// keccak256 of the specification.
        bytes32 specBytesHash;
        bytes32[] dataRoots;
    }

    /// @notice What an attested `resultRoot` is the hash of: keccak256(abi.encode(parts)).
    struct ResultParts {
        /// Merkle roots of the three parties' shares, by point.
        bytes32[3] roots;
        bytes32[3] ciphertextHashes;
        /// The shares are numbers modulo 2^fieldBits - 1.
        uint8 fieldBits;
        /// Elements of the result.
        uint32 total;
    }

    /// @notice What the three operators sign about a result. EIP-712 type of the same name.
    struct Attestation {
        bytes32 job;
        bytes32 resultRoot;
        /// Root of the Merkle tree of payouts.
        bytes32 payoutRoot;
        /// Privacy budget that the run used up; reported only.
        uint256 budgetSpent;
    }

    /// @notice One operator's word that a job failed. Signed as EIP-712 Failure(bytes32 job,bytes32 reason).
    struct FailureNotice {
        uint8 point;
        bytes32 reason;
        bytes32[2] signature;
    }

    /// @notice What an attested job is bound to.
    struct Outcome {
        address buyer;
        address token;
        bytes32 resultRoot;
        bytes32 payoutRoot;
    }

    /// @notice A leaf of the Merkle tree of payouts.
    struct Payout {
        uint256 index;
        address account;
        uint256 amount;
    }

    /// @notice One claim among several.
    struct Claim {
        bytes32 job;
        Outcome outcome;
        Payout payout;
        bytes32[] proof;
    }

    /// @notice What the chain keeps of a job.
    struct Job {
        JobState state;
        bool joined;
        /// Whether the reserved privacy budget was given back.
        bool budgetReturned;
        /// Last second of the challenge window, since the attestation.
        uint40 windowEndSec;
        /// What is not yet paid out, since the attestation.
        uint96 unclaimed;
        /// keccak256(Outcome), since the attestation.
        bytes32 outcomeHash;
    }

    event JobFunded(
        bytes32 indexed job,
        address indexed buyer,
        bytes32 indexed operatorSet,
        bytes32 algorithm,
        uint64 deadlineSec,
        bytes32 resultKey,
        uint64 microRho,
        bytes32 purpose,
        address token,
        uint256 amount,
        address[3] signers,
        bytes32[] dataRoots,
        bytes spec
    );
    event JobJoined(bytes32 indexed job);
    /// @notice With all that a buyer needs to open its result, or to dispute it.
    event JobAttested(bytes32 indexed job, ResultParts parts, bytes32 payoutRoot, uint256 budgetSpent);
    event JobDisputed(bytes32 indexed job);
    event JobSettled(bytes32 indexed job, bytes32 payoutRoot);
    event JobFailed(bytes32 indexed job, bytes32[2] reasons);
    /// @notice A dispute was decided for the buyer: the job has failed, and can be refunded at once.
    event JobOverturned(bytes32 indexed job);
    event JobRefunded(bytes32 indexed job, address indexed buyer, uint256 amount);
    event PayoutClaimed(bytes32 indexed job, uint256 index, address indexed account, uint256 amount);

    /// @notice The table of states has no such arrow. A job whose terms nobody funded is in the state None.
    error TransitionRefused(bytes32 job, JobState from, JobState to);
    error DeadlineOutOfRange(uint256 deadlineSec, uint256 earliestSec, uint256 latestSec);
    error DeadlinePassed(bytes32 job, uint256 deadlineSec);
    error DeadlineNotPassed(bytes32 job, uint256 deadlineSec);
    /// @notice Privacy budget comes back once, from a job that ended before the operators joined, or of which all
    /// three say that nothing was opened.
    error BudgetNotReturnable(bytes32 job);
    /// @notice The specification is not the one that the job is bound to.
    error SpecMismatch(bytes32 job);
    /// @notice More than 96 bits hold, or than the permission that came along is for.
    error AmountTooLarge(uint256 amount);
    error OutcomeMismatch(bytes32 job);
    error SignatureInvalid(bytes32 job, uint256 point, address expected);
    error PointsInvalid(uint256 first, uint256 second);
    error NotBuyer(bytes32 job, address caller);
    error WindowOpen(bytes32 job, uint256 windowEndSec);
    error WindowClosed(bytes32 job, uint256 windowEndSec);
    /// @notice A challenge of the result was not answered yet.
    error ChallengeOpen(bytes32 job);
    /// @notice What was answered can still be contested.
    error AnswerOpen(bytes32 job, uint256 heldUntilSec);
    /// @notice Nobody could look at a result before such a window ends. At deployment.
    error WindowTooShort(uint256 windowSec, uint256 leastSec);
    /// @notice Only the contract of disputes may call this.
    error NotDisputes(address caller);
    error AlreadyClaimed(bytes32 job, uint256 index);
    error ProofInvalid(bytes32 job, uint256 index);
    /// @notice The payouts add up to more than the job holds.
    error ClaimTooLarge(bytes32 job, uint256 amount, uint256 unclaimed);

    /// @notice Funds a job with exactly {quote}: sent along, or in a token that the caller has approved. An operator can
    /// raise its fee before the call is in a block; with ETH the call then fails, in a token nothing but the allowance
    /// limits the price. Approve what was quoted and no more.
    /// @return job Its id, the hash of its terms.
    function createJob(JobRequest calldata request) external payable returns (bytes32 job);

    /// @notice {createJob} in a token, with its holder's signature in place of an approval. A permission that the token
    /// refuses is passed over: it may have been used by somebody else before, and what counts is the allowance. A job
    /// that costs more than the permission is for is refused, whatever the allowance.
    function createJobWithPermit(JobRequest calldata request, Permit calldata permit) external returns (bytes32 job);

    /// @notice What a job of the caller costs now: the prices of the offers and the fees of the operators. Reverts,
    /// with the reason, where {createJob} would refuse offers, terms, operators or the algorithm.
    function quote(JobRequest calldata request) external view returns (uint256 amount);

    /// @notice Every term of every offer that {createJob} would refuse for `buyer`. The rest of what it checks,
    /// such as a data set named twice, {quote} refuses.
    function explain(address buyer, JobRequest calldata request)
        external
        view
        returns (TermFailure[] memory);

    /// @notice Gives back the privacy budget of a job that ended before the operators joined; anyone may call, once.
    /// @param sellers Of the offers, in their order.
    function returnBudget(JobTerms calldata terms, JobSpec calldata spec, address[] calldata sellers) external;

    /// @notice Gives back the privacy budget of a job that failed or expired after the operators joined, of which all
    /// three say that nothing was opened.
    /// @param signatures Over EIP-712 Unopened(bytes32 job), by point, compact (EIP-2098).
    function returnUnopened(
        JobTerms calldata terms,
        JobSpec calldata spec,
        address[] calldata sellers,
        bytes32[2][3] calldata signatures
    ) external;

    /// @notice Takes the three operators' agreement to run the job, until the deadline.
    /// @param signatures Over EIP-712 Join(bytes32 job), by point, compact (EIP-2098).
    function join(JobTerms calldata terms, bytes32[2][3] calldata signatures) external;

    /// @notice Takes the result that all three operators signed, until {graceSec} after the deadline, and opens the
    /// challenge window.
    /// @param parts Of the result, which stand in {JobAttested} from then on: nobody can keep them from the buyer.
    /// @param signatures Over the {Attestation} of these, by point, compact (EIP-2098).
    function attest(
        JobTerms calldata terms,
        ResultParts calldata parts,
        bytes32 payoutRoot,
        uint256 budgetSpent,
        bytes32[2][3] calldata signatures
    ) external;

    /// @notice The buyer accepts the result and ends the challenge window, once no challenge is open.
    function accept(bytes32 job, Outcome calldata outcome) external;

    /// @notice Settles a job after its challenge window, and after {IDisputes-heldUntilSec}; anyone may.
    function settle(bytes32 job, Outcome calldata outcome) external;

    /// @notice Takes the failure notices of two operators; the job can then be refunded at once.
    function fail(JobTerms calldata terms, FailureNotice[2] calldata notices) external;

    /// @notice Pays the buyer of a failed, overturned or expired job the whole amount; anyone may call.
    function refund(JobTerms calldata terms) external;

    /// @notice Pays one payout of a settled job to its account; anyone may call.
    function claim(bytes32 job, Outcome calldata outcome, Payout calldata payout, bytes32[] calldata proof) external;

    /// @notice Pays several payouts, also of several jobs. One that fails reverts all.
    function claimMany(Claim[] calldata claims) external;

    /// @notice Keeps an attested job, within its window, from being settled while a challenge is open. For {disputes}.
    function suspend(bytes32 job, Outcome calldata outcome) external;

    /// @notice Makes an attested or disputed job one that failed: {refund} gives the buyer the whole amount back. Pays
    /// nothing itself, so no buyer can keep a dispute from its end. For {disputes}.
    function overturn(bytes32 job, Outcome calldata outcome) external;

    function jobOf(bytes32 job) external view returns (Job memory);

    function isClaimed(bytes32 job, uint256 index) external view returns (bool);

    /// @notice The digest that the operators sign about a result.
    function attestationDigest(Attestation calldata attestation) external view returns (bytes32);

    /// @notice The table of states: whether a job may go from `from` to `to`.
    function transitionAllowed(JobState from, JobState to) external pure returns (bool);

    function challengeWindowSec() external view returns (uint256);

    /// @notice How long after its deadline an attestation is still taken: a job that was done in time is paid also
    /// when the chain is slow.
    function graceSec() external view returns (uint256);

    function operatorRegistry() external view returns (IOperatorRegistry);

    /// @notice The contract that judges what buyers say about results.
    function disputes() external view returns (address);
}
