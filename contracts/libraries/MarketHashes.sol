// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The hashes that bind data sets, sets of operators and jobs
/// @notice `contracts/commitments.ts` computes the same; a test compares them.
library MarketHashes {
    /// @notice The id of three operators at their points: the first stands at Shamir point 1.
    function operatorSet(address[3] memory members) internal pure returns (bytes32) {
        return keccak256(abi.encode(members));
    }

    /// @notice What binds the ciphertext of one share to its chain, registry, seller, data set, reader and point.
    function shareCommitment(
        address seller,
        bytes32 nonce,
        bytes32 schemaHash,
        uint32 rows,
        uint16 columns,
        address member,
        uint8 point,
        bytes32 ciphertextHash
    ) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                block.chainid, address(this), seller, nonce, schemaHash, rows, columns, member, point, ciphertextHash
            )
        );
    }

    /// @notice The three commitments of a data set in one hash.
    function dataRoot(bytes32[3] memory commitments) internal pure returns (bytes32) {
        return keccak256(abi.encode(commitments));
    }

    /// @notice What a job computes on: its data sets in order and its parameters.
    function inputRoot(bytes32[] memory dataRoots, bytes32 specBytesHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(dataRoots, specBytesHash));
    }

    /// @notice The leaf of a payout in an OpenZeppelin standard Merkle tree.
    function payoutLeaf(uint256 index, address account, uint256 amountWei) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(index, account, amountWei))));
    }
}
