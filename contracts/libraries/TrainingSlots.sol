// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {TrainingState} from "./TrainingStates.sol";

/// @notice Where a data owner stands in a training, in the order of the numbers on chain. No status comes back.
enum OwnerStatus {
    None,
    Joined,
    /// Takes part no longer; its deposit stays for the time in which evidence counts.
    Left,
    /// The deposit went back.
    Withdrawn,
    /// Proven to have signed two updates for one round; half of the deposit went to who proved it.
    Convicted,
    /// The other half went to the model owner.
    Forfeited
}

/**
 * @notice All that changes about a training, in one storage slot:
 *
 * ```
 * 255                        96 95            56 55       40 39     24 23     8 7      0
 * +----------------------------+----------------+-----------+---------+--------+--------+
 * |  inputChain, 160 bits      | phaseEndSec 40 | committed | owners  | round  | state  |
 * +----------------------------+----------------+-----------+---------+--------+--------+
 * ```
 *
 * `round` counts from 1. `phaseEndSec` is the last second of joining or of committing, and the second of the end
 * once the training has ended. `committed` counts the commitments of the round. `inputChain` hashes the terms and
 * then each commitment in turn. The commitments themselves are on the chain, so it need only tell one list from
 * another; its 160 bits leave 80 against a collision, which would open no way to money.
 */
type TrainingSlot is uint256;

/**
 * @notice A data owner in a training, in one storage slot:
 *
 * ```
 * 255                                   64 63      48 47             8 7       0
 * +---------------------------------------+----------+----------------+---------+
 * |  commitmentTag, 192 bits              | round    |  leftAtSec 40  | status  |
 * +---------------------------------------+----------+----------------+---------+
 * ```
 *
 * `round` is that of the last commitment, 0 before the first; the tag is the upper 192 bits of that commitment.
 * Only its owner could look for two updates with one tag, at 2^96 hashes, to sign a second one with impunity.
 */
type OwnerSlot is uint256;

/**
 * @notice What is left of an attested round's money, in one storage slot:
 *
 * ```
 * 255                                        96 95                      0
 * +--------------------------------------------+-------------------------+
 * |  claimed, 160 bits                         |   unclaimed, 96 bits    |
 * +--------------------------------------------+-------------------------+
 * ```
 *
 * `claimed` has a bit for each of the first 160 payouts, because a claim rewrites the slot anyway.
 */
type PurseSlot is uint256;

using TrainingSlots for TrainingSlot global;
using OwnerSlots for OwnerSlot global;
using PurseSlots for PurseSlot global;

library TrainingSlots {
    uint256 private constant ROUND_AT = 8;
    uint256 private constant OWNERS_AT = 24;
    uint256 private constant COMMITTED_AT = 40;
    uint256 private constant PHASE_AT = 56;
    uint256 private constant CHAIN_AT = 96;

    /// @notice The slot of a training that takes its first data owners.
    function opened(bytes20 chain, uint256 joinEndSec) internal pure returns (TrainingSlot) {
        return TrainingSlot.wrap(
            (uint256(uint160(chain)) << CHAIN_AT) | (uint256(uint40(joinEndSec)) << PHASE_AT) | (1 << ROUND_AT)
                | uint256(TrainingState.Joining)
        );
    }

    /// @notice The slot in another state whose phase ends, or which ended, at `phaseEndSec_`.
    function moved(TrainingSlot slot, TrainingState to, uint256 phaseEndSec_) internal pure returns (TrainingSlot) {
        uint256 kept = TrainingSlot.unwrap(slot) & ~(uint256(type(uint40).max) << PHASE_AT) & ~uint256(0xff);
        return TrainingSlot.wrap(kept | (uint256(uint40(phaseEndSec_)) << PHASE_AT) | uint256(to));
    }

    /// @notice The slot with the next round's number and no commitments. The caller keeps rounds below 65,535.
    function inNextRound(TrainingSlot slot) internal pure returns (TrainingSlot) {
        uint256 kept = TrainingSlot.unwrap(slot) & ~(uint256(type(uint16).max) << COMMITTED_AT);
        return TrainingSlot.wrap(kept + (1 << ROUND_AT));
    }

    /// @notice The slot with one data owner more. The caller keeps their number within 16 bits.
    function withJoined(TrainingSlot slot) internal pure returns (TrainingSlot) {
        return TrainingSlot.wrap(TrainingSlot.unwrap(slot) + (1 << OWNERS_AT));
    }

    /// @notice The slot with one data owner less, who has not committed to this round.
    function withoutOwner(TrainingSlot slot) internal pure returns (TrainingSlot) {
        return TrainingSlot.wrap(TrainingSlot.unwrap(slot) - (1 << OWNERS_AT));
    }

    /// @notice The slot with one commitment more, and the chain that ends with it.
    function withCommitment(TrainingSlot slot, bytes20 chain) internal pure returns (TrainingSlot) {
        uint256 kept = uint96(TrainingSlot.unwrap(slot)) + (1 << COMMITTED_AT);
        return TrainingSlot.wrap(kept | (uint256(uint160(chain)) << CHAIN_AT));
    }

    function state(TrainingSlot slot) internal pure returns (TrainingState) {
        return TrainingState(uint8(TrainingSlot.unwrap(slot)));
    }

    function round(TrainingSlot slot) internal pure returns (uint256) {
        return uint16(TrainingSlot.unwrap(slot) >> ROUND_AT);
    }

    function owners(TrainingSlot slot) internal pure returns (uint256) {
        return uint16(TrainingSlot.unwrap(slot) >> OWNERS_AT);
    }

    function committed(TrainingSlot slot) internal pure returns (uint256) {
        return uint16(TrainingSlot.unwrap(slot) >> COMMITTED_AT);
    }

    function phaseEndSec(TrainingSlot slot) internal pure returns (uint256) {
        return uint40(TrainingSlot.unwrap(slot) >> PHASE_AT);
    }

    function inputChain(TrainingSlot slot) internal pure returns (bytes20) {
        return bytes20(uint160(TrainingSlot.unwrap(slot) >> CHAIN_AT));
    }
}

