// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../interfaces/IOfferRegistry.sol";

/// @title The hashes that bind data sets, sets of operators and jobs
/// @notice `contracts/commitments.ts` computes the same; a test compares them.
/// @dev A static struct lies in call data exactly as `abi.encode` would lay it out, so it is hashed from there in
/// one copy; decoding and encoding it again costs several hundred gas each time. Bits that do not belong to a
/// value change the hash, and so fit no hash that was stored.
library MarketHashes {
    /// @notice The id of three operators at their points, the first at Shamir point 1: keccak256(abi.encode(members)).
    function operatorSet(address[3] calldata members) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, members, 0x60)
            hash := keccak256(free, 0x60)
        }
    }

    /// @notice The id of a job: keccak256(abi.encode(terms)).
    function job(IJobEscrow.JobTerms calldata terms) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, 0x100)
            hash := keccak256(free, 0x100)
        }
    }

    /// @notice keccak256(abi.encode(terms)) of the terms of use of an offer.
    function useTerms(IOfferRegistry.UseTerms calldata terms) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms, 0xc0)
            hash := keccak256(free, 0xc0)
        }
    }

    /// @notice keccak256(abi.encode(rules))
    function rules(IOfferRegistry.Rules calldata rules_) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, rules_, 0x100)
            hash := keccak256(free, 0x100)
        }
    }

    /// @notice All that the buyer asked for but the deadline: keccak256(abi.encode(spec)) without the offset that
    /// encoding a struct puts in front.
    function spec(IJobEscrow.JobSpec memory spec_) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                spec_.operatorSet,
                spec_.algorithm,
                spec_.resultKey,
                spec_.microRho,
                spec_.purpose,
                spec_.specBytesHash,
                spec_.dataRoots
            )
        );
    }

    /// @notice The root of a result: keccak256(abi.encode(parts)).
    function resultRoot(IJobEscrow.ResultParts calldata parts) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, parts, 0x100)
            hash := keccak256(free, 0x100)
        }
    }

    /// @notice keccak256(abi.encode(outcome))
    function outcome(IJobEscrow.Outcome calldata outcome_) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, outcome_, 0x80)
            hash := keccak256(free, 0x80)
        }
    }

    /// @notice The same of an outcome that is not in call data.
    function outcome(address buyer, address token, bytes32 resultRoot_, bytes32 payoutRoot)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, and(buyer, 0xffffffffffffffffffffffffffffffffffffffff))
            mstore(add(free, 0x20), and(token, 0xffffffffffffffffffffffffffffffffffffffff))
            mstore(add(free, 0x40), resultRoot_)
            mstore(add(free, 0x60), payoutRoot)
            hash := keccak256(free, 0x80)
        }
    }

    /// @notice keccak256(abi.encode(typeHash, attestation)): the EIP-712 hash of the struct.
    function attestation(
        bytes32 typeHash,
        bytes32 job_,
        bytes32 resultRoot_,
        bytes32 payoutRoot,
        uint256 budgetSpent
    ) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), job_)
            mstore(add(free, 0x40), resultRoot_)
            mstore(add(free, 0x60), payoutRoot)
            mstore(add(free, 0x80), budgetSpent)
            hash := keccak256(free, 0xa0)
        }
    }

    /// @notice The three share commitments of a data set in one hash, keccak256(abi.encode(commitments)), where
    /// commitment i is keccak256(abi.encode(chain id, this registry, seller, nonce, schemaHash, rows, columns,
    /// member i, point i, ciphertextHash i)). It binds each ciphertext to its chain, registry, seller, data set,
    /// reader and point.
    function dataRoot(address seller, IOfferRegistry.OfferInput calldata input) internal view returns (bytes32 root) {
        bytes memory preimage = abi.encode(
            block.chainid,
            address(this),
            seller,
            input.nonce,
            input.schemaHash,
            input.rows,
            input.columns,
            input.members[0],
            uint8(1),
            input.ciphertextHashes[0]
        );
        bytes32[3] memory commitments;
        commitments[0] = keccak256(preimage);
        for (uint256 i = 1; i < 3; ++i) {
            address member = input.members[i];
            bytes32 ciphertextHash = input.ciphertextHashes[i];
            // Only the last three words differ from share to share.
            assembly ("memory-safe") {
                mstore(add(preimage, 0x100), member)
                mstore(add(preimage, 0x120), add(i, 1))
                mstore(add(preimage, 0x140), ciphertextHash)
            }
            commitments[i] = keccak256(preimage);
        }
        assembly ("memory-safe") {
            root := keccak256(commitments, 0x60)
        }
    }

    /// @notice The leaf of a payout in an OpenZeppelin standard Merkle tree: the hash of the hash of its encoding.
    function payoutLeaf(IJobEscrow.Payout calldata payout) internal pure returns (bytes32 leaf) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, payout, 0x60)
            mstore(0x00, keccak256(free, 0x60))
            leaf := keccak256(0x00, 0x20)
        }
    }
}
