// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TrainingLedger} from "./TrainingLedger.sol";
import {IGradientRounds} from "./interfaces/IGradientRounds.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";
import {Payments} from "./libraries/Payments.sol";
import {TrainingHashes} from "./libraries/TrainingHashes.sol";
import {OwnerSlot, OwnerStatus, PurseSlots, TrainingSlot, TrainingSlots} from "./libraries/TrainingSlots.sol";
import {TrainingState} from "./libraries/TrainingStates.sol";

/// @title Trainings in rounds of gradients
/// @dev The contract has no owner. What a training holds follows from its slots: the rounds that are not attested,
/// the purses of those that are, and a deposit for each data owner that has not drawn or lost it. Money moves after
/// the state is written, and under the guard.
contract GradientRounds is TrainingLedger {
    bytes32 private constant FAILURE_TYPE = keccak256("RoundFailure(uint256 training,uint256 round,bytes32 reason)");

    /// @dev A shorter phase could pass before a transaction is in a block.
    uint256 private constant SHORTEST_SEC = 60;
    uint256 private constant LONGEST_SEC = 30 days;
    /// @dev The number of the round after the last must still fit into its 16 bits.
    uint256 private constant MOST_ROUNDS = type(uint16).max - 1;

    constructor(IOperatorRegistry operatorRegistry_, uint32 evidenceSec_)
        TrainingLedger(operatorRegistry_, evidenceSec_)
    {}

    // ---- opening -----------------------------------------------------------------------------------

    /// @inheritdoc IGradientRounds
    function open(TrainingRequest calldata request) external payable nonReentrant returns (uint256 trainingId) {
        TrainingTerms memory terms = _termsOf(request);
        bytes32 termsHash = keccak256(abi.encode(terms));
        trainingId = ++trainingCount;
        _requireMove(trainingId, TrainingState.None, TrainingState.Joining);
        _terms[trainingId] = termsHash;
        _slots[trainingId] = TrainingSlots.opened(bytes20(termsHash), block.timestamp + request.joinSec);
        emit TrainingOpened(
            trainingId,
            msg.sender,
            MarketHashes.operatorSet(request.members),
            request.algorithm,
            request.modelHashes,
            request.spec,
            terms
        );
        uint256 amount = (uint256(request.reward) + request.fee) * request.rounds;
        if (amount > type(uint96).max) revert EscrowTooLarge(amount);
        Payments.collect(request.token, amount);
    }

    // ---- data owners -------------------------------------------------------------------------------

    /// @inheritdoc IGradientRounds
    function join(uint256 trainingId, TrainingTerms calldata terms) external payable nonReentrant {
        TrainingSlot slot = _inState(trainingId, TrainingState.Joining);
        _requireTerms(trainingId, terms);
        if (block.timestamp > slot.phaseEndSec()) revert PhaseOver(trainingId, slot.phaseEndSec());
        if (slot.owners() >= terms.maxOwners) revert TrainingFull(trainingId, terms.maxOwners);
        OwnerSlot owner = _owners[trainingId][msg.sender];
        if (owner.status() != OwnerStatus.None) revert OwnerStatusWrong(trainingId, msg.sender, owner.status());
        slot = slot.withJoined();
        _slots[trainingId] = slot;
        _owners[trainingId][msg.sender] = owner.withStatus(OwnerStatus.Joined);
        emit OwnerJoined(trainingId, msg.sender, slot.owners());
        Payments.collect(terms.token, terms.deposit);
    }

    /// @inheritdoc IGradientRounds
    function leaveTraining(uint256 trainingId) external {
        TrainingSlot slot = _slots[trainingId];
        OwnerSlot owner = _withStatus(trainingId, msg.sender, OwnerStatus.Joined);
        TrainingState state = slot.state();
        // Who has committed is counted until the round is over.
        if (_hasCommitted(slot, owner)) revert UpdateCommittedBefore(trainingId, msg.sender, slot.round());
        // After the end there is nothing to leave.
        if (!_running(state)) revert TrainingStateWrong(trainingId, state, TrainingState.Joining);
        _slots[trainingId] = slot.withoutOwner();
        _owners[trainingId][msg.sender] = owner.left(block.timestamp);
        emit OwnerLeft(trainingId, msg.sender, block.timestamp + evidenceSec);
    }

    /// @inheritdoc IGradientRounds
    function withdraw(uint256 trainingId, TrainingTerms calldata terms, address owner) external nonReentrant {
        _requireTerms(trainingId, terms);
        OwnerSlot record = _owners[trainingId][owner];
        OwnerStatus status = record.status();
        uint256 sinceSec = record.leftAtSec();
        if (status == OwnerStatus.Joined) {
            TrainingSlot slot = _slots[trainingId];
            if (_running(slot.state())) revert DepositLocked(trainingId, owner, type(uint256).max);
            sinceSec = slot.phaseEndSec();
        } else if (status != OwnerStatus.Left) {
            revert OwnerStatusWrong(trainingId, owner, status);
        }
        uint256 untilSec = sinceSec + evidenceSec;
        if (block.timestamp <= untilSec) revert DepositLocked(trainingId, owner, untilSec);
        _owners[trainingId][owner] = record.withStatus(OwnerStatus.Withdrawn);
        emit DepositWithdrawn(trainingId, owner, terms.deposit);
        Payments.pay(terms.token, owner, terms.deposit);
    }

    /// @inheritdoc IGradientRounds
    function commit(uint256 trainingId, uint256 round, bytes32[3] calldata ciphertextHashes) external {
        TrainingSlot slot = _inState(trainingId, TrainingState.Committing);
        if (round != slot.round()) revert RoundWrong(trainingId, round, slot.round());
        if (block.timestamp > slot.phaseEndSec()) revert PhaseOver(trainingId, slot.phaseEndSec());
        OwnerSlot owner = _withStatus(trainingId, msg.sender, OwnerStatus.Joined);
        if (owner.round() == round) revert UpdateCommittedBefore(trainingId, msg.sender, round);
        bytes32 root = TrainingHashes.commitment(trainingId, round, msg.sender, ciphertextHashes);
        bytes20 chain = TrainingHashes.link(slot.inputChain(), root);
        _slots[trainingId] = slot.withCommitment(chain);
        _owners[trainingId][msg.sender] = owner.withCommitment(round, root);
        emit UpdateCommitted(trainingId, round, msg.sender, ciphertextHashes, root, chain);
    }

    // ---- rounds ------------------------------------------------------------------------------------

    /// @inheritdoc IGradientRounds
    function startRound(uint256 trainingId, TrainingTerms calldata terms) external {
        TrainingSlot slot = _slots[trainingId];
        _requireMove(trainingId, slot.state(), TrainingState.Committing);
        _requireTerms(trainingId, terms);
        uint256 joinEndSec = slot.phaseEndSec();
        uint256 owners = slot.owners();
        if (owners < terms.minOwners) revert OwnersTooFew(trainingId, owners, terms.minOwners);
        // Nobody can join a full training, and who wants to leave still can until it commits.
        if (block.timestamp <= joinEndSec && owners < terms.maxOwners) revert PhaseOpen(trainingId, joinEndSec);
        if (block.timestamp > joinEndSec + terms.commitSec) revert PhaseOver(trainingId, joinEndSec + terms.commitSec);
        uint256 commitEndSec = block.timestamp + terms.commitSec;
        _slots[trainingId] = slot.moved(TrainingState.Committing, commitEndSec);
        emit RoundStarted(trainingId, slot.round(), owners, commitEndSec);
    }

    /// @inheritdoc IGradientRounds
    function attest(
        TrainingTerms calldata terms,
        RoundAttestation calldata attestation,
        bytes32[2][3] calldata signatures
    ) external {
        uint256 trainingId = attestation.training;
        TrainingSlot slot = _inState(trainingId, TrainingState.Committing);
        _requireTerms(trainingId, terms);
        _requireAttestable(trainingId, slot, terms, attestation);
        bytes32 digest = _hashTypedDataV4(TrainingHashes.attestation(ATTESTATION_TYPE, attestation));
        for (uint256 i; i < 3; ++i) {
            _requireSigner(trainingId, terms, i, digest, signatures[i]);
        }
        uint256 round = attestation.round;
        if (round == terms.rounds) {
            _requireMove(trainingId, TrainingState.Committing, TrainingState.Finished);
            _slots[trainingId] = slot.moved(TrainingState.Finished, block.timestamp);
        } else {
            _requireMove(trainingId, TrainingState.Committing, TrainingState.Joining);
            _slots[trainingId] =
                slot.moved(TrainingState.Joining, block.timestamp + terms.joinSec).inNextRound();
        }
        _rounds[trainingId][round] = Round(
            TrainingHashes.outcome(attestation.payoutRoot, terms.token), PurseSlots.filled(terms.reward + terms.fee)
        );
        emit RoundAttested(
            trainingId,
            round,
            attestation.inputRoot,
            attestation.resultRoot,
            attestation.payoutRoot,
            attestation.acceptedCount
        );
        if (round == terms.rounds) emit TrainingFinished(trainingId);
    }

    /// @inheritdoc IGradientRounds
    function fail(uint256 trainingId, TrainingTerms calldata terms, RoundFailure[2] calldata notices) external {
        TrainingSlot slot = _slots[trainingId];
        _requireMove(trainingId, slot.state(), TrainingState.Failed);
        _requireTerms(trainingId, terms);
        uint256 first = notices[0].point;
        uint256 second = notices[1].point;
        if (first == second || first == 0 || first > 3 || second == 0 || second > 3) {
            revert NoticePointsInvalid(first, second);
        }
        for (uint256 i; i < 2; ++i) {
            RoundFailure calldata notice = notices[i];
            bytes32 digest =
                _hashTypedDataV4(keccak256(abi.encode(FAILURE_TYPE, trainingId, slot.round(), notice.reason)));
            _requireSigner(trainingId, terms, notice.point - 1, digest, notice.signature);
        }
        _slots[trainingId] = slot.moved(TrainingState.Failed, block.timestamp);
        emit TrainingFailed(trainingId, slot.round(), [notices[0].reason, notices[1].reason]);
    }

    /// @inheritdoc IGradientRounds
    function expire(uint256 trainingId, TrainingTerms calldata terms) external {
        TrainingSlot slot = _slots[trainingId];
        _requireMove(trainingId, slot.state(), TrainingState.Expired);
        _requireTerms(trainingId, terms);
        bool joining = slot.state() == TrainingState.Joining;
        uint256 lastSec = slot.phaseEndSec();
        // With too few nobody could go on; otherwise someone still has time to.
        if ((joining ? slot.owners() : slot.committed()) >= terms.minOwners) {
            lastSec += joining ? terms.commitSec : terms.attestSec;
        }
        if (block.timestamp <= lastSec) revert PhaseOpen(trainingId, lastSec);
        _slots[trainingId] = slot.moved(TrainingState.Expired, block.timestamp);
        emit TrainingExpired(trainingId, slot.round());
    }

    /// @inheritdoc IGradientRounds
    function refund(uint256 trainingId, TrainingTerms calldata terms) external nonReentrant {
        TrainingSlot slot = _slots[trainingId];
        _requireMove(trainingId, slot.state(), TrainingState.Refunded);
        _requireTerms(trainingId, terms);
        // The slot's round is the first that was not attested. The time of the end stays, for the deposits.
        uint256 amount = (uint256(terms.reward) + terms.fee) * (terms.rounds - slot.round() + 1);
        _slots[trainingId] = slot.moved(TrainingState.Refunded, slot.phaseEndSec());
        emit TrainingRefunded(trainingId, terms.modelOwner, amount);
        Payments.pay(terms.token, terms.modelOwner, amount);
    }

    // ---- inside -------------------------------------------------------------------------------------

    function _termsOf(TrainingRequest calldata request) private view returns (TrainingTerms memory terms) {
        if (request.rounds == 0 || request.rounds > MOST_ROUNDS) revert RoundsOutOfRange(request.rounds, MOST_ROUNDS);
        if (request.reward == 0) revert RewardMissing();
        // Krum scores an update by its n - f - 2 nearest others, which must outnumber the arbitrary ones.
        if (request.minOwners < 2 * uint256(request.maxByzantine) + 3 || request.maxOwners < request.minOwners) {
            revert OwnerLimitsInvalid(request.minOwners, request.maxOwners, request.maxByzantine);
        }
        _requireDuration(request.joinSec);
        _requireDuration(request.commitSec);
        _requireDuration(request.attestSec);
        for (uint256 i; i < 3; ++i) {
            if (convicted[request.members[i]]) revert MemberConvicted(request.members[i]);
        }
        (bytes32 operatorSet, address[3] memory signers, uint256 fees) =
            operatorRegistry.quoteSet(request.members, request.algorithm, request.token);
        if (request.fee < fees) revert FeeTooSmall(request.fee, fees);
        terms.modelOwner = msg.sender;
        terms.token = request.token;
        terms.reward = request.reward;
        terms.fee = request.fee;
        terms.deposit = request.deposit;
        terms.rounds = request.rounds;
        terms.minOwners = request.minOwners;
        terms.maxOwners = request.maxOwners;
        terms.maxByzantine = request.maxByzantine;
        terms.joinSec = request.joinSec;
        terms.commitSec = request.commitSec;
        terms.attestSec = request.attestSec;
        terms.specHash = TrainingHashes.spec(
            request.algorithm,
            operatorSet,
            TrainingHashes.commitment(0, 0, msg.sender, request.modelHashes),
            request.spec
        );
        terms.signers = signers;
    }

    function _requireAttestable(
        uint256 trainingId,
        TrainingSlot slot,
        TrainingTerms calldata terms,
        RoundAttestation calldata attestation
    ) private view {
        uint256 committed = slot.committed();
        uint256 commitEndSec = slot.phaseEndSec();
        uint256 lastSec = commitEndSec + terms.attestSec;
        if (attestation.round != slot.round()) revert RoundWrong(trainingId, attestation.round, slot.round());
        if (committed < terms.minOwners) revert OwnersTooFew(trainingId, committed, terms.minOwners);
        if (block.timestamp <= commitEndSec && committed < slot.owners()) revert PhaseOpen(trainingId, commitEndSec);
        if (block.timestamp > lastSec) revert PhaseOver(trainingId, lastSec);
        if (attestation.inputRoot != slot.inputChain()) {
            revert InputRootMismatch(trainingId, attestation.inputRoot, slot.inputChain());
        }
        if (attestation.acceptedCount == 0 || attestation.acceptedCount > committed) {
            revert AcceptedCountInvalid(trainingId, attestation.acceptedCount, committed);
        }
    }

    function _requireDuration(uint256 durationSec) private pure {
        if (durationSec < SHORTEST_SEC || durationSec > LONGEST_SEC) {
            revert PhaseOutOfRange(durationSec, SHORTEST_SEC, LONGEST_SEC);
        }
    }
}
