// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "./IJobEscrow.sol";

/// @title Disputes about results
/// @notice Three things can be proved, and only two of them say who did it:
///
/// - Two attestations of one job signed with one key convict the operator whose key it is: {convict}.
/// - Three shares of one coordinate of a result that are not on a line prove that somebody lied, never who. The buyer
///   gets all its money back, and nobody is slashed: {contest}.
/// - An operator that keeps its share of a result back can be asked for a chunk of it: {challenge}. Who posts it is
///   paid for that, who does not is slashed, and the buyer gets its money back: {expose}.
///
/// A slashed bond goes by a tenth to who proved it, and the rest is burnt, so nobody gains by convicting itself. While an
/// operator owes an answer, all of it is burnt on a conviction, and also when it is exposed to one buyer and owes another.
///
/// What is opened here is public: {contest} shows up to 64 coordinates of the result to everyone. A chunk of one party
/// alone, as {respond} posts it, says nothing about them to the public; but each of the other two operators can put it
/// together with its own share. The buyer decides, whose result it is.
interface IDisputes {
    /// @notice A chunk of one party's share: 64 elements of 16 bytes, big-endian, the last chunk of fewer. Its leaf is
    /// H(H(salt, job, attempt, operator, point, chunk, total, keccak256(elements))), H = keccak256 of abi.encode.
    struct ChunkOpening {
        /// Of this chunk alone, so that it tells nothing about the others.
        bytes32 salt;
        uint256 attempt;
        bytes elements;
        bytes32[] proof;
    }

    event OperatorConvicted(bytes32 indexed job, address indexed operator, bytes32[2] digests);
    event ResultContested(bytes32 indexed job, uint256 coordinate);
    event ChunkChallenged(bytes32 indexed job, address indexed operator, uint8 point, uint32 chunk, uint256 dueSec);
    /// @notice With all that {contest} asks for of it, and the last second in which this answer holds the job up.
    event ChunkPosted(
        bytes32 indexed job,
        address indexed operator,
        uint8 point,
        uint32 chunk,
        uint256 heldUntilSec,
        ChunkOpening opening
    );
    event OperatorExposed(bytes32 indexed job, address indexed operator, uint8 point, uint32 chunk);

    /// @notice The attestations are about two jobs, the same, or of two keys.
    error NoContradiction();
    error NothingToSlash(address operator);
    error OutcomeMismatch(bytes32 job);
    error PartsMismatch(bytes32 job);
    error NotBuyer(bytes32 job, address caller);
    error PointInvalid(uint256 point);
    error ChunkOutOfRange(uint256 chunk, uint256 chunks);
    error FieldInvalid(uint256 fieldBits);
    /// @notice The chunk is none of what that party attested.
    error OpeningInvalid(bytes32 job, uint256 point);
    error CoordinateOutOfRange(uint256 place, uint256 length);
    /// @notice The three shares are on a line: nobody lied about this coordinate.
    error SharesConsistent(bytes32 job, uint256 coordinate);
    error ChallengeWindowClosed(bytes32 job, uint256 windowEndSec);
    error FeeTooSmall(uint256 sentWei, uint256 dueWei);
    /// @notice A chunk is asked for once, whatever became of it.
    error AlreadyChallenged(bytes32 job, uint256 point, uint256 chunk);
    error NoChallenge(bytes32 job, uint256 point, uint256 chunk);
    error ResponseTooLate(bytes32 job, uint256 dueSec);
    error ResponseNotDue(bytes32 job, uint256 dueSec);
    /// @notice No operator could answer in so little time. At deployment.
    error ResponseTooShort(uint256 responseSec, uint256 leastSec);

    /// @notice Slashes the operator whose key signed two results of one job. Anyone may call, as long as the bond stands.
    /// @param signatures Of the attestations, in their order, compact (EIP-2098).
    function convict(IJobEscrow.Attestation[2] calldata attestations, bytes32[2][2] calldata signatures) external;

    /// @notice Overturns an attested job of which a coordinate has three shares that are not on a line, within the
    /// challenge window or while the job is disputed; {IJobEscrow-refund} then gives the buyer its money back. A share that
    /// is not below the modulus is on no line. Anyone may call who can open them.
    /// @param chunk Number of the chunk, from 0.
    /// @param place Place of the coordinate in it, from 0.
    /// @param openings By point.
    function contest(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        IJobEscrow.ResultParts calldata parts,
        uint32 chunk,
        uint8 place,
        ChunkOpening[3] calldata openings
    ) external;

    /// @notice The buyer of an attested job asks, within the challenge window, the operator at a point for a chunk of its
    /// share, once, and pays at least {challengeFeeAt} the block's base fee in advance, all of which is the answer's. The
    /// job cannot be settled until it was posted. The answer is due {responseSec} later, or a minute after the last one that
    /// this operator owes on this job, whichever is later.
    ///
    /// So a result of n chunks is held up until the end of the challenge window, n - 1 minutes and twice {responseSec} at
    /// most: as long for the last answer, and as long to look at it.
    function challenge(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        IJobEscrow.ResultParts calldata parts,
        uint8 point,
        uint32 chunk
    ) external payable;

    /// @notice Posts a chunk that was asked for; the fee goes to the operator. The job cannot be settled within
    /// {responseSec} from then on, in which anyone who has the other two shares can {contest} it; the buyer may accept it.
    /// Anyone may call.
    function respond(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        IJobEscrow.ResultParts calldata parts,
        uint8 point,
        uint32 chunk,
        ChunkOpening calldata opening
    ) external;

    /// @notice Slashes an operator that did not post a chunk in time, and gives the buyer a claim to the fee, by
    /// {withdrawFees}, and to the price, by {IJobEscrow-refund}. Anyone may call, and no buyer can keep it from its end:
    /// one that refuses its tenth of the bond leaves that to be burnt.
    function expose(
        IJobEscrow.JobTerms calldata terms,
        IJobEscrow.Outcome calldata outcome,
        uint8 point,
        uint32 chunk
    ) external;

    /// @notice Pays a buyer the fees of its challenges that were not answered. Anyone may call.
    function withdrawFees(address buyer) external;

    /// @notice What {withdrawFees} pays.
    function returnedFeesWei(address buyer) external view returns (uint256);

    /// @notice Last second in which nobody but its buyer can settle a job because of its challenges: 2^256 - 1, and not
    /// even the buyer, while one is open; 0 without any.
    function heldUntilSec(bytes32 job) external view returns (uint256);

    /// @notice How many chunks an operator owes, of whatever jobs: asked for, and neither posted nor exposed. Who follows
    /// the events can see by it that one is missing.
    function openAgainst(address operator) external view returns (uint256);

    /// @notice Last second in which a chunk can be posted; 0 where it was not asked for, or the challenge is over.
    function dueSec(bytes32 job, uint8 point, uint32 chunk) external view returns (uint256);

    /// @notice What a challenge costs at least in a block with this base fee: {challengeFeeWei}, or what an answer is going
    /// to cost with a reserve, whichever is more. Nodes may simulate calls with a base fee of 0, hence the argument.
    function challengeFeeAt(uint256 baseFeeWei) external view returns (uint256);

    function challengeFeeWei() external view returns (uint256);

    function responseSec() external view returns (uint256);
}
