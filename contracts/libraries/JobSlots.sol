// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobState} from "./JobStates.sol";

/**
 * @notice All that the escrow keeps of a job while it runs, in one storage slot. What the other bits mean
 * depends on the state in the lowest eight:
 *
 * ```
 * 255                                           10     9       8    7      0
 * +-----------------------------------------------+----------+--------+--------+
 * |  termsTag, 246: upper bits of keccak256(terms) | returned | joined | state  |  Funded, Joined, Failed, Refunded
 * +----------------------+----------------------+-+----------+--------+--------+
 * |  claimed, 112 bits   |  unclaimedWei, 96    | windowEndSec, 40   | state  |  Attested, Settled
 * +----------------------+----------------------+--------------------+--------+
 * |  0                                                                | state  |  None
 * +------------------------------------------------------------------+--------+
 * ```
 *
 * `claimed` has a bit for each of the first 112 payouts, because the slot is rewritten by a claim anyway and a
 * new bitmap word would cost 17,100 gas more. A tag of 246 bits leaves 123 bits of collision resistance.
 */
type JobSlot is uint256;

using JobSlots for JobSlot global;

library JobSlots {
    /// @notice Payouts with a lower index have their bit in the slot itself.
    uint256 internal constant INLINE_CLAIMS = 112;

    uint256 private constant JOINED = 1 << 8;
    uint256 private constant RETURNED = 1 << 9;
    uint256 private constant TAG_AT = 10;
    uint256 private constant WINDOW_AT = 8;
    uint256 private constant UNCLAIMED_AT = 48;
    uint256 private constant CLAIMED_AT = 144;

    /// @notice The slot of a job whose terms are fixed and whose outcome is open.
    function running(JobState to, bytes32 termsHash) internal pure returns (JobSlot) {
        return JobSlot.wrap(((uint256(termsHash) >> TAG_AT) << TAG_AT) | uint256(to));
    }

    /// @notice The slot after the operators joined: what the job reserved is spent.
    function joinedBy(JobSlot slot) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) | JOINED);
    }

    /// @notice The slot after the reserved budget was given back.
    function withReturned(JobSlot slot) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) | RETURNED);
    }

    /// @notice The slot of a job that was attested; nothing is claimed yet.
    function attested(uint40 endSec, uint96 amountWei) internal pure returns (JobSlot) {
        return JobSlot.wrap(
            (uint256(amountWei) << UNCLAIMED_AT) | (uint256(endSec) << WINDOW_AT) | uint256(JobState.Attested)
        );
    }

    /// @notice The same slot in another state.
    function withState(JobSlot slot, JobState to) internal pure returns (JobSlot) {
        return JobSlot.wrap((JobSlot.unwrap(slot) & ~uint256(0xff)) | uint256(to));
    }

    /// @notice The slot after `amountWei` was claimed. The caller has checked that so much is unclaimed.
    function withClaim(JobSlot slot, uint96 amountWei) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) - (uint256(amountWei) << UNCLAIMED_AT));
    }

    /// @notice The slot with the bit of payout `index` set; `index` is below `INLINE_CLAIMS`.
    function withClaimed(JobSlot slot, uint256 index) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) | (1 << (CLAIMED_AT + index)));
    }

    function state(JobSlot slot) internal pure returns (JobState) {
        return JobState(uint8(JobSlot.unwrap(slot)));
    }

    function termsTag(JobSlot slot) internal pure returns (uint248) {
        return uint248(JobSlot.unwrap(slot) >> TAG_AT);
    }

    function joined(JobSlot slot) internal pure returns (bool) {
        return JobSlot.unwrap(slot) & JOINED != 0;
    }

    function returned(JobSlot slot) internal pure returns (bool) {
        return JobSlot.unwrap(slot) & RETURNED != 0;
    }

    /// @notice Whether `termsHash` is the hash of this job's terms.
    function hasTerms(JobSlot slot, bytes32 termsHash) internal pure returns (bool) {
        return slot.termsTag() == uint248(uint256(termsHash) >> TAG_AT);
    }

    function windowEndSec(JobSlot slot) internal pure returns (uint40) {
        return uint40(JobSlot.unwrap(slot) >> WINDOW_AT);
    }

    function unclaimedWei(JobSlot slot) internal pure returns (uint96) {
        return uint96(JobSlot.unwrap(slot) >> UNCLAIMED_AT);
    }

    /// @notice Whether the bit of payout `index` is set; `index` is below `INLINE_CLAIMS`.
    function isClaimed(JobSlot slot, uint256 index) internal pure returns (bool) {
        return (JobSlot.unwrap(slot) >> (CLAIMED_AT + index)) & 1 == 1;
    }
}
