// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SeatState, SessionState} from "./ExchangeStates.sol";

/**
 * @notice All that the exchange keeps of a session, in one storage slot, found by the hash of the session's terms.
 *
 * ```
 * 255    248 247                                  88 87          24 23       8 7      0
 * +---------+---------------------------------------+--------------+----------+--------+
 * | free, 8 |   winner's account, 160               | its seat, 64 | answered | state  |
 * +---------+---------------------------------------+--------------+----------+--------+
 * ```
 *
 * `answered` counts the reviews that were answered, each of which is owed a compensation unless it wins.
 */
type SessionSlot is uint256;

/**
 * @notice All that the exchange keeps of a provider's seat, in one storage slot, found by (account << 64 | number).
 *
 * ```
 * 255                                                              8 7      0
 * +-----------------------------------------------------------------+--------+
 * |  tag, 248 bits: the upper bits of keccak256(session, facts)      | state  |  Registered to Answered
 * +---------------------------------+-------------------------------+--------+
 * |  token, 160                     |  amount, 88                   | state  |  Idle
 * +---------------------------------+-------------------------------+--------+
 * |  0                                                               | None   |
 * +-----------------------------------------------------------------+--------+
 * ```
 *
 * A seat is never cleared: writing a slot that is not zero costs 17,100 gas less, so all registrations of a provider
 * after its first are cheap. A tag of 248 bits leaves 124 bits of collision resistance.
 */
type SeatSlot is uint256;

using ExchangeSlots for SessionSlot global;
using ExchangeSlots for SeatSlot global;

library ExchangeSlots {
    uint256 private constant ANSWERED_AT = 8;
    uint256 private constant WINNER_AT = 24;
    uint256 private constant AMOUNT_AT = 8;
    uint256 private constant TOKEN_AT = 96;

    /// @notice The number under which a provider's seat is found.
    function seatId(address provider, uint64 number) internal pure returns (uint256) {
        return (uint256(uint160(provider)) << 64) | number;
    }

    // ---- sessions ----------------------------------------------------------------------------------

    /// @notice The slot of a session that was just opened.
    function opened() internal pure returns (SessionSlot) {
        return SessionSlot.wrap(uint256(SessionState.Open));
    }

    /// @notice The same slot in another state.
    function withState(SessionSlot slot, SessionState to) internal pure returns (SessionSlot) {
        return SessionSlot.wrap((SessionSlot.unwrap(slot) & ~uint256(0xff)) | uint256(to));
    }

    /// @notice The slot with one answer more. The caller has checked that there is room.
    function withAnswer(SessionSlot slot) internal pure returns (SessionSlot) {
        return SessionSlot.wrap(SessionSlot.unwrap(slot) + (1 << ANSWERED_AT));
    }

    /// @notice The slot of an open session once `seat` has won it.
    function withWinner(SessionSlot slot, uint256 seat) internal pure returns (SessionSlot) {
        return SessionSlot.wrap(
            (seat << WINNER_AT) | (uint256(slot.answered()) << ANSWERED_AT) | uint256(SessionState.Won)
        );
    }

    function state(SessionSlot slot) internal pure returns (SessionState) {
        return SessionState(uint8(SessionSlot.unwrap(slot)));
    }

    function answered(SessionSlot slot) internal pure returns (uint16) {
        return uint16(SessionSlot.unwrap(slot) >> ANSWERED_AT);
    }

    /// @notice The seat that won; 0 before there is one.
    function winner(SessionSlot slot) internal pure returns (uint256) {
        return uint224(SessionSlot.unwrap(slot) >> WINNER_AT);
    }

    // ---- seats -------------------------------------------------------------------------------------

    /// @notice The slot of a seat without a registration that holds `amount` of `token`.
    function idle(address token_, uint88 amount_) internal pure returns (SeatSlot) {
        return SeatSlot.wrap(
            (uint256(uint160(token_)) << TOKEN_AT) | (uint256(amount_) << AMOUNT_AT) | uint256(SeatState.Idle)
        );
    }

    /// @notice The slot of a seat that is bound to `hash`.
    function bound(SeatState to, bytes32 hash) internal pure returns (SeatSlot) {
        return SeatSlot.wrap((uint256(hash) & ~uint256(0xff)) | uint256(to));
    }

    /// @notice The same slot in another state.
    function withState(SeatSlot slot, SeatState to) internal pure returns (SeatSlot) {
        return SeatSlot.wrap((SeatSlot.unwrap(slot) & ~uint256(0xff)) | uint256(to));
    }

    function state(SeatSlot slot) internal pure returns (SeatState) {
        return SeatState(uint8(SeatSlot.unwrap(slot)));
    }

    function tag(SeatSlot slot) internal pure returns (uint248) {
        return uint248(SeatSlot.unwrap(slot) >> 8);
    }

    /// @notice Whether the seat is bound to `hash`.
    function isBoundTo(SeatSlot slot, bytes32 hash) internal pure returns (bool) {
        return (SeatSlot.unwrap(slot) ^ uint256(hash)) >> 8 == 0;
    }

    /// @notice What an idle seat holds.
    function amount(SeatSlot slot) internal pure returns (uint88) {
        return uint88(SeatSlot.unwrap(slot) >> AMOUNT_AT);
    }

    /// @notice In which token an idle seat holds it; zero is ETH.
    function token(SeatSlot slot) internal pure returns (address) {
        return address(uint160(SeatSlot.unwrap(slot) >> TOKEN_AT));
    }
}
