// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {OwnerStatus} from "../libraries/TrainingSlots.sol";
import {TrainingState} from "../libraries/TrainingStates.sol";
import {IOperatorRegistry} from "./IOperatorRegistry.sol";

/// @title Trainings in rounds of gradients
/// @notice A model owner escrows the reward of every round before the first. In each round data owners commit
/// their sealed updates; the three operators aggregate them, leave out what a robust rule rejects, and attest the
/// round together. That releases the round's money to those that they accepted: the model owner is not asked. The
/// chain keeps a hash of a training's terms; they stand in {TrainingOpened}, and calls repeat them.
interface IGradientRounds {
    /// @notice What a model owner asks for. Amounts are in the token, ETH in wei.
    struct TrainingRequest {
        /// The operators in the order of their points.
        address[3] members;
        /// Hash of the algorithm's code and manifest.
        bytes32 algorithm;
        /// An ERC-20 token; 0 for ETH.
        address token;
        /// What the accepted data owners of a round share.
        uint96 reward;
        /// What the operators share for a round. In ETH at least the fees that they ask; what is enough in a token
        /// they decide themselves, by taking part.
        uint96 fee;
        /// What a data owner pays in to take part.
        uint96 deposit;
        uint16 rounds;
        /// With fewer commitments a round is not attested.
        uint16 minOwners;
        uint16 maxOwners;
        /// How many updates of a round may be arbitrary. Krum needs 2 maxByzantine + 3 updates.
        uint16 maxByzantine;
        /// How long data owners can join and leave before each round.
        uint32 joinSec;
        /// How long they can commit; also how long after the joining a round can be started.
        uint32 commitSec;
        /// How long the operators have after the last second of committing.
        uint32 attestSec;
        /// sha256 of the share of the initial model that is sealed to each point.
        bytes32[3] modelHashes;
        /// Canonical JSON of parameters.
        bytes spec;
    }

    /// @notice What a training is bound to. The signers are those of the moment of opening.
    struct TrainingTerms {
        address modelOwner;
        address token;
        uint96 reward;
        uint96 fee;
        uint96 deposit;
        uint16 rounds;
        uint16 minOwners;
        uint16 maxOwners;
        uint16 maxByzantine;
        uint32 joinSec;
        uint32 commitSec;
        uint32 attestSec;
        /// keccak256(algorithm, operator set, commitment of the initial model, keccak256 of the specification)
        bytes32 specHash;
        address[3] signers;
    }

    /// @notice What the three operators sign about a round. EIP-712 type of the same name.
    struct RoundAttestation {
        uint256 training;
        uint256 round;
        /// The chain of commitments up to this round, 20 bytes and 12 zeros. It begins with the terms.
        bytes32 inputRoot;
        /// Commitment of the aggregated model.
        bytes32 resultRoot;
        /// Root of the Merkle tree of payouts: the accepted data owners and the operators.
        bytes32 payoutRoot;
        uint256 acceptedCount;
    }

    /// @notice One operator's word that a round failed. Signed as EIP-712
    /// RoundFailure(uint256 training,uint256 round,bytes32 reason).
    struct RoundFailure {
        uint8 point;
        bytes32 reason;
        bytes32[2] signature;
    }

    /// @notice A data owner's word, given to the operators with its shares, which update it commits. Signed as
    /// EIP-712 UpdateCommitment(uint256 training,uint256 round,bytes32 root).
    struct SignedCommitment {
        bytes32 root;
        bytes32[2] signature;
    }

    /// @notice A leaf of the Merkle tree of payouts.
    struct RoundPayout {
        uint256 index;
        address account;
        uint256 amount;
    }

    /// @notice One claim among several.
    struct RoundClaim {
        uint256 training;
        uint256 round;
        address token;
        RoundPayout payout;
        bytes32[] proof;
    }

    /// @notice What the chain keeps of a training.
    struct Training {
        TrainingState state;
        /// The round that is joined, runs, or was the last.
        uint256 round;
        uint256 owners;
        /// Commitments of this round.
        uint256 committed;
        /// Last second of joining or committing; since the end, when it was.
        uint256 phaseEndSec;
        bytes32 inputRoot;
        bytes32 termsHash;
    }

    /// @notice What the chain keeps of a data owner in a training.
    struct DataOwner {
        OwnerStatus status;
        uint256 leftAtSec;
        /// The round of its last commitment; 0 for none.
        uint256 round;
        /// Upper 192 bits of the last commitment.
        uint192 commitmentTag;
    }

