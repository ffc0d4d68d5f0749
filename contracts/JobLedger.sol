// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {OfferRegistry} from "./OfferRegistry.sol";
import {JobSlot, JobSlots} from "./libraries/JobSlots.sol";
import {JobState, JobStates} from "./libraries/JobStates.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";
import {Payments} from "./libraries/Payments.sol";

/// @title What jobs hold, and how it leaves
/// @notice Settlements and claims, refunds, and budgets that come back. How a job gets there is in {JobEscrow}, which is
/// this contract's only heir.
/// @dev The contract has no owner. Money leaves by {refund} and by claims alone, each after the state is written.
abstract contract JobLedger is IJobEscrow, OfferRegistry, ReentrancyGuardTransient {
    bytes32 private constant UNOPENED_TYPE = keccak256("Unopened(bytes32 job)");

    /// @dev Less could pass before the buyer's transaction, with which a dispute begins, is in a block.
    uint256 private constant MIN_WINDOW_SEC = 60;

    /// @inheritdoc IJobEscrow
    IOperatorRegistry public immutable operatorRegistry;
    /// @inheritdoc IJobEscrow
    address public immutable disputes;
    /// @inheritdoc IJobEscrow
    uint256 public immutable challengeWindowSec;
    /// @inheritdoc IJobEscrow
    uint256 public immutable graceSec;

    struct Record {
        JobSlot slot;
        /// keccak256(Outcome) since the attestation.
        bytes32 outcomeHash;
        /// Bitmap of claimed payouts whose index has no bit in the slot.
        mapping(uint256 word => uint256) claimed;
    }

    /// @dev In one place, found once a call: each further mapping would cost another hash.
    mapping(bytes32 job => Record) internal _jobs;

    constructor(IOperatorRegistry operatorRegistry_, address disputes_, uint32 challengeWindowSec_, uint32 graceSec_)
        EIP712("Symbolon", "1")
    {
        if (challengeWindowSec_ < MIN_WINDOW_SEC) revert WindowTooShort(challengeWindowSec_, MIN_WINDOW_SEC);
        operatorRegistry = operatorRegistry_;
        disputes = disputes_;
        challengeWindowSec = challengeWindowSec_;
        graceSec = graceSec_;
    }

    /// @inheritdoc IJobEscrow
    function accept(bytes32 job, Outcome calldata outcome) external {
        if (msg.sender != outcome.buyer) revert NotBuyer(job, msg.sender);
        _settle(job, _jobs[job], outcome);
    }

    /// @inheritdoc IJobEscrow
    function settle(bytes32 job, Outcome calldata outcome) external {
        Record storage record = _jobs[job];
        uint256 windowEndSec = record.slot.windowEndSec();
        if (block.timestamp <= windowEndSec) revert WindowOpen(job, windowEndSec);
        _settle(job, record, outcome);
    }

    /// @inheritdoc IJobEscrow
    function refund(JobTerms calldata terms) external nonReentrant {
        (bytes32 job, Record storage record) = _find(terms);
        JobSlot slot = record.slot;
        JobState state = slot.state();
        _requireArrow(job, state, JobState.Refunded);
        if (state != JobState.Failed && block.timestamp <= _lastSec(terms, state)) {
            revert DeadlineNotPassed(job, _lastSec(terms, state));
        }
        record.slot = slot.withState(JobState.Refunded);
        emit JobRefunded(job, terms.buyer, terms.amount);
        Payments.pay(terms.token, terms.buyer, terms.amount);
    }

    /// @inheritdoc IJobEscrow
    function returnBudget(JobTerms calldata terms, JobSpec calldata spec, address[] calldata sellers) external {
        (bytes32 job, Record storage record) = _find(terms);
        if (record.slot.joined()) revert BudgetNotReturnable(job);
        _returnBudget(job, record, terms, spec, sellers);
    }

    /// @inheritdoc IJobEscrow
    function returnUnopened(
        JobTerms calldata terms,
        JobSpec calldata spec,
        address[] calldata sellers,
        bytes32[2][3] calldata signatures
    ) external {
        (bytes32 job, Record storage record) = _find(terms);
        _requireSigned(job, terms, keccak256(abi.encode(UNOPENED_TYPE, job)), signatures);
        _returnBudget(job, record, terms, spec, sellers);
    }

    /// @inheritdoc IJobEscrow
    function claim(bytes32 job, Outcome calldata outcome, Payout calldata payout, bytes32[] calldata proof)
        external
        nonReentrant
    {
        _claim(job, outcome, payout, proof);
    }

    /// @inheritdoc IJobEscrow
    function claimMany(Claim[] calldata claims) external nonReentrant {
        for (uint256 i; i < claims.length; ++i) {
            _claim(claims[i].job, claims[i].outcome, claims[i].payout, claims[i].proof);
        }
    }

    /// @inheritdoc IJobEscrow
    function jobOf(bytes32 job) external view returns (Job memory) {
        Record storage record = _jobs[job];
        JobSlot slot = record.slot;
        return Job({
            state: slot.state(),
            joined: slot.joined(),
            budgetReturned: slot.returned(),
            windowEndSec: slot.windowEndSec(),
            unclaimed: slot.unclaimed(),
            outcomeHash: record.outcomeHash
        });
    }

    /// @inheritdoc IJobEscrow
    function isClaimed(bytes32 job, uint256 index) external view returns (bool) {
        Record storage record = _jobs[job];
        if (index < JobSlots.INLINE_CLAIMS) return record.slot.isClaimed(index);
        return (record.claimed[index >> 8] >> (index & 0xff)) & 1 == 1;
    }

    function _settle(bytes32 job, Record storage record, Outcome calldata outcome) private {
        JobSlot slot = record.slot;
        JobState state = slot.state();
        _requireArrow(job, state, JobState.Settled);
        _requireOutcome(job, record, outcome);
        if (state == JobState.Disputed) _requireAnswered(job, outcome.buyer);
        record.slot = slot.withState(JobState.Settled);
        emit JobSettled(job, outcome.payoutRoot);
    }

    function _claim(bytes32 job, Outcome calldata outcome, Payout calldata payout, bytes32[] calldata proof)
        private
    {
        Record storage record = _jobs[job];
        JobSlot slot = record.slot;
        // A claim changes no state, so it has no arrow in the table.
        if (slot.state() != JobState.Settled) revert TransitionRefused(job, slot.state(), JobState.Settled);
        _requireOutcome(job, record, outcome);
        uint256 index = payout.index;
        bytes32 leaf = MarketHashes.payoutLeaf(payout);
        if (!MerkleProof.verifyCalldata(proof, outcome.payoutRoot, leaf)) revert ProofInvalid(job, index);

        if (index < JobSlots.INLINE_CLAIMS) {
            if (slot.isClaimed(index)) revert AlreadyClaimed(job, index);
            slot = slot.withClaimed(index);
        } else {
            uint256 word = record.claimed[index >> 8];
            uint256 bit = 1 << (index & 0xff);
            if (word & bit != 0) revert AlreadyClaimed(job, index);
            record.claimed[index >> 8] = word | bit;
        }
        uint256 amount = payout.amount;
        if (amount > slot.unclaimed()) revert ClaimTooLarge(job, amount, slot.unclaimed());
        record.slot = slot.withClaim(uint96(amount));
        emit PayoutClaimed(job, index, payout.account, amount);
        Payments.pay(outcome.token, payout.account, amount);
    }

    function _returnBudget(
        bytes32 job,
        Record storage record,
        JobTerms calldata terms,
        JobSpec calldata spec,
        address[] calldata sellers
    ) private {
        JobSlot slot = record.slot;
        JobState state = slot.state();
        // Past its last second a job can go nowhere but back; its buyer may refuse the refund for ever.
        bool over = state == JobState.Failed || state == JobState.Refunded
            || ((state == JobState.Funded || state == JobState.Joined) && block.timestamp > _lastSec(terms, state));
        // One that was attested has been opened, whatever became of it.
        if (!over || slot.returned() || record.outcomeHash != 0) revert BudgetNotReturnable(job);
        if (MarketHashes.spec(spec) != terms.specHash || sellers.length != spec.dataRoots.length) {
            revert SpecMismatch(job);
        }
        // An exact result reserves nothing.
        if (spec.microRho == type(uint64).max) revert BudgetNotReturnable(job);
        record.slot = slot.withReturned();
        // A data root binds its seller, so a false one finds no offer.
        _giveBack(job, spec.operatorSet, spec.microRho, sellers, spec.dataRoots);
    }

    /// @dev The last second in which an unfinished job can go on.
    function _lastSec(JobTerms calldata terms, JobState state) private view returns (uint256) {
        return state == JobState.Joined ? terms.deadlineSec + graceSec : terms.deadlineSec;
    }

    function _find(JobTerms calldata terms) internal view returns (bytes32 job, Record storage record) {
        job = MarketHashes.job(terms);
        record = _jobs[job];
    }

    function _requireOutcome(bytes32 job, Record storage record, Outcome calldata outcome) internal view {
        if (record.outcomeHash != MarketHashes.outcome(outcome)) revert OutcomeMismatch(job);
    }

    /// @dev What was posted in answer to a challenge must have been seen, unless it is the buyer who settles.
    function _requireAnswered(bytes32 job, address buyer) private view {
        uint256 heldUntilSec = IDisputes(disputes).heldUntilSec(job);
        if (heldUntilSec == type(uint256).max) revert ChallengeOpen(job);
        if (block.timestamp <= heldUntilSec && msg.sender != buyer) revert AnswerOpen(job, heldUntilSec);
    }

    function _requireArrow(bytes32 job, JobState from, JobState to) internal pure {
        if (!JobStates.allowed(from, to)) revert TransitionRefused(job, from, to);
    }

    function _requireSigned(
        bytes32 job,
        JobTerms calldata terms,
        bytes32 structHash,
        bytes32[2][3] calldata signatures
    ) internal view {
        bytes32 digest = _hashTypedDataV4(structHash);
        // A loop costs 440 gas more.
        _requireSigner(job, terms, 0, digest, signatures[0]);
        _requireSigner(job, terms, 1, digest, signatures[1]);
        _requireSigner(job, terms, 2, digest, signatures[2]);
    }

    function _requireSigner(
        bytes32 job,
        JobTerms calldata terms,
        uint256 index,
        bytes32 digest,
        bytes32[2] calldata signature
    ) internal pure {
        // A malformed signature recovers to the zero address, which is nobody's signer.
        (address recovered,,) = ECDSA.tryRecover(digest, signature[0], signature[1]);
        if (recovered == address(0) || recovered != terms.signers[index]) {
            revert SignatureInvalid(job, index + 1, terms.signers[index]);
        }
    }
}
