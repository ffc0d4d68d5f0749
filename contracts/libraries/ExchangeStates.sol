// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The states of a provider's seat, in the order of their numbers on chain.
enum SeatState {
    None,
    /// Holds money, or held some, and no registration.
    Idle,
    Registered,
    Sampled,
    /// The collector says that the features are missing.
    Accused,
    /// The features were put on chain after an accusation.
    Delivered,
    Candidate,
    Reviewing,
    Answered
}

/// @notice The states of a session, in the order of their numbers on chain.
enum SessionState {
    None,
    Open,
    /// A winner is named.
    Won,
    /// The winner was paid.
    Claimed,
    /// The collector took back what nobody is owed.
    Closed
}

/// @title The two tables of an exchange's transitions
/// @notice Every change of a state passes here. `contracts/exchange-states.ts` mirrors the tables; a test compares
/// all pairs. Every arrow leads to a higher number but the one that ends a registration and makes its seat Idle.
library ExchangeStates {
    /// @dev Bit `16 * from + to` is set when a seat may go from `from` to `to`.
    uint256 private constant SEATS = (1 << (16 * uint256(SeatState.None) + uint256(SeatState.Idle)))
        | (1 << (16 * uint256(SeatState.Idle) + uint256(SeatState.Registered)))
        | (1 << (16 * uint256(SeatState.Registered) + uint256(SeatState.Sampled)))
        | (1 << (16 * uint256(SeatState.Registered) + uint256(SeatState.Idle)))
        | (1 << (16 * uint256(SeatState.Sampled) + uint256(SeatState.Accused)))
        | (1 << (16 * uint256(SeatState.Sampled) + uint256(SeatState.Candidate)))
        | (1 << (16 * uint256(SeatState.Sampled) + uint256(SeatState.Idle)))
        | (1 << (16 * uint256(SeatState.Accused) + uint256(SeatState.Delivered)))
        | (1 << (16 * uint256(SeatState.Accused) + uint256(SeatState.Idle)))
        | (1 << (16 * uint256(SeatState.Delivered) + uint256(SeatState.Candidate)))
        | (1 << (16 * uint256(SeatState.Delivered) + uint256(SeatState.Idle)))
        | (1 << (16 * uint256(SeatState.Candidate) + uint256(SeatState.Reviewing)))
        | (1 << (16 * uint256(SeatState.Candidate) + uint256(SeatState.Idle)))
        | (1 << (16 * uint256(SeatState.Reviewing) + uint256(SeatState.Answered)))
        | (1 << (16 * uint256(SeatState.Reviewing) + uint256(SeatState.Idle)))
        | (1 << (16 * uint256(SeatState.Answered) + uint256(SeatState.Idle)));

    /// @dev Bit `8 * from + to` is set when a session may go from `from` to `to`.
    uint256 private constant SESSIONS = (1 << (8 * uint256(SessionState.None) + uint256(SessionState.Open)))
        | (1 << (8 * uint256(SessionState.Open) + uint256(SessionState.Won)))
        | (1 << (8 * uint256(SessionState.Open) + uint256(SessionState.Closed)))
        | (1 << (8 * uint256(SessionState.Won) + uint256(SessionState.Claimed)))
        | (1 << (8 * uint256(SessionState.Won) + uint256(SessionState.Closed)));

    /// @notice Whether a seat may go from `from` to `to`.
    function allowed(SeatState from, SeatState to) internal pure returns (bool) {
        return (SEATS >> ((uint256(from) << 4) | uint256(to))) & 1 == 1;
    }

    /// @notice Whether a session may go from `from` to `to`.
    function allowed(SessionState from, SessionState to) internal pure returns (bool) {
        return (SESSIONS >> ((uint256(from) << 3) | uint256(to))) & 1 == 1;
    }
}
