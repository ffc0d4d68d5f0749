// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The states of a training, in the order of their numbers on chain.
enum TrainingState {
    None,
    /// Between rounds: data owners join and leave.
    Joining,
    /// A round runs: data owners commit, then the operators attest.
    Committing,
    /// Every round was attested.
    Finished,
    Failed,
    Expired,
    /// What the rounds that never came would have cost went back.
    Refunded
}

/// @title The one table of a training's transitions
/// @notice Every change of a training's state passes {allowed}. `contracts/training-states.ts` mirrors the table; a
/// test compares the two for all pairs.
library TrainingStates {
    /// @dev Bit `8 * from + to` is set when a training may go from `from` to `to`. One arrow alone leads to a lower
    /// number, from Committing to Joining, and it counts the round up: (round, state) never comes back.
    uint256 private constant TABLE =
        (1 << (8 * uint256(TrainingState.None) + uint256(TrainingState.Joining)))
        | (1 << (8 * uint256(TrainingState.Joining) + uint256(TrainingState.Committing)))
        | (1 << (8 * uint256(TrainingState.Joining) + uint256(TrainingState.Failed)))
        | (1 << (8 * uint256(TrainingState.Joining) + uint256(TrainingState.Expired)))
        | (1 << (8 * uint256(TrainingState.Committing) + uint256(TrainingState.Joining)))
        | (1 << (8 * uint256(TrainingState.Committing) + uint256(TrainingState.Finished)))
        | (1 << (8 * uint256(TrainingState.Committing) + uint256(TrainingState.Failed)))
        | (1 << (8 * uint256(TrainingState.Committing) + uint256(TrainingState.Expired)))
        | (1 << (8 * uint256(TrainingState.Failed) + uint256(TrainingState.Refunded)))
        | (1 << (8 * uint256(TrainingState.Expired) + uint256(TrainingState.Refunded)));

    /// @notice Whether a training may go from `from` to `to`.
    function allowed(TrainingState from, TrainingState to) internal pure returns (bool) {
        return (TABLE >> (8 * uint256(from) + uint256(to))) & 1 == 1;
    }
}
