// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @notice The states of a job, in the order of their numbers on chain.
enum JobState {
    None,
    Funded,
    Joined,
    Attested,
    Disputed,
    Settled,
    Failed,
    Refunded
}

/// @title The one table of job transitions
/// @notice Every change of a job's state passes {allowed}. `contracts/job-states.ts` mirrors the table for the
/// bridge and the clients; a test compares the two for all pairs.
library JobStates {
    /// @dev Bit `8 * from + to` is set when a job may go from `from` to `to`. Every arrow leads to a higher
    /// number, so no state can come back.
    uint256 private constant TABLE =
        (1 << (8 * uint256(JobState.None) + uint256(JobState.Funded)))
        | (1 << (8 * uint256(JobState.Funded) + uint256(JobState.Joined)))
        | (1 << (8 * uint256(JobState.Funded) + uint256(JobState.Failed)))
        | (1 << (8 * uint256(JobState.Funded) + uint256(JobState.Refunded)))
        | (1 << (8 * uint256(JobState.Joined) + uint256(JobState.Attested)))
        | (1 << (8 * uint256(JobState.Joined) + uint256(JobState.Failed)))
        | (1 << (8 * uint256(JobState.Joined) + uint256(JobState.Refunded)))
        | (1 << (8 * uint256(JobState.Attested) + uint256(JobState.Disputed)))
        | (1 << (8 * uint256(JobState.Attested) + uint256(JobState.Settled)))
        | (1 << (8 * uint256(JobState.Attested) + uint256(JobState.Failed)))
        | (1 << (8 * uint256(JobState.Disputed) + uint256(JobState.Settled)))
        | (1 << (8 * uint256(JobState.Disputed) + uint256(JobState.Failed)))
        | (1 << (8 * uint256(JobState.Failed) + uint256(JobState.Refunded)));

    /// @notice Whether a job may go from `from` to `to`.
    function allowed(JobState from, JobState to) internal pure returns (bool) {
        return (TABLE >> (8 * uint256(from) + uint256(to))) & 1 == 1;
    }
}
