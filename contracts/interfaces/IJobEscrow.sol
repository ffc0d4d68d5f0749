// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobState} from "../libraries/JobStates.sol";
import {IOfferRegistry} from "./IOfferRegistry.sol";
import {IOperatorRegistry} from "./IOperatorRegistry.sol";

/// @title Escrow of jobs
/// @notice A buyer funds a job over offers of one operator set. The three operators join it, compute, and attest
/// the result together; then the payment is divided by Merkle claims. Otherwise it goes back to the buyer. The
/// chain keeps a hash of a job's terms; the terms stand in {JobFunded}, and each call repeats them.
interface IJobEscrow is IOfferRegistry {
    /// @notice What a buyer asks for.
    struct JobRequest {
        /// Hash of the algorithm's code and manifest.
        bytes32 algorithm;
        /// The operators in the order of their points.
        address[3] members;
        /// Last second at which the job can be attested.
        uint64 deadlineSec;
        /// X25519 key to which the parties seal the result.
        bytes32 resultKey;
        /// Micro-rho that the result spends of each data set's privacy budget; `type(uint64).max` for an exact result.
        uint64 microRho;
        /// keccak256 of the purpose in words, or 0.
        bytes32 purpose;
        /// The data sets with their terms, in ascending order of their offer ids.
        OfferUse[] offers;
        /// Canonical JSON of parameters and of commitments to the buyer's own inputs.
        bytes spec;
    }

    /// @notice What a funded job is bound to. Fees, prices and signers are those of the moment of funding.
    struct JobTerms {
        address buyer;
        uint96 amountWei;
        uint64 deadlineSec;
        bytes32 algorithm;
        bytes32 specHash;
        bytes32 inputRoot;
        address[3] signers;
    }

    /// @notice What a job's `specHash` is the hash of, with the algorithm, the deadline and the buyer of its terms.
    struct JobSpec {
        bytes32 operatorSet;
        bytes32 resultKey;
        uint64 microRho;
        bytes32 purpose;
        uint256[] offerIds;
        bytes32[] dataRoots;
        /// keccak256 of the specification.
        bytes32 specBytesHash;
    }

    /// @notice What the three operators sign about a result. EIP-712 type of the same name.
    struct Attestation {
        uint256 job;
        bytes32 algorithm;
        bytes32 inputRoot;
        bytes32 resultRoot;
        /// Root of the Merkle tree of payouts.
        bytes32 payoutRoot;
        /// Privacy budget that the run used up; reported only.
        uint256 budgetSpent;
    }

    /// @notice One operator's word that a job failed. Signed as EIP-712 Failure(uint256 job,bytes32 reason).
    struct FailureNotice {
        uint8 point;
        bytes32 reason;
        bytes32[2] signature;
    }

    /// @notice What an attested job is bound to.
    struct Outcome {
        bytes32 termsHash;
        address buyer;
        bytes32 resultRoot;
        bytes32 payoutRoot;
    }

    /// @notice A leaf of the Merkle tree of payouts.
    struct Payout {
        uint256 index;
        address account;
        uint256 amountWei;
    }

    /// @notice One claim among several.
    struct Claim {
        uint256 job;
        Outcome outcome;
        Payout payout;
        bytes32[] proof;
    }

    /// @notice What the chain keeps of a job.
    struct Job {
        JobState state;
        /// Upper 246 bits of keccak256(JobTerms), in the states Funded, Joined, Failed and Refunded.
        uint248 termsTag;
        /// Whether the operators joined, in the same states.
        bool joined;
        /// Whether the reserved privacy budget was given back, in the same states.
        bool budgetReturned;
        /// Last second of the challenge window, in the states Attested and Settled.
        uint40 windowEndSec;
        /// What is not yet paid out, in the states Attested and Settled.
        uint96 unclaimedWei;
        /// keccak256(Outcome), in the states Attested and Settled.
        bytes32 outcomeHash;
    }

    event JobFunded(
        uint256 indexed jobId,
        address indexed buyer,
        bytes32 indexed operatorSet,
        bytes32 algorithm,
        uint64 deadlineSec,
        bytes32 resultKey,
        uint64 microRho,
        bytes32 purpose,
        uint256[] offers,
        bytes spec,
        uint256 amountWei,
        bytes32 specHash,
        bytes32 inputRoot,
        address[3] signers
    );
    event JobJoined(uint256 indexed jobId);
    event JobAttested(
        uint256 indexed jobId, bytes32 resultRoot, bytes32 payoutRoot, bytes32 inputRoot, uint256 budgetSpent
    );
    event JobSettled(uint256 indexed jobId, bytes32 payoutRoot);
    event JobFailed(uint256 indexed jobId, bytes32[2] reasons);
    event JobRefunded(uint256 indexed jobId, address indexed buyer, uint256 amountWei);
    event PayoutClaimed(uint256 indexed jobId, uint256 index, address indexed account, uint256 amountWei);