    event TrainingOpened(
        uint256 indexed trainingId,
        address indexed modelOwner,
        bytes32 indexed operatorSet,
        bytes32 algorithm,
        bytes32[3] modelHashes,
        bytes spec,
        TrainingTerms terms
    );
    event OwnerJoined(uint256 indexed trainingId, address indexed owner, uint256 owners);
    event OwnerLeft(uint256 indexed trainingId, address indexed owner, uint256 withdrawableAtSec);
    event DepositWithdrawn(uint256 indexed trainingId, address indexed owner, uint256 amount);
    event RoundStarted(uint256 indexed trainingId, uint256 indexed round, uint256 owners, uint256 commitEndSec);
    event UpdateCommitted(
        uint256 indexed trainingId,
        uint256 indexed round,
        address indexed owner,
        bytes32[3] ciphertextHashes,
        bytes32 root,
        bytes32 inputRoot
    );
    event RoundAttested(
        uint256 indexed trainingId,
        uint256 indexed round,
        bytes32 inputRoot,
        bytes32 resultRoot,
        bytes32 payoutRoot,
        uint256 acceptedCount
    );
    event TrainingFinished(uint256 indexed trainingId);
    event TrainingFailed(uint256 indexed trainingId, uint256 indexed round, bytes32[2] reasons);
    event TrainingExpired(uint256 indexed trainingId, uint256 indexed round);
    event TrainingRefunded(uint256 indexed trainingId, address indexed modelOwner, uint256 amount);
    event RoundPayoutClaimed(
        uint256 indexed trainingId, uint256 indexed round, address indexed account, uint256 index, uint256 amount
    );
    /// @notice The data owner stands to two `roots` for one round; `reporter` was paid for showing it. Where the first
    /// is the one on the chain, only 24 bytes of it are left there and 8 zeros follow.
    event OwnerConvicted(
        uint256 indexed trainingId,
        address indexed owner,
        address indexed reporter,
        uint256 round,
        bytes32[2] roots,
        uint256 amount
    );
    event ForfeitPaid(uint256 indexed trainingId, address indexed owner, address indexed modelOwner, uint256 amount);
    /// @notice The operator signed two attestations, of these digests, for one round. What follows for its bond is
    /// for the registry to say.
    event OperatorConvicted(
        address indexed operator, uint256 indexed trainingId, uint256 round, address signer, bytes32[2] digests
    );

    /// @notice The table of states has no such arrow.
    error TrainingMoveRefused(uint256 trainingId, TrainingState from, TrainingState to);
    /// @notice What was asked is done in another state.
    error TrainingStateWrong(uint256 trainingId, TrainingState state, TrainingState needed);
    error TrainingTermsMismatch(uint256 trainingId);
    error RoundWrong(uint256 trainingId, uint256 round, uint256 current);
    error RoundsOutOfRange(uint256 rounds, uint256 most);
    error RewardMissing();
    error FeeTooSmall(uint256 fee, uint256 neededWei);
    /// @notice All rounds together cost more than 96 bits hold.
    error EscrowTooLarge(uint256 amount);
    /// @notice Not 2 maxByzantine + 3 <= minOwners <= maxOwners.
    error OwnerLimitsInvalid(uint256 minOwners, uint256 maxOwners, uint256 maxByzantine);
    error PhaseOutOfRange(uint256 durationSec, uint256 shortestSec, uint256 longestSec);
    error MemberConvicted(address operator);
    error TrainingFull(uint256 trainingId, uint256 maxOwners);
    /// @notice The data owner has another status than what was asked needs.
    error OwnerStatusWrong(uint256 trainingId, address owner, OwnerStatus status);
    error UpdateCommittedBefore(uint256 trainingId, address owner, uint256 round);
    /// @notice Fewer data owners joined, or committed, than the round needs.
    error OwnersTooFew(uint256 trainingId, uint256 owners, uint256 minOwners);
    error PhaseOpen(uint256 trainingId, uint256 phaseEndSec);
    error PhaseOver(uint256 trainingId, uint256 phaseEndSec);
    error DepositLocked(uint256 trainingId, address owner, uint256 untilSec);
    /// @notice The attestation is about other commitments than those on the chain.
    error InputRootMismatch(uint256 trainingId, bytes32 attested, bytes32 committed);
    error AcceptedCountInvalid(uint256 trainingId, uint256 acceptedCount, uint256 committed);
    error RoundSignatureInvalid(uint256 trainingId, uint256 point, address expected);
    error NoticePointsInvalid(uint256 first, uint256 second);
    error RoundAlreadyClaimed(uint256 trainingId, uint256 round, uint256 index);
    error RoundProofInvalid(uint256 trainingId, uint256 round, uint256 index);
    /// @notice The payouts add up to more than the round holds.
    error RoundClaimTooLarge(uint256 trainingId, uint256 round, uint256 amount, uint256 unclaimed);
    /// @notice Two statements that are the same, or not about one training and round, convict nobody.
    error NoContradiction();
    error OwnerSignatureInvalid(uint256 trainingId, address owner);
    error NotAnOperator(address signer);
    error ConvictedBefore(address operator);