library OwnerSlots {
    uint256 private constant LEFT_AT = 8;
    uint256 private constant ROUND_AT = 48;
    uint256 private constant TAG_AT = 64;

    /// @notice The slot in another status.
    function withStatus(OwnerSlot slot, OwnerStatus to) internal pure returns (OwnerSlot) {
        return OwnerSlot.wrap((OwnerSlot.unwrap(slot) & ~uint256(0xff)) | uint256(to));
    }

    /// @notice The slot of one who left at `atSec`; it had joined.
    function left(OwnerSlot slot, uint256 atSec) internal pure returns (OwnerSlot) {
        return OwnerSlot.wrap(
            OwnerSlot.unwrap(slot.withStatus(OwnerStatus.Left)) | (uint256(uint40(atSec)) << LEFT_AT)
        );
    }

    /// @notice The slot of one whose last commitment is `root`, in `round_`; it has joined and not left.
    function withCommitment(OwnerSlot, uint256 round_, bytes32 root) internal pure returns (OwnerSlot) {
        return OwnerSlot.wrap(
            (uint256(tagOf(root)) << TAG_AT) | (uint256(uint16(round_)) << ROUND_AT) | uint256(OwnerStatus.Joined)
        );
    }

    function tagOf(bytes32 root) internal pure returns (uint192) {
        return uint192(uint256(root) >> TAG_AT);
    }

    function status(OwnerSlot slot) internal pure returns (OwnerStatus) {
        return OwnerStatus(uint8(OwnerSlot.unwrap(slot)));
    }

    function leftAtSec(OwnerSlot slot) internal pure returns (uint256) {
        return uint40(OwnerSlot.unwrap(slot) >> LEFT_AT);
    }

    function round(OwnerSlot slot) internal pure returns (uint256) {
        return uint16(OwnerSlot.unwrap(slot) >> ROUND_AT);
    }

    function commitmentTag(OwnerSlot slot) internal pure returns (uint192) {
        return uint192(OwnerSlot.unwrap(slot) >> TAG_AT);
    }
}

library PurseSlots {
    /// @notice Payouts with a lower index have their bit in the slot itself.
    uint256 internal constant INLINE_CLAIMS = 160;

    uint256 private constant CLAIMED_AT = 96;

    /// @notice The slot of a round that was attested; nothing is claimed yet.
    function filled(uint96 amount) internal pure returns (PurseSlot) {
        return PurseSlot.wrap(amount);
    }

    /// @notice The slot after `amount` was claimed. The caller has checked that so much is unclaimed.
    function withClaim(PurseSlot slot, uint256 amount) internal pure returns (PurseSlot) {
        return PurseSlot.wrap(PurseSlot.unwrap(slot) - amount);
    }

    /// @notice The slot with the bit of payout `index` set; `index` is below `INLINE_CLAIMS`.
    function withClaimed(PurseSlot slot, uint256 index) internal pure returns (PurseSlot) {
        return PurseSlot.wrap(PurseSlot.unwrap(slot) | (1 << (CLAIMED_AT + index)));
    }

    /// @notice Whether the bit of payout `index` is set; `index` is below `INLINE_CLAIMS`.
    function isClaimed(PurseSlot slot, uint256 index) internal pure returns (bool) {
        return (PurseSlot.unwrap(slot) >> (CLAIMED_AT + index)) & 1 == 1;
    }

    function unclaimed(PurseSlot slot) internal pure returns (uint96) {
        return uint96(PurseSlot.unwrap(slot));
    }
}