    /// @notice The table of states has no such arrow.
    error TransitionRefused(uint256 jobId, JobState from, JobState to);
    error DeadlineOutOfRange(uint256 deadlineSec, uint256 earliestSec, uint256 latestSec);
    error DeadlinePassed(uint256 jobId, uint256 deadlineSec);
    error DeadlineNotPassed(uint256 jobId, uint256 deadlineSec);
    /// @notice Privacy budget comes back once, from a job that failed, was refunded or expired before the operators
    /// joined.
    error BudgetNotReturnable(uint256 jobId);
    /// @notice The specification is not the one that the job is bound to.
    error SpecMismatch(uint256 jobId);
    error AmountWrong(uint256 sentWei, uint256 neededWei);
    error TermsMismatch(uint256 jobId);
    error OutcomeMismatch(uint256 jobId);
    /// @notice The attestation is about another algorithm or other inputs than the job.
    error AttestationMismatch(uint256 jobId);
    error SignatureInvalid(uint256 jobId, uint256 point, address expected);
    error PointsInvalid(uint256 first, uint256 second);
    error NotBuyer(uint256 jobId, address caller);
    error WindowOpen(uint256 jobId, uint256 windowEndSec);
    error AlreadyClaimed(uint256 jobId, uint256 index);
    error ProofInvalid(uint256 jobId, uint256 index);
    /// @notice The payouts add up to more than the job holds.
    error ClaimTooLarge(uint256 jobId, uint256 amountWei, uint256 unclaimedWei);
    error PaymentFailed(address account, uint256 amountWei);

    /// @notice Funds a job with exactly {quote}.
    /// @return jobId Counted from 1.
    function createJob(JobRequest calldata request) external payable returns (uint256 jobId);

    /// @notice What a job of the caller costs now: the prices of the offers and the fees of the operators. Reverts,
    /// with the reason, where {createJob} would refuse offers, terms, operators or the algorithm.
    function quote(JobRequest calldata request) external view returns (uint256 amountWei);

    /// @notice Every term of every offer that {createJob} would refuse for `buyer`. The rest of what it checks,
    /// such as the order of the offers, {quote} refuses.
    function explain(address buyer, JobRequest calldata request)
        external
        view
        returns (TermFailure[] memory);

    /// @notice Gives back the privacy budget of a job that ended before the operators joined; anyone may call, once.
    /// @param sellers Of the offers, in their order.
    function returnBudget(uint256 jobId, JobTerms calldata terms, JobSpec calldata spec, address[] calldata sellers)
        external;

    /// @notice Takes the three operators' agreement to run the job.
    /// @param signatures Over EIP-712 Join(uint256 job,bytes32 spec), by point, compact (EIP-2098).
    function join(uint256 jobId, JobTerms calldata terms, bytes32[2][3] calldata signatures) external;

    /// @notice Takes the result that all three operators signed, until the deadline, and opens the challenge window.
    /// @param signatures Over the EIP-712 struct, by point, compact (EIP-2098).
    function attest(JobTerms calldata terms, Attestation calldata attestation, bytes32[2][3] calldata signatures)
        external;

    /// @notice The buyer accepts the result and ends the challenge window.
    function accept(uint256 jobId, Outcome calldata outcome) external;

    /// @notice Settles a job after its challenge window; anyone may.
    function settle(uint256 jobId, Outcome calldata outcome) external;

    /// @notice Takes the failure notices of two operators; the job can then be refunded at once.
    function fail(uint256 jobId, JobTerms calldata terms, FailureNotice[2] calldata notices) external;

    /// @notice Pays the buyer of a failed or expired job the whole amount; anyone may call.
    function refund(uint256 jobId, JobTerms calldata terms) external;

    /// @notice Pays one payout of a settled job to its account; anyone may call.
    function claim(uint256 jobId, Outcome calldata outcome, Payout calldata payout, bytes32[] calldata proof) external;

    /// @notice Pays several payouts, also of several jobs. One that fails reverts all.
    function claimMany(Claim[] calldata claims) external;

    function job(uint256 jobId) external view returns (Job memory);

    function isClaimed(uint256 jobId, uint256 index) external view returns (bool);

    /// @notice The table of states: whether a job may go from `from` to `to`.
    function transitionAllowed(JobState from, JobState to) external pure returns (bool);

    function jobCount() external view returns (uint256);

    function challengeWindowSec() external view returns (uint256);

    function operatorRegistry() external view returns (IOperatorRegistry);
}
