// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobState} from "./JobStates.sol";

/**
 * @notice All that the escrow keeps of a job, in one storage slot; from the attestation on a second one holds the
 * hash of the outcome. The slot is found by the hash of the job's terms, so they need no place in it.
 *
 * ```
 * 255                146 145              50 49              10    9         8     7      0
 * +---------------------+------------------+------------------+----------+--------+--------+
 * |  claimed, 110 bits  |  unclaimed, 96   | windowEndSec, 40 | returned | joined | state  |
 * +---------------------+------------------+------------------+----------+--------+--------+
 * ```
 *
 * `claimed`, `unclaimed` and `windowEndSec` are zero before the attestation. `claimed` has a bit for each of the
 * first 110 payouts, because the slot is rewritten by a claim anyway and a new bitmap word would cost 17,100 gas
 * more.
 */
type JobSlot is uint256;

using JobSlots for JobSlot global;

library JobSlots {
    /// @notice Payouts with a lower index have their bit in the slot itself.
    uint256 internal constant INLINE_CLAIMS = 110;

    uint256 private constant JOINED = 1 << 8;
    uint256 private constant RETURNED = 1 << 9;
    uint256 private constant WINDOW_AT = 10;
    uint256 private constant UNCLAIMED_AT = 50;
    uint256 private constant CLAIMED_AT = 146;

    /// @notice The slot of a job that was just funded.
    function funded() internal pure returns (JobSlot) {
        return JobSlot.wrap(uint256(JobState.Funded));
    }

    /// @notice The slot after the operators joined: what the job reserved is spent.
    function joinedBy(JobSlot slot) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) | JOINED);
    }

    /// @notice The slot after the reserved budget was given back.
    function withReturned(JobSlot slot) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) | RETURNED);
    }

    /// @notice The slot of a joined job that was attested; nothing is claimed yet.
    function attested(uint40 endSec, uint96 amount) internal pure returns (JobSlot) {
        return JobSlot.wrap(
            (uint256(amount) << UNCLAIMED_AT) | (uint256(endSec) << WINDOW_AT) | JOINED | uint256(JobState.Attested)
        );
    }

    /// @notice The same slot in another state.
    function withState(JobSlot slot, JobState to) internal pure returns (JobSlot) {
        return JobSlot.wrap((JobSlot.unwrap(slot) & ~uint256(0xff)) | uint256(to));
    }

    /// @notice The slot after `amount` was claimed. The caller has checked that so much is unclaimed.
    function withClaim(JobSlot slot, uint96 amount) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) - (uint256(amount) << UNCLAIMED_AT));
    }

    /// @notice The slot with the bit of payout `index` set; `index` is below `INLINE_CLAIMS`.
    function withClaimed(JobSlot slot, uint256 index) internal pure returns (JobSlot) {
        return JobSlot.wrap(JobSlot.unwrap(slot) | (1 << (CLAIMED_AT + index)));
    }

    function state(JobSlot slot) internal pure returns (JobState) {
        return JobState(uint8(JobSlot.unwrap(slot)));
    }

    function joined(JobSlot slot) internal pure returns (bool) {
        return JobSlot.unwrap(slot) & JOINED != 0;
    }

    function returned(JobSlot slot) internal pure returns (bool) {
        return JobSlot.unwrap(slot) & RETURNED != 0;
    }

    function windowEndSec(JobSlot slot) internal pure returns (uint40) {
        return uint40(JobSlot.unwrap(slot) >> WINDOW_AT);
    }

    function unclaimed(JobSlot slot) internal pure returns (uint96) {
        return uint96(JobSlot.unwrap(slot) >> UNCLAIMED_AT);
    }

    /// @notice Whether the bit of payout `index` is set; `index` is below `INLINE_CLAIMS`.
    function isClaimed(JobSlot slot, uint256 index) internal pure returns (bool) {
        return (JobSlot.unwrap(slot) >> (CLAIMED_AT + index)) & 1 == 1;
    }
}
