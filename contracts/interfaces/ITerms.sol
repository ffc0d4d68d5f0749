// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOfferRegistry} from "./IOfferRegistry.sol";

/// @title A seller's own contract that has a say in who may use its data
/// @notice Named in {IOfferRegistry-Rules}. The registry asks it within the transaction that creates a job, in a
/// static call with 100,000 gas, neither more nor less: it can change nothing and call nobody who could. Only an
/// answer of exactly one word with the value 1 is a yes; whatever else comes, or nothing, refuses the job.
interface ITerms {
    /// @param facts What is asked for.
    /// @param seller The account that offers the data set.
    /// @param dataRoot The offer.
    /// @return allowed Whether the job may use it.
    function check(IOfferRegistry.JobFacts calldata facts, address seller, bytes32 dataRoot)
        external
        view
        returns (bool allowed);
}
