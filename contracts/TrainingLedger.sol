// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IGradientRounds} from "./interfaces/IGradientRounds.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {Payments} from "./libraries/Payments.sol";
import {TrainingHashes} from "./libraries/TrainingHashes.sol";
import {OwnerSlot, OwnerSlots, OwnerStatus, PurseSlot, PurseSlots, TrainingSlot} from "./libraries/TrainingSlots.sol";
import {TrainingState, TrainingStates} from "./libraries/TrainingStates.sol";

/// @title What trainings hold, and how it leaves by claims and convictions
/// @notice The steps of a training are in {GradientRounds}, which is this contract's only heir.
abstract contract TrainingLedger is IGradientRounds, EIP712, ReentrancyGuardTransient {
    bytes32 internal constant ATTESTATION_TYPE = keccak256(
        "RoundAttestation(uint256 training,uint256 round,bytes32 inputRoot,bytes32 resultRoot,bytes32 payoutRoot,uint256 acceptedCount)"
    );
    bytes32 private constant COMMITMENT_TYPE =
        keccak256("UpdateCommitment(uint256 training,uint256 round,bytes32 root)");

    /// @inheritdoc IGradientRounds
    IOperatorRegistry public immutable operatorRegistry;
    /// @inheritdoc IGradientRounds
    uint256 public immutable evidenceSec;
    /// @inheritdoc IGradientRounds
    uint256 public trainingCount;
    /// @inheritdoc IGradientRounds
    mapping(address operator => bool) public convicted;

    struct Round {
        /// keccak256(payoutRoot, token) since the attestation.
        bytes32 outcomeHash;
        PurseSlot purse;
    }

    mapping(uint256 trainingId => TrainingSlot) internal _slots;
    /// @dev Whole, not a tag: who opens a training could look for two terms with one tag, and be refunded by others.
    mapping(uint256 trainingId => bytes32) internal _terms;
    mapping(uint256 trainingId => mapping(address owner => OwnerSlot)) internal _owners;
    mapping(uint256 trainingId => mapping(uint256 round => Round)) internal _rounds;
    /// @dev Bitmap of claimed payouts whose index has no bit in the purse.
    mapping(uint256 trainingId => mapping(uint256 round => mapping(uint256 word => uint256))) private _claimed;

    constructor(IOperatorRegistry operatorRegistry_, uint32 evidenceSec_) EIP712("Symbolon", "1") {
        operatorRegistry = operatorRegistry_;
        evidenceSec = evidenceSec_;
    }

    // ---- claims -------------------------------------------------------------------------------------

    /// @inheritdoc IGradientRounds
    function claim(RoundClaim calldata claim_) external nonReentrant {
        _claim(claim_);
    }

    /// @inheritdoc IGradientRounds
    function claimMany(RoundClaim[] calldata claims) external nonReentrant {
        for (uint256 i; i < claims.length; ++i) {
            _claim(claims[i]);
        }
    }

    // ---- convictions -------------------------------------------------------------------------------

    /// @inheritdoc IGradientRounds
    function convictOwner(
        uint256 trainingId,
        TrainingTerms calldata terms,
        address owner,
        uint256 round,
        SignedCommitment[2] calldata commitments
    ) external nonReentrant {
        if (commitments[0].root == commitments[1].root) revert NoContradiction();
        for (uint256 i; i < 2; ++i) {
            _requireOwnerSigned(trainingId, owner, round, commitments[i]);
        }
        _convict(trainingId, terms, owner, round, [commitments[0].root, commitments[1].root]);
    }

    /// @inheritdoc IGradientRounds
    function convictCommitter(
        uint256 trainingId,
        TrainingTerms calldata terms,
        address owner,
        SignedCommitment calldata signed
    ) external nonReentrant {
        OwnerSlot record = _owners[trainingId][owner];
        uint192 tag = record.commitmentTag();
        if (record.round() == 0 || OwnerSlots.tagOf(signed.root) == tag) revert NoContradiction();
        _requireOwnerSigned(trainingId, owner, record.round(), signed);
        _convict(trainingId, terms, owner, record.round(), [bytes32(bytes24(tag)), signed.root]);
    }

    /// @inheritdoc IGradientRounds
    function payForfeit(uint256 trainingId, TrainingTerms calldata terms, address owner) external nonReentrant {
        _requireTerms(trainingId, terms);
        OwnerSlot record = _withStatus(trainingId, owner, OwnerStatus.Convicted);
        uint256 amount = terms.deposit - terms.deposit / 2;
        _owners[trainingId][owner] = record.withStatus(OwnerStatus.Forfeited);
        emit ForfeitPaid(trainingId, owner, terms.modelOwner, amount);
        Payments.pay(terms.token, terms.modelOwner, amount);
    }

    /// @inheritdoc IGradientRounds
    function convictOperator(RoundAttestation[2] calldata attestations, bytes32[2][2] calldata signatures) external {
        RoundAttestation calldata first = attestations[0];
        bytes32[2] memory digests = [
            _hashTypedDataV4(TrainingHashes.attestation(ATTESTATION_TYPE, first)),
            _hashTypedDataV4(TrainingHashes.attestation(ATTESTATION_TYPE, attestations[1]))
        ];
        if (
            first.training != attestations[1].training || first.round != attestations[1].round
                || digests[0] == digests[1]
        ) revert NoContradiction();
        (address signer,,) = ECDSA.tryRecover(digests[0], signatures[0][0], signatures[0][1]);
        (address other,,) = ECDSA.tryRecover(digests[1], signatures[1][0], signatures[1][1]);
        address operator = operatorRegistry.operatorOf(signer);
        if (signer != other || operator == address(0)) revert NotAnOperator(signer);
        if (convicted[operator]) revert ConvictedBefore(operator);
        convicted[operator] = true;
        emit OperatorConvicted(operator, first.training, first.round, signer, digests);
    }

    // ---- views -------------------------------------------------------------------------------------

    /// @inheritdoc IGradientRounds
    function training(uint256 trainingId) external view returns (Training memory) {
        TrainingSlot slot = _slots[trainingId];
        return Training({
            state: slot.state(),
            round: slot.round(),
            owners: slot.owners(),
            committed: slot.committed(),
            phaseEndSec: slot.phaseEndSec(),
            inputRoot: slot.inputChain(),
            termsHash: _terms[trainingId]
        });
    }

    /// @inheritdoc IGradientRounds
    function dataOwner(uint256 trainingId, address owner) external view returns (DataOwner memory) {
        OwnerSlot slot = _owners[trainingId][owner];
        return DataOwner(slot.status(), slot.leftAtSec(), slot.round(), slot.commitmentTag());
    }

    /// @inheritdoc IGradientRounds
    function roundPurse(uint256 trainingId, uint256 round)
        external
        view
        returns (uint256 unclaimed, bytes32 outcomeHash)
    {
        Round storage record = _rounds[trainingId][round];
        return (record.purse.unclaimed(), record.outcomeHash);
    }

    /// @inheritdoc IGradientRounds
    function isClaimed(uint256 trainingId, uint256 round, uint256 index) external view returns (bool) {
        if (index < PurseSlots.INLINE_CLAIMS) return _rounds[trainingId][round].purse.isClaimed(index);
        return (_claimed[trainingId][round][index >> 8] >> (index & 0xff)) & 1 == 1;
    }

    /// @inheritdoc IGradientRounds
    function transitionAllowed(TrainingState from, TrainingState to) external pure returns (bool) {
        return TrainingStates.allowed(from, to);
    }

    // ---- inside -------------------------------------------------------------------------------------

    function _claim(RoundClaim calldata claim_) private {
        uint256 trainingId = claim_.training;
        uint256 round = claim_.round;
        RoundPayout calldata payout = claim_.payout;
        uint256 index = payout.index;
        Round storage record = _rounds[trainingId][round];
        bytes32 root = MerkleProof.processProofCalldata(claim_.proof, TrainingHashes.payoutLeaf(payout));
        // A round that was not attested has no outcome, and no hash is zero.
        if (record.outcomeHash != TrainingHashes.outcome(root, claim_.token)) {
            revert RoundProofInvalid(trainingId, round, index);
        }
        PurseSlot purse = record.purse;
        if (index < PurseSlots.INLINE_CLAIMS) {
            if (purse.isClaimed(index)) revert RoundAlreadyClaimed(trainingId, round, index);
            purse = purse.withClaimed(index);
        } else {
            uint256 word = _claimed[trainingId][round][index >> 8];
            uint256 bit = 1 << (index & 0xff);
            if (word & bit != 0) revert RoundAlreadyClaimed(trainingId, round, index);
            _claimed[trainingId][round][index >> 8] = word | bit;
        }
        uint256 amount = payout.amount;
        if (amount > purse.unclaimed()) revert RoundClaimTooLarge(trainingId, round, amount, purse.unclaimed());
        record.purse = purse.withClaim(amount);
        emit RoundPayoutClaimed(trainingId, round, payout.account, index, amount);
        Payments.pay(claim_.token, payout.account, amount);
    }

    /// @dev Takes a data owner out and pays the caller half of its deposit.
    function _convict(
        uint256 trainingId,
        TrainingTerms calldata terms,
        address owner,
        uint256 round,
        bytes32[2] memory roots
    ) private {
        _requireTerms(trainingId, terms);
        OwnerSlot record = _owners[trainingId][owner];
        OwnerStatus status = record.status();
        if (status != OwnerStatus.Joined && status != OwnerStatus.Left) {
            revert OwnerStatusWrong(trainingId, owner, status);
        }
        TrainingSlot slot = _slots[trainingId];
        if (status == OwnerStatus.Joined && _running(slot.state())) {
            // Otherwise a data owner could report itself to undo a round that the operators are about to attest. It
            // cannot leave before the round is over either, so the evidence keeps.
            if (_hasCommitted(slot, record)) revert UpdateCommittedBefore(trainingId, owner, slot.round());
            _slots[trainingId] = slot.withoutOwner();
        }
        _owners[trainingId][owner] = record.withStatus(OwnerStatus.Convicted);
        uint256 amount = terms.deposit / 2;
        emit OwnerConvicted(trainingId, owner, msg.sender, round, roots, amount);
        Payments.pay(terms.token, msg.sender, amount);
    }

    function _requireOwnerSigned(
        uint256 trainingId,
        address owner,
        uint256 round,
        SignedCommitment calldata signed
    ) private view {
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(COMMITMENT_TYPE, trainingId, round, signed.root)));
        if (!_isSigner(owner, digest, signed.signature)) revert OwnerSignatureInvalid(trainingId, owner);
    }

    /// @dev Whether a joined data owner has committed to the round that runs.
    function _hasCommitted(TrainingSlot slot, OwnerSlot owner) internal pure returns (bool) {
        return slot.state() == TrainingState.Committing && owner.round() == slot.round();
    }

    function _running(TrainingState state) internal pure returns (bool) {
        return state == TrainingState.Joining || state == TrainingState.Committing;
    }

    function _inState(uint256 trainingId, TrainingState needed) internal view returns (TrainingSlot slot) {
        slot = _slots[trainingId];
        if (slot.state() != needed) revert TrainingStateWrong(trainingId, slot.state(), needed);
    }

    function _withStatus(uint256 trainingId, address owner, OwnerStatus needed)
        internal
        view
        returns (OwnerSlot slot)
    {
        slot = _owners[trainingId][owner];
        if (slot.status() != needed) revert OwnerStatusWrong(trainingId, owner, slot.status());
    }

    function _requireTerms(uint256 trainingId, TrainingTerms calldata terms) internal view {
        if (_terms[trainingId] != TrainingHashes.terms(terms)) revert TrainingTermsMismatch(trainingId);
    }

    function _requireMove(uint256 trainingId, TrainingState from, TrainingState to) internal pure {
        if (!TrainingStates.allowed(from, to)) revert TrainingMoveRefused(trainingId, from, to);
    }

    function _requireSigner(
        uint256 trainingId,
        TrainingTerms calldata terms,
        uint256 index,
        bytes32 digest,
        bytes32[2] calldata signature
    ) internal pure {
        address expected = terms.signers[index];
        if (!_isSigner(expected, digest, signature)) revert RoundSignatureInvalid(trainingId, index + 1, expected);
    }

    /// @dev A malformed signature recovers to the zero address, which is nobody's signer.
    function _isSigner(address expected, bytes32 digest, bytes32[2] calldata signature) internal pure returns (bool) {
        (address recovered,,) = ECDSA.tryRecover(digest, signature[0], signature[1]);
        return recovered != address(0) && recovered == expected;
    }
}
