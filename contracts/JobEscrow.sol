// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {JobLedger} from "./JobLedger.sol";
import {JobSlot, JobSlots} from "./libraries/JobSlots.sol";
import {JobState, JobStates} from "./libraries/JobStates.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";
import {Payments} from "./libraries/Payments.sol";

/// @title Escrow of jobs
/// @notice The steps of a job on the way to its end; what it holds then, and who gets it, is in {JobLedger}.
contract JobEscrow is JobLedger {
    bytes32 private constant JOIN_TYPE = keccak256("Join(bytes32 job)");
    bytes32 private constant FAILURE_TYPE = keccak256("Failure(bytes32 job,bytes32 reason)");
    bytes32 private constant ATTESTATION_TYPE =
        keccak256("Attestation(bytes32 job,bytes32 resultRoot,bytes32 payoutRoot,uint256 budgetSpent)");

    /// @dev A deadline nearer than a minute could pass before the job is in a block.
    uint256 private constant MIN_DURATION_SEC = 60;
    uint256 private constant MAX_DURATION_SEC = 30 days;

    /// @param disputes_ Deployed after this, so its address is computed before.
    constructor(IOperatorRegistry operatorRegistry_, address disputes_, uint32 challengeWindowSec_, uint32 graceSec_)
        JobLedger(operatorRegistry_, disputes_, challengeWindowSec_, graceSec_)
    {}

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
}
