// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
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

/// @title Escrow of jobs
/// @dev The contract has no owner. Money leaves by {refund} and by claims alone, each after the state is written.
contract JobEscrow is IJobEscrow, OfferRegistry, ReentrancyGuardTransient {
    bytes32 private constant JOIN_TYPE = keccak256("Join(bytes32 job)");
    bytes32 private constant UNOPENED_TYPE = keccak256("Unopened(bytes32 job)");
    bytes32 private constant FAILURE_TYPE = keccak256("Failure(bytes32 job,bytes32 reason)");
    bytes32 private constant ATTESTATION_TYPE =
        keccak256("Attestation(bytes32 job,bytes32 resultRoot,bytes32 payoutRoot,uint256 budgetSpent)");

    /// @dev A deadline nearer than a minute could pass before the job is in a block.
    uint256 private constant MIN_DURATION_SEC = 60;
    uint256 private constant MAX_DURATION_SEC = 30 days;
    /// @dev For the same reason: a dispute begins with a transaction of the buyer's.
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
    mapping(bytes32 job => Record) private _jobs;

    /// @param disputes_ Deployed after this, so its address is computed before.
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
    function createJob(JobRequest calldata request) external payable returns (bytes32 job) {
        (job,) = _createJob(request);
    }

    /// @inheritdoc IJobEscrow
    function createJobWithPermit(JobRequest calldata request, Permit calldata permit) external returns (bytes32 job) {
        try IERC20Permit(request.token).permit(
            msg.sender, address(this), permit.value, permit.deadlineSec, permit.v, permit.r, permit.s
        ) {} catch {}
        uint256 amount;
        (job, amount) = _createJob(request);
        // Asked afterwards: a limit handed in would be compiled into a second copy of much of {_createJob}.
        if (amount > permit.value) revert AmountTooLarge(amount);
    }

    /// @inheritdoc IJobEscrow
    function join(JobTerms calldata terms, bytes32[2][3] calldata signatures) external {
        (bytes32 job, Record storage record) = _find(terms);
        JobSlot slot = record.slot;
        _requireArrow(job, slot.state(), JobState.Joined);
        if (block.timestamp > terms.deadlineSec) revert DeadlinePassed(job, terms.deadlineSec);
        _requireSigned(job, terms, keccak256(abi.encode(JOIN_TYPE, job)), signatures);
        record.slot = slot.withState(JobState.Joined).joinedBy();
        emit JobJoined(job);
    }

    /// @inheritdoc IJobEscrow
    function attest(
        JobTerms calldata terms,
        ResultParts calldata parts,
        bytes32 payoutRoot,
        uint256 budgetSpent,
        bytes32[2][3] calldata signatures
    ) external {
        (bytes32 job, Record storage record) = _find(terms);
        _requireArrow(job, record.slot.state(), JobState.Attested);
        uint256 latestSec = terms.deadlineSec + graceSec;
        if (block.timestamp > latestSec) revert DeadlinePassed(job, latestSec);
        bytes32 resultRoot = MarketHashes.resultRoot(parts);
        bytes32 signed = MarketHashes.attestation(ATTESTATION_TYPE, job, resultRoot, payoutRoot, budgetSpent);
        _requireSigned(job, terms, signed, signatures);
        record.slot = JobSlots.attested(uint40(block.timestamp + challengeWindowSec), terms.amount);
        record.outcomeHash = MarketHashes.outcome(terms.buyer, terms.token, resultRoot, payoutRoot);
        emit JobAttested(job, parts, payoutRoot, budgetSpent);
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
    function fail(JobTerms calldata terms, FailureNotice[2] calldata notices) external {
        (bytes32 job, Record storage record) = _find(terms);
        JobSlot slot = record.slot;
        JobState state = slot.state();
        // An attested job has its arrow to Failed for {overturn} alone.
        if (state != JobState.Funded && state != JobState.Joined) {
            revert TransitionRefused(job, state, JobState.Failed);
        }
        uint256 first = notices[0].point;
        uint256 second = notices[1].point;
        if (first == second || first == 0 || first > 3 || second == 0 || second > 3) {
            revert PointsInvalid(first, second);
        }
        for (uint256 i; i < 2; ++i) {
            FailureNotice calldata notice = notices[i];
            bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(FAILURE_TYPE, job, notice.reason)));
            _requireSigner(job, terms, notice.point - 1, digest, notice.signature);
        }
        record.slot = slot.withState(JobState.Failed);
        emit JobFailed(job, [notices[0].reason, notices[1].reason]);
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
    function suspend(bytes32 job, Outcome calldata outcome) external {
        if (msg.sender != disputes) revert NotDisputes(msg.sender);
        Record storage record = _jobs[job];
        JobSlot slot = record.slot;
        _requireArrow(job, slot.state(), JobState.Disputed);
        if (block.timestamp > slot.windowEndSec()) revert WindowClosed(job, slot.windowEndSec());
        _requireOutcome(job, record, outcome);
        record.slot = slot.withState(JobState.Disputed);
        emit JobDisputed(job);
    }

    /// @inheritdoc IJobEscrow
    function overturn(bytes32 job, Outcome calldata outcome) external {
        if (msg.sender != disputes) revert NotDisputes(msg.sender);
        Record storage record = _jobs[job];
        JobSlot slot = record.slot;
        JobState state = slot.state();
        if (state != JobState.Attested && state != JobState.Disputed) {
            revert TransitionRefused(job, state, JobState.Failed);
        }
        _requireOutcome(job, record, outcome);
        record.slot = slot.withState(JobState.Failed).withClaim(slot.unclaimed());
        emit JobOverturned(job);
    }

    /// @inheritdoc IJobEscrow
    function quote(JobRequest calldata request) external view returns (uint256 amount) {
        (bytes32 operatorSet,, uint256 fees) =
            operatorRegistry.quoteSet(request.members, request.algorithm, request.token);
        (, uint256 prices) = _quote(_facts(msg.sender, operatorSet, request), request.offers);
        return fees + prices;
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

    /// @inheritdoc IJobEscrow
    function attestationDigest(Attestation calldata attestation) external view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(ATTESTATION_TYPE, attestation)));
    }

    /// @inheritdoc IJobEscrow
    function transitionAllowed(JobState from, JobState to) external pure returns (bool) {
        return JobStates.allowed(from, to);
    }

    function _createJob(JobRequest calldata request) private nonReentrant returns (bytes32 job, uint256 amount) {
        uint256 earliestSec = block.timestamp + MIN_DURATION_SEC;
        uint256 latestSec = block.timestamp + MAX_DURATION_SEC;
        if (request.deadlineSec < earliestSec || request.deadlineSec > latestSec) {
            revert DeadlineOutOfRange(request.deadlineSec, earliestSec, latestSec);
        }
        (bytes32 operatorSet, address[3] memory signers, uint256 fees) =
            operatorRegistry.quoteSet(request.members, request.algorithm, request.token);
        bytes32[] memory dataRoots;
        (dataRoots, amount) = _reserve(_facts(msg.sender, operatorSet, request), request.offers);
        amount += fees;
        if (amount > type(uint96).max) revert AmountTooLarge(amount);

        bytes32 specHash = MarketHashes.spec(
            JobSpec({
                operatorSet: operatorSet,
                algorithm: request.algorithm,
                resultKey: request.resultKey,
                microRho: request.microRho,
                purpose: request.purpose,
                specBytesHash: keccak256(request.spec),
                dataRoots: dataRoots
            })
        );
        job = keccak256(abi.encode(msg.sender, request.token, amount, request.deadlineSec, specHash, signers));
        Record storage record = _jobs[job];
        _requireArrow(job, record.slot.state(), JobState.Funded);
        record.slot = JobSlots.funded();
        _tellVouched(job, msg.sender, request.offers);
        emit JobFunded(
            job,
            msg.sender,
            operatorSet,
            request.algorithm,
            request.deadlineSec,
            request.resultKey,
            request.microRho,
            request.purpose,
            request.token,
            amount,
            signers,
            dataRoots,
            request.spec
        );
        Payments.collect(request.token, amount);
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

    function _facts(address buyer, bytes32 operatorSet, JobRequest calldata request)
        private
        pure
        returns (JobFacts memory)
    {
        return JobFacts({
            buyer: buyer,
            operatorSet: operatorSet,
            algorithm: request.algorithm,
            token: request.token,
            microRho: request.microRho,
            purpose: request.purpose
        });
    }

    function _find(JobTerms calldata terms) private view returns (bytes32 job, Record storage record) {
        job = MarketHashes.job(terms);
        record = _jobs[job];
    }

    function _requireOutcome(bytes32 job, Record storage record, Outcome calldata outcome) private view {
        if (record.outcomeHash != MarketHashes.outcome(outcome)) revert OutcomeMismatch(job);
    }

    /// @dev What was posted in answer to a challenge must have been seen, unless it is the buyer who settles.
    function _requireAnswered(bytes32 job, address buyer) private view {
        uint256 heldUntilSec = IDisputes(disputes).heldUntilSec(job);
        if (heldUntilSec == type(uint256).max) revert ChallengeOpen(job);
        if (block.timestamp <= heldUntilSec && msg.sender != buyer) revert AnswerOpen(job, heldUntilSec);
    }

    function _requireArrow(bytes32 job, JobState from, JobState to) private pure {
        if (!JobStates.allowed(from, to)) revert TransitionRefused(job, from, to);
    }

    function _requireSigned(
        bytes32 job,
        JobTerms calldata terms,
        bytes32 structHash,
        bytes32[2][3] calldata signatures
    ) private view {
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
    ) private pure {
        // A malformed signature recovers to the zero address, which is nobody's signer.
        (address recovered,,) = ECDSA.tryRecover(digest, signature[0], signature[1]);
        if (recovered == address(0) || recovered != terms.signers[index]) {
            revert SignatureInvalid(job, index + 1, terms.signers[index]);
        }
    }
}
