// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../interfaces/IReviewExchange.sol";
import {Amounts, Schedule} from "./ExchangeTerms.sol";

/// @title The hashes that bind sessions and registrations
/// @notice `contracts/exchange-commitments.ts` computes the same; a test compares them.
library ExchangeHashes {
    /// @notice The id of a session: keccak256(abi.encode(collector, schedule, conditions)).
    function session(address collector, Schedule schedule, bytes32 conditions_) internal pure returns (bytes32) {
        return words(bytes32(uint256(uint160(collector))), bytes32(Schedule.unwrap(schedule)), conditions_);
    }

    /// @notice What a session's calls by its collector repeat as one word: keccak256(abi.encode(token, amounts, context)).
    function conditions(address token, Amounts amounts, bytes32 context) internal pure returns (bytes32) {
        return words(bytes32(uint256(uint160(token))), bytes32(Amounts.unwrap(amounts)), context);
    }

    /// @notice keccak256(abi.encode(commitment))
    function commitment(IReviewExchange.Commitment calldata made) internal pure returns (bytes32) {
        return words(made.shardRoot, made.masterKeyHash, bytes32(uint256(made.shardCount)));
    }

    /// @notice keccak256(abi.encode(a, b)), in the memory that Solidity leaves for hashing.
    function words(bytes32 a, bytes32 b) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore(0x00, a)
            mstore(0x20, b)
            hash := keccak256(0x00, 0x40)
        }
    }

    /// @notice keccak256(abi.encode(a, b, c)), beyond the used memory.
    function words(bytes32 a, bytes32 b, bytes32 c) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, a)
            mstore(add(free, 0x20), b)
            mstore(add(free, 0x40), c)
            hash := keccak256(free, 0x60)
        }
    }
}
