// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {OfferRegistry} from "./OfferRegistry.sol";
import {JobSlot, JobSlots} from "./libraries/JobSlots.sol";
import {JobState, JobStates} from "./libraries/JobStates.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";

/// @title Escrow of jobs
/// @dev The contract has no owner. Wei leaves by {refund} and by claims alone, both after the state is written.
contract JobEscrow is IJobEscrow, OfferRegistry, EIP712, ReentrancyGuardTransient {
    bytes32 private constant JOIN_TYPE = keccak256("Join(uint256 job,bytes32 spec)");
    bytes32 private constant FAILURE_TYPE = keccak256("Failure(uint256 job,bytes32 reason)");
    bytes32 private constant ATTESTATION_TYPE = keccak256(
        "Attestation(uint256 job,bytes32 algorithm,bytes32 inputRoot,bytes32 resultRoot,bytes32 payoutRoot,uint256 budgetSpent)"
    );

    /// @dev A deadline nearer than a minute could pass before the job is in a block.
    uint256 private constant MIN_DURATION_SEC = 60;
    uint256 private constant MAX_DURATION_SEC = 30 days;

    /// @inheritdoc IJobEscrow
    IOperatorRegistry public immutable operatorRegistry;
    /// @inheritdoc IJobEscrow
    uint256 public immutable challengeWindowSec;
    /// @inheritdoc IJobEscrow
    uint256 public jobCount;

    mapping(uint256 jobId => JobSlot) private _slots;
    /// @dev keccak256(Outcome) since the attestation.
    mapping(uint256 jobId => bytes32) private _outcomes;
    /// @dev Bitmap of claimed payouts whose index has no bit in the slot.
    mapping(uint256 jobId => mapping(uint256 word => uint256)) private _claimed;

    constructor(IOperatorRegistry operatorRegistry_, uint32 challengeWindowSec_) EIP712("Symbolon", "1") {
        operatorRegistry = operatorRegistry_;
        challengeWindowSec = challengeWindowSec_;
    }

    /// @inheritdoc IJobEscrow
    function createJob(JobRequest calldata request) external payable returns (uint256 jobId) {
        uint256 earliestSec = block.timestamp + MIN_DURATION_SEC;
        uint256 latestSec = block.timestamp + MAX_DURATION_SEC;
        if (request.deadlineSec < earliestSec || request.deadlineSec > latestSec) {
            revert DeadlineOutOfRange(request.deadlineSec, earliestSec, latestSec);
        }
        bytes32 operatorSet = MarketHashes.operatorSet(request.members);
        (address[3] memory signers, uint256 feesWei) = operatorRegistry.quoteSet(request.members, request.algorithm);
        (uint256[] memory offerIds, uint256 pricesWei) =
            _reserve(_facts(msg.sender, operatorSet, request), request.offers);
        uint256 amountWei = feesWei + pricesWei;
        if (msg.value != amountWei || amountWei > type(uint96).max) revert AmountWrong(msg.value, amountWei);

        (bytes32 specHash, bytes32 inputRoot) = _bind(request, operatorSet, offerIds);
        bytes32 termsHash = keccak256(
            abi.encode(
                msg.sender,
                amountWei,
                request.deadlineSec,
                request.algorithm,
                specHash,
                inputRoot,
                signers[0],
                signers[1],
                signers[2]
            )
        );
        jobId = ++jobCount;
        _requireArrow(jobId, JobState.None, JobState.Funded);
        _slots[jobId] = JobSlots.running(JobState.Funded, termsHash);
        emit JobFunded(
            jobId,
            msg.sender,
            operatorSet,
            request.algorithm,
            request.deadlineSec,
            request.resultKey,
            request.microRho,
            request.purpose,
            offerIds,
            request.spec,
            amountWei,
            specHash,
            inputRoot,
            signers
        );
    }

    /// @inheritdoc IJobEscrow
    function join(uint256 jobId, JobTerms calldata terms, bytes32[2][3] calldata signatures) external {
        JobSlot slot = _withTerms(jobId, terms);
        _requireArrow(jobId, slot.state(), JobState.Joined);
        if (block.timestamp > terms.deadlineSec) revert DeadlinePassed(jobId, terms.deadlineSec);
        _requireSigned(jobId, terms, keccak256(abi.encode(JOIN_TYPE, jobId, terms.specHash)), signatures);
        _slots[jobId] = slot.withState(JobState.Joined).joinedBy();
        emit JobJoined(jobId);
    }

    /// @inheritdoc IJobEscrow
    function attest(JobTerms calldata terms, Attestation calldata attestation, bytes32[2][3] calldata signatures)
        external
    {
        uint256 jobId = attestation.job;
        JobSlot slot = _withTerms(jobId, terms);
        _requireArrow(jobId, slot.state(), JobState.Attested);
        if (block.timestamp > terms.deadlineSec) revert DeadlinePassed(jobId, terms.deadlineSec);
        if (attestation.algorithm != terms.algorithm || attestation.inputRoot != terms.inputRoot) {
            revert AttestationMismatch(jobId);
        }
        _requireSigned(jobId, terms, MarketHashes.attestation(ATTESTATION_TYPE, attestation), signatures);
        _slots[jobId] = JobSlots.attested(uint40(block.timestamp + challengeWindowSec), terms.amountWei);
        _outcomes[jobId] = keccak256(
            abi.encode(MarketHashes.terms(terms), terms.buyer, attestation.resultRoot, attestation.payoutRoot)
        );
        emit JobAttested(
            jobId, attestation.resultRoot, attestation.payoutRoot, attestation.inputRoot, attestation.budgetSpent
        );
    }

    /// @inheritdoc IJobEscrow
    function accept(uint256 jobId, Outcome calldata outcome) external {
        if (msg.sender != outcome.buyer) revert NotBuyer(jobId, msg.sender);
        _settle(jobId, _slots[jobId], outcome);
    }

    /// @inheritdoc IJobEscrow
    function settle(uint256 jobId, Outcome calldata outcome) external {
        JobSlot slot = _slots[jobId];
        if (slot.state() == JobState.Attested && block.timestamp <= slot.windowEndSec()) {
            revert WindowOpen(jobId, slot.windowEndSec());
        }
        _settle(jobId, slot, outcome);
    }

    /// @inheritdoc IJobEscrow
    function fail(uint256 jobId, JobTerms calldata terms, FailureNotice[2] calldata notices) external {
        JobSlot slot = _withTerms(jobId, terms);
        _requireArrow(jobId, slot.state(), JobState.Failed);
        uint256 first = notices[0].point;
        uint256 second = notices[1].point;
        if (first == second || first == 0 || first > 3 || second == 0 || second > 3) {
            revert PointsInvalid(first, second);
        }
        for (uint256 i; i < 2; ++i) {
            FailureNotice calldata notice = notices[i];
            bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(FAILURE_TYPE, jobId, notice.reason)));
            _requireSigner(jobId, terms, notice.point - 1, digest, notice.signature);
        }
        _slots[jobId] = slot.withState(JobState.Failed);
        emit JobFailed(jobId, [notices[0].reason, notices[1].reason]);
    }

    /// @inheritdoc IJobEscrow
    function refund(uint256 jobId, JobTerms calldata terms) external nonReentrant {
        JobSlot slot = _withTerms(jobId, terms);
        JobState state = slot.state();
        _requireArrow(jobId, state, JobState.Refunded);
        if (state != JobState.Failed && block.timestamp <= terms.deadlineSec) {
            revert DeadlineNotPassed(jobId, terms.deadlineSec);
        }
        _slots[jobId] = slot.withState(JobState.Refunded);
        emit JobRefunded(jobId, terms.buyer, terms.amountWei);
        _pay(terms.buyer, terms.amountWei);
    }

    /// @inheritdoc IJobEscrow
    function returnBudget(uint256 jobId, JobTerms calldata terms, JobSpec calldata spec, address[] calldata sellers)
        external
    {
        JobSlot slot = _slots[jobId];
        JobState state = slot.state();
        // Past its deadline a funded job cannot be joined any more; its buyer may refuse the refund for ever.
        bool over = state == JobState.Failed || state == JobState.Refunded
            || (state == JobState.Funded && block.timestamp > terms.deadlineSec);
        if (!over || slot.joined() || slot.returned()) revert BudgetNotReturnable(jobId);
        if (!slot.hasTerms(MarketHashes.terms(terms))) revert TermsMismatch(jobId);
        bytes32 specHash = MarketHashes.spec(terms.algorithm, terms.deadlineSec, terms.buyer, spec);
        if (specHash != terms.specHash || sellers.length != spec.dataRoots.length) revert SpecMismatch(jobId);
        // An exact result reserves nothing.
        if (spec.microRho == type(uint64).max) revert BudgetNotReturnable(jobId);
        _slots[jobId] = slot.withReturned();
        uint256[] memory offerIds =
            _giveBack(spec.operatorSet, spec.microRho, sellers, spec.dataRoots);
        // A data root binds its seller, and the ids say so once more.
        if (keccak256(abi.encode(offerIds)) != keccak256(abi.encode(spec.offerIds))) revert SpecMismatch(jobId);
    }

    /// @inheritdoc IJobEscrow
    function claim(uint256 jobId, Outcome calldata outcome, Payout calldata payout, bytes32[] calldata proof)
        external
        nonReentrant
    {
        _claim(jobId, outcome, payout, proof);
    }

    /// @inheritdoc IJobEscrow
    function claimMany(Claim[] calldata claims) external nonReentrant {
        for (uint256 i; i < claims.length; ++i) {
            _claim(claims[i].job, claims[i].outcome, claims[i].payout, claims[i].proof);
        }
    }

    /// @inheritdoc IJobEscrow
    function quote(JobRequest calldata request) external view returns (uint256 amountWei) {
        (, uint256 feesWei) = operatorRegistry.quoteSet(request.members, request.algorithm);
        bytes32 operatorSet = MarketHashes.operatorSet(request.members);
        (, uint256 pricesWei) =
            _quote(_facts(msg.sender, operatorSet, request), request.offers);
        return feesWei + pricesWei;
    }

    /// @inheritdoc IJobEscrow
    function explain(address buyer, JobRequest calldata request)
        external
        view
        returns (TermFailure[] memory)
    {
        bytes32 operatorSet = MarketHashes.operatorSet(request.members);
        return _explain(_facts(buyer, operatorSet, request), request.offers);
    }

    /// @inheritdoc IJobEscrow
    function job(uint256 jobId) external view returns (Job memory view_) {
        JobSlot slot = _slots[jobId];
        view_.state = slot.state();
        if (view_.state == JobState.Attested || view_.state == JobState.Settled) {
            view_.windowEndSec = slot.windowEndSec();
            view_.unclaimedWei = slot.unclaimedWei();
            view_.outcomeHash = _outcomes[jobId];
        } else {
            view_.termsTag = slot.termsTag();
            view_.joined = slot.joined();
            view_.budgetReturned = slot.returned();
        }
    }

    /// @inheritdoc IJobEscrow
    function isClaimed(uint256 jobId, uint256 index) external view returns (bool) {
        if (index >= JobSlots.INLINE_CLAIMS) return (_claimed[jobId][index >> 8] >> (index & 0xff)) & 1 == 1;
        JobSlot slot = _slots[jobId];
        return slot.state() == JobState.Settled && slot.isClaimed(index);
    }

    /// @inheritdoc IJobEscrow
    function transitionAllowed(JobState from, JobState to) external pure returns (bool) {
        return JobStates.allowed(from, to);
    }

    function _settle(uint256 jobId, JobSlot slot, Outcome calldata outcome) private {
        _requireArrow(jobId, slot.state(), JobState.Settled);
        _requireOutcome(jobId, outcome);
        _slots[jobId] = slot.withState(JobState.Settled);
        emit JobSettled(jobId, outcome.payoutRoot);
    }

    function _claim(uint256 jobId, Outcome calldata outcome, Payout calldata payout, bytes32[] calldata proof)
        private
    {
        JobSlot slot = _slots[jobId];
        // A claim changes no state, so it has no arrow in the table.
        if (slot.state() != JobState.Settled) revert TransitionRefused(jobId, slot.state(), JobState.Settled);
        _requireOutcome(jobId, outcome);
        uint256 index = payout.index;
        bytes32 leaf = MarketHashes.payoutLeaf(payout);
        if (!MerkleProof.verifyCalldata(proof, outcome.payoutRoot, leaf)) revert ProofInvalid(jobId, index);

        if (index < JobSlots.INLINE_CLAIMS) {
            if (slot.isClaimed(index)) revert AlreadyClaimed(jobId, index);
            slot = slot.withClaimed(index);
        } else {
            uint256 word = _claimed[jobId][index >> 8];
            uint256 bit = 1 << (index & 0xff);
            if (word & bit != 0) revert AlreadyClaimed(jobId, index);
            _claimed[jobId][index >> 8] = word | bit;
        }
        uint256 amountWei = payout.amountWei;
        if (amountWei > slot.unclaimedWei()) revert ClaimTooLarge(jobId, amountWei, slot.unclaimedWei());
        _slots[jobId] = slot.withClaim(uint96(amountWei));
        emit PayoutClaimed(jobId, index, payout.account, amountWei);
        _pay(payout.account, amountWei);
    }

    /// @dev The hashes that a job is bound to: of all that the buyer asked for, and of what is computed on.
    function _bind(JobRequest calldata request, bytes32 operatorSet, uint256[] memory offerIds)
        private
        view
        returns (bytes32 specHash, bytes32 inputRoot)
    {
        bytes32[] memory dataRoots = new bytes32[](offerIds.length);
        for (uint256 i; i < dataRoots.length; ++i) {
            dataRoots[i] = request.offers[i].dataRoot;
        }
        bytes32 specBytesHash = keccak256(request.spec);
        inputRoot = MarketHashes.inputRoot(dataRoots, specBytesHash);
        JobSpec memory spec = JobSpec({
            operatorSet: operatorSet,
            resultKey: request.resultKey,
            microRho: request.microRho,
            purpose: request.purpose,
            offerIds: offerIds,
            dataRoots: dataRoots,
            specBytesHash: specBytesHash
        });
        specHash = MarketHashes.spec(request.algorithm, request.deadlineSec, msg.sender, spec);
    }

    function _facts(address buyer, bytes32 operatorSet, JobRequest calldata request)
        private
        pure
        returns (JobFacts memory)
    {
        return JobFacts({
            buyer: buyer,
            operatorSet: operatorSet,
            algorithm: request.algorithm,
            microRho: request.microRho,
            purpose: request.purpose
        });
    }

    /// @dev The slot of a job whose terms are `terms`; reverts in states that hold no terms by the arrow that
    /// is missing, so that a late call says "is Attested" rather than "other terms".
    function _withTerms(uint256 jobId, JobTerms calldata terms) private view returns (JobSlot slot) {
        slot = _slots[jobId];
        JobState state = slot.state();
        if (
            (state == JobState.Funded || state == JobState.Joined || state == JobState.Failed)
                && !slot.hasTerms(MarketHashes.terms(terms))
        ) revert TermsMismatch(jobId);
    }

    function _requireOutcome(uint256 jobId, Outcome calldata outcome) private view {
        if (_outcomes[jobId] != MarketHashes.outcome(outcome)) revert OutcomeMismatch(jobId);
    }

    function _requireArrow(uint256 jobId, JobState from, JobState to) private pure {
        if (!JobStates.allowed(from, to)) revert TransitionRefused(jobId, from, to);
    }

    function _requireSigned(
        uint256 jobId,
        JobTerms calldata terms,
        bytes32 structHash,
        bytes32[2][3] calldata signatures
    ) private view {
        bytes32 digest = _hashTypedDataV4(structHash);
        for (uint256 i; i < 3; ++i) {
            _requireSigner(jobId, terms, i, digest, signatures[i]);
        }
    }

    function _requireSigner(
        uint256 jobId,
        JobTerms calldata terms,
        uint256 index,
        bytes32 digest,
        bytes32[2] calldata signature
    ) private pure {
        // A malformed signature recovers to the zero address, which is nobody's signer.
        (address recovered,,) = ECDSA.tryRecover(digest, signature[0], signature[1]);
        if (recovered == address(0) || recovered != terms.signers[index]) {
            revert SignatureInvalid(jobId, index + 1, terms.signers[index]);
        }
    }

    function _pay(address account, uint256 amountWei) private {
        // What the account returns is not read, so it cannot make the caller pay for copying it.
        if (!LowLevelCall.callNoReturn(account, amountWei, "")) revert PaymentFailed(account, amountWei);
    }
}
