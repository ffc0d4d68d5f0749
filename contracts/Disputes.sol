// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {IDisputes} from "./interfaces/IDisputes.sol";
import {IJobEscrow} from "./interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {JobState} from "./libraries/JobStates.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";
import {Payments} from "./libraries/Payments.sol";

/// @title Disputes about results
/// @dev A contract of its own, because the escrow would be too large with it. It has power over two things: the escrow
/// takes {IJobEscrow-suspend} and {IJobEscrow-overturn} from it, the registry {IOperatorRegistry-slash}. What it holds
/// are the fees of open challenges, and those that buyers have not fetched.
contract Disputes is IDisputes {
    /// @dev As `parties/result.ts` cuts a share.
    uint256 private constant CHUNK_ELEMENTS = 64;
    uint256 private constant ELEMENT_BYTES = 16;
    /// @dev Less could pass before an answer is in a block, as {JobEscrow} says of its own times.
    uint256 private constant MIN_RESPONSE_SEC = 60;
    /// @dev A party that is asked for many chunks has so long for each: some blocks, for a transaction of its own.
    uint256 private constant ANSWER_SPACING_SEC = 60;
    /// @dev Gas of {respond} with a whole chunk of a result of the greatest length, rounded up; a test measures it.
    uint256 private constant RESPONSE_GAS = 150_000;
    /// @dev An answer is paid for as if gas were so many times as dear as in the block of the challenge: it is sent later.
    uint256 private constant GAS_RESERVE = 2;

    /// @dev It stays when it is over, so that nobody asks for a chunk twice.
    struct Challenge {
        uint96 feeWei;
        /// Never 0.
        uint40 dueSec;
        bool over;
    }

    struct JobChallenges {
        uint32 open;
        /// Last second in which an answer holds the job up.
        uint40 heldUntilSec;
        /// When the last answer is due, by point.
        uint40[3] lastDueSec;
    }

    IJobEscrow public immutable escrow;
    IOperatorRegistry public immutable operatorRegistry;
    /// @inheritdoc IDisputes
    uint256 public immutable challengeFeeWei;
    /// @inheritdoc IDisputes
    uint256 public immutable responseSec;

    mapping(bytes32 job => JobChallenges) private _jobs;
    mapping(bytes32 key => Challenge) private _challenges;
    /// @inheritdoc IDisputes
    mapping(address operator => uint256) public openAgainst;
    /// @dev Those of a buyer.
    mapping(address operator => mapping(address buyer => uint256)) private _openOf;
    /// @inheritdoc IDisputes
    mapping(address buyer => uint256) public returnedFeesWei;

    /// @notice The deployment is not of one piece: escrow or registry take orders from another contract.
    error DeploymentInvalid();

    constructor(IJobEscrow escrow_, uint96 challengeFeeWei_, uint32 responseSec_) {
        if (responseSec_ < MIN_RESPONSE_SEC) revert ResponseTooShort(responseSec_, MIN_RESPONSE_SEC);
        escrow = escrow_;
        operatorRegistry = escrow_.operatorRegistry();
        challengeFeeWei = challengeFeeWei_;
        responseSec = responseSec_;
        if (escrow_.disputes() != address(this) || operatorRegistry.slasher() != address(this)) {
            revert DeploymentInvalid();
        }
    }

    /// @inheritdoc IDisputes
    function convict(IJobEscrow.Attestation[2] calldata attestations, bytes32[2][2] calldata signatures) external {
        bytes32 job = attestations[0].job;
        bytes32[2] memory digests =
            [escrow.attestationDigest(attestations[0]), escrow.attestationDigest(attestations[1])];
        address signer = _signer(digests[0], signatures[0]);
        if (
            job != attestations[1].job || digests[0] == digests[1] || signer == address(0)
                || signer != _signer(digests[1], signatures[1])
        ) revert NoContradiction();
        address operator = operatorRegistry.operatorOf(signer);
        emit OperatorConvicted(job, operator, digests);
        // One that owes an answer would convict itself through another account, to keep from the buyer what it still can.
        address reporter = openAgainst[operator] == 0 ? msg.sender : address(0);
        if (operatorRegistry.slash(operator, reporter) == 0) revert NothingToSlash(operator);
    }

    /// @inheritdoc IDisputes
    function contest(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        IJobEscrow.ResultParts calldata parts,
        uint32 chunk,
        uint8 place,
        ChunkOpening[3] calldata openings
    ) external {
        bytes32 job = _attested(terms, outcome);
        _requireChunk(job, outcome, parts, chunk);
        if (parts.fieldBits == 0 || parts.fieldBits > 127) revert FieldInvalid(parts.fieldBits);
        uint256 length = _chunkLength(parts.total, chunk);
        if (place >= length) revert CoordinateOutOfRange(place, length);
        uint256[3] memory shares;
        for (uint8 point = 1; point <= 3; ++point) {
            ChunkOpening calldata opening = openings[point - 1];
            _requireOpening(job, terms, parts, point, chunk, opening);
            uint256 from = place * ELEMENT_BYTES;
            shares[point - 1] = uint128(bytes16(opening.elements[from:from + ELEMENT_BYTES]));
        }
        // A line has no curvature: s(1) - 2 s(2) + s(3) = 0. Something else than a number below the modulus is on none: no
        // buyer could read it, and nobody would have to answer for it.
        uint256 modulus = (1 << parts.fieldBits) - 1;
        uint256 coordinate = chunk * CHUNK_ELEMENTS + place;
        bool readable = shares[0] < modulus && shares[1] < modulus && shares[2] < modulus;
        if (readable && addmod(shares[0], shares[2], modulus) == mulmod(2, shares[1], modulus)) {
            revert SharesConsistent(job, coordinate);
        }
        emit ResultContested(job, coordinate);
        escrow.overturn(job, outcome);
    }

    /// @inheritdoc IDisputes
    function challenge(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        IJobEscrow.ResultParts calldata parts,
        uint8 point,
        uint32 chunk
    ) external payable {
        uint256 feeWei = challengeFeeAt(block.basefee);
        if (msg.value < feeWei) revert FeeTooSmall(msg.value, feeWei);
        bytes32 job = _attested(terms, outcome);
        if (msg.sender != outcome.buyer) revert NotBuyer(job, msg.sender);
        IJobEscrow.Job memory stored = escrow.jobOf(job);
        if (block.timestamp > stored.windowEndSec) revert ChallengeWindowClosed(job, stored.windowEndSec);
        _requireChunk(job, outcome, parts, chunk);
        address operator = _operator(terms, point);
        Challenge storage asked = _challenge(job, point, chunk);
        if (asked.dueSec != 0) revert AlreadyChallenged(job, point, chunk);
        JobChallenges storage all = _jobs[job];
        uint256 due =
            Math.max(block.timestamp + responseSec, all.lastDueSec[point - 1] + ANSWER_SPACING_SEC);
        // There is not enough ether to overflow 96 bits.
        (asked.feeWei, asked.dueSec) = (uint96(msg.value), uint40(due));
        all.lastDueSec[point - 1] = uint40(due);
        ++all.open;
        ++openAgainst[operator];
        ++_openOf[operator][msg.sender];
        emit ChunkChallenged(job, operator, point, chunk, due);
        if (stored.state == JobState.Attested) escrow.suspend(job, outcome);
    }

    /// @inheritdoc IDisputes
    function respond(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        IJobEscrow.ResultParts calldata parts,
        uint8 point,
        uint32 chunk,
        ChunkOpening calldata opening
    ) external {
        bytes32 job = _requireTold(terms, outcome);
        address operator = _operator(terms, point);
        (uint256 due, uint256 feeWei) = _end(job, operator, outcome.buyer, point, chunk);
        if (block.timestamp > due) revert ResponseTooLate(job, due);
        _requireChunk(job, outcome, parts, chunk);
        _requireOpening(job, terms, parts, point, chunk, opening);
        uint256 untilSec = block.timestamp + responseSec;
        _jobs[job].heldUntilSec = uint40(untilSec);
        emit ChunkPosted(job, operator, point, chunk, untilSec, opening);
        Payments.pay(address(0), operator, feeWei);
    }

    /// @inheritdoc IDisputes
    function expose(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        uint8 point,
        uint32 chunk
    ) external {
        bytes32 job = _requireTold(terms, outcome);
        address operator = _operator(terms, point);
        (uint256 due, uint256 feeWei) = _end(job, operator, outcome.buyer, point, chunk);
        if (block.timestamp <= due) revert ResponseNotDue(job, due);
        returnedFeesWei[outcome.buyer] += feeWei;
        emit OperatorExposed(job, operator, point, chunk);
        // Another challenge or a contest may have decided the job before.
        if (escrow.jobOf(job).state == JobState.Disputed) escrow.overturn(job, outcome);
        // One that owes another buyer an answer would have a friend ask, and expose it first.
        bool owesOthers = openAgainst[operator] != _openOf[operator][outcome.buyer];
        // Last, for it offers the buyer a reward: what the buyer's account then does can hold up nothing of the above.
        operatorRegistry.slash(operator, owesOthers ? address(0) : outcome.buyer);
    }

    /// @inheritdoc IDisputes
    function withdrawFees(address buyer) external {
        uint256 amountWei = returnedFeesWei[buyer];
        delete returnedFeesWei[buyer];
        Payments.pay(address(0), buyer, amountWei);
    }

    /// @inheritdoc IDisputes
    function heldUntilSec(bytes32 job) external view returns (uint256) {
        JobChallenges storage all = _jobs[job];
        return all.open == 0 ? all.heldUntilSec : type(uint256).max;
    }

    /// @inheritdoc IDisputes
    function dueSec(bytes32 job, uint8 point, uint32 chunk) external view returns (uint256) {
        Challenge storage asked = _challenge(job, point, chunk);
        return asked.over ? 0 : asked.dueSec;
    }

    /// @inheritdoc IDisputes
    function challengeFeeAt(uint256 baseFeeWei) public view returns (uint256) {
        return Math.max(challengeFeeWei, RESPONSE_GAS * GAS_RESERVE * baseFeeWei);
    }

    /// @dev Ends an open challenge.
    function _end(bytes32 job, address operator, address buyer, uint8 point, uint32 chunk)
        private
        returns (uint256 due, uint256 feeWei)
    {
        Challenge storage asked = _challenge(job, point, chunk);
        if (asked.dueSec == 0 || asked.over) revert NoChallenge(job, point, chunk);
        asked.over = true;
        --_jobs[job].open;
        --openAgainst[operator];
        --_openOf[operator][buyer];
        return (asked.dueSec, asked.feeWei);
    }

    /// @dev The job of these terms, whose outcome this is.
    function _requireTold(IJobEscrow.JobTerms calldata terms, IJobEscrow.Outcome calldata outcome)
        private
        view
        returns (bytes32 job)
    {
        job = MarketHashes.job(terms);
        if (escrow.jobOf(job).outcomeHash != MarketHashes.outcome(outcome)) revert OutcomeMismatch(job);
    }

    /// @dev The same, and its result can still be disputed.
    function _attested(IJobEscrow.JobTerms calldata terms, IJobEscrow.Outcome calldata outcome)
        private
        view
        returns (bytes32 job)
    {
        job = _requireTold(terms, outcome);
        IJobEscrow.Job memory stored = escrow.jobOf(job);
        bool open = stored.state == JobState.Disputed
            || (stored.state == JobState.Attested && block.timestamp <= stored.windowEndSec);
        if (!open) revert ChallengeWindowClosed(job, stored.windowEndSec);
    }

    function _operator(IJobEscrow.JobTerms calldata terms, uint8 point) private view returns (address) {
        if (point == 0 || point > 3) revert PointInvalid(point);
        return operatorRegistry.operatorOf(terms.signers[point - 1]);
    }

    function _requireOpening(
        bytes32 job,
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.ResultParts calldata parts,
        uint8 point,
        uint32 chunk,
        ChunkOpening calldata opening
    ) private view {
        bytes32 leaf = keccak256(
            bytes.concat(
                keccak256(
                    abi.encode(
                        opening.salt,
                        job,
                        opening.attempt,
                        _operator(terms, point),
                        point,
                        uint256(chunk),
                        uint256(parts.total),
                        keccak256(opening.elements)
                    )
                )
            )
        );
        if (
            opening.elements.length != _chunkLength(parts.total, chunk) * ELEMENT_BYTES
                || !MerkleProof.verifyCalldata(opening.proof, parts.roots[point - 1], leaf)
        ) revert OpeningInvalid(job, point);
    }

    /// @dev The parts are those of the outcome, and a result of that length has the chunk.
    function _requireChunk(
        bytes32 job,
        IJobEscrow.Outcome calldata outcome,
        IJobEscrow.ResultParts calldata parts,
        uint32 chunk
    ) private pure {
        if (MarketHashes.resultRoot(parts) != outcome.resultRoot) revert PartsMismatch(job);
        uint256 chunks = (uint256(parts.total) + CHUNK_ELEMENTS - 1) / CHUNK_ELEMENTS;
        if (chunk >= chunks) revert ChunkOutOfRange(chunk, chunks);
    }

    function _chunkLength(uint256 total, uint256 chunk) private pure returns (uint256) {
        uint256 left = total - chunk * CHUNK_ELEMENTS;
        return left < CHUNK_ELEMENTS ? left : CHUNK_ELEMENTS;
    }

    function _signer(bytes32 digest, bytes32[2] calldata signature) private pure returns (address recovered) {
        (recovered,,) = ECDSA.tryRecover(digest, signature[0], signature[1]);
    }

    function _challenge(bytes32 job, uint8 point, uint32 chunk) private view returns (Challenge storage) {
        return _challenges[keccak256(abi.encode(job, point, chunk))];
    }
}