    /// @notice Opens a training and escrows rounds x (reward + fee).
    /// @return trainingId Counted from 1.
    function open(TrainingRequest calldata request) external payable returns (uint256 trainingId);

    /// @notice The caller joins as a data owner and pays the deposit, before the first round or between rounds. An
    /// account joins a training once.
    function join(uint256 trainingId, TrainingTerms calldata terms) external payable;

    /// @notice The caller leaves: between rounds, or in a round to which it has committed nothing.
    function leaveTraining(uint256 trainingId) external;

    /// @notice Pays a data owner its deposit back, `evidenceSec` after it left or the training ended; anyone may.
    function withdraw(uint256 trainingId, TrainingTerms calldata terms, address owner) external;

    /// @notice Starts a round after the time to join, or at once when there is no room for more; anyone may.
    function startRound(uint256 trainingId, TrainingTerms calldata terms) external;

    /// @notice Commits the caller's update of the round.
    /// @param round The round that it is for, lest a late transaction falls into the next.
    /// @param ciphertextHashes sha256 of the share that is sealed to each point.
    function commit(uint256 trainingId, uint256 round, bytes32[3] calldata ciphertextHashes) external;

    /// @notice Takes the round that all three operators signed, when everyone has committed or the time is over, and
    /// releases its money to the payouts.
    /// @param signatures Over the EIP-712 struct, by point, compact (EIP-2098).
    function attest(
        TrainingTerms calldata terms,
        RoundAttestation calldata attestation,
        bytes32[2][3] calldata signatures
    ) external;

    /// @notice Ends a training by the failure notices of two operators about the present round.
    function fail(uint256 trainingId, TrainingTerms calldata terms, RoundFailure[2] calldata notices) external;

    /// @notice Ends a training that has too few data owners or whose time is over; anyone may.
    function expire(uint256 trainingId, TrainingTerms calldata terms) external;

    /// @notice Pays the model owner of a failed or expired training what the rounds that were not attested would
    /// have cost; anyone may.
    function refund(uint256 trainingId, TrainingTerms calldata terms) external;

    /// @notice Pays one payout of an attested round to its account; anyone may.
    function claim(RoundClaim calldata claim_) external;

    /// @notice Pays several payouts, also of several trainings. One that fails reverts all.
    function claimMany(RoundClaim[] calldata claims) external;

    /// @notice Convicts a data owner that signed two updates for one round: half of its deposit goes to the caller,
    /// half to the model owner. Nothing else costs a deposit: that a ciphertext does not fit its commitment, or that
    /// an update is poisoned, cannot be shown to a contract, and a false accusation would cost the same. Who has
    /// committed to the round that runs is convicted when the round is over.
    function convictOwner(
        uint256 trainingId,
        TrainingTerms calldata terms,
        address owner,
        uint256 round,
        SignedCommitment[2] calldata commitments
    ) external;

    /// @notice The same for one that signed another update than its last on the chain, for the same round.
    function convictCommitter(
        uint256 trainingId,
        TrainingTerms calldata terms,
        address owner,
        SignedCommitment calldata signed
    ) external;

    /// @notice Pays the model owner the other half of a convicted data owner's deposit; anyone may.
    function payForfeit(uint256 trainingId, TrainingTerms calldata terms, address owner) external;

    /// @notice Convicts an operator by two different attestations of one round that one key of it signed.
    function convictOperator(
        RoundAttestation[2] calldata attestations,
        bytes32[2][2] calldata signatures
    ) external;

    function training(uint256 trainingId) external view returns (Training memory);

    function dataOwner(uint256 trainingId, address owner) external view returns (DataOwner memory);

    /// @notice What is not yet paid out of a round, and keccak256(payoutRoot, token); 0 before the attestation.
    function roundPurse(uint256 trainingId, uint256 round)
        external
        view
        returns (uint256 unclaimed, bytes32 outcomeHash);

    function isClaimed(uint256 trainingId, uint256 round, uint256 index) external view returns (bool);

    /// @notice Whether an operator was convicted here. It is then refused for new trainings.
    function convicted(address operator) external view returns (bool);

    /// @notice The table of states: whether a training may go from `from` to `to`.
    function transitionAllowed(TrainingState from, TrainingState to) external pure returns (bool);

    function trainingCount() external view returns (uint256);

    /// @notice How long a deposit stays after its owner left or the training ended.
    function evidenceSec() external view returns (uint256);

    function operatorRegistry() external view returns (IOperatorRegistry);
}
