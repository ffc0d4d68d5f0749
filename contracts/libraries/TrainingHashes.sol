// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IGradientRounds} from "../interfaces/IGradientRounds.sol";

/// @title The hashes that bind trainings and updates
/// @notice `contracts/training-eip712.ts` computes the same; a test compares them.
/// @dev A static struct lies in call data exactly as `abi.encode` would lay it out, so it is hashed from there.
library TrainingHashes {
    /// @notice keccak256(abi.encode(terms))
    function terms(IGradientRounds.TrainingTerms calldata terms_) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            calldatacopy(free, terms_, 0x200)
            hash := keccak256(free, 0x200)
        }
    }

    /// @notice keccak256(abi.encode(typeHash, attestation)): the EIP-712 hash of the struct.
    function attestation(bytes32 typeHash, IGradientRounds.RoundAttestation calldata attestation_)
        internal
        pure
        returns (bytes32 hash)
    {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 0x20), attestation_, 0xc0)
            hash := keccak256(free, 0xe0)
        }
    }

    /// @notice The commitment of three sealed shares: of an update in `round`, or of the initial model, which has
    /// training 0 and round 0 because it is sealed before its training has a number. It binds chain, contract and
    /// owner, so a copy of somebody's ciphertexts is another commitment.
    function commitment(uint256 trainingId, uint256 round, address owner, bytes32[3] calldata ciphertextHashes)
        internal
        view
        returns (bytes32)
    {
        return keccak256(abi.encode(block.chainid, address(this), trainingId, round, owner, ciphertextHashes));
    }

    /// @notice What a training computes with, beside numbers: code, operators, initial model, parameters.
    function spec(bytes32 algorithm, bytes32 operatorSet, bytes32 modelRoot, bytes calldata spec_)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(algorithm, operatorSet, modelRoot, keccak256(spec_)));
    }

    /// @notice The next link of the chain of commitments.
    function link(bytes20 chain, bytes32 root) internal pure returns (bytes20) {
        return bytes20(keccak256(abi.encode(chain, root)));
    }

    /// @notice What the payouts of a round are bound to.
    function outcome(bytes32 payoutRoot, address token) internal pure returns (bytes32) {
        return keccak256(abi.encode(payoutRoot, token));
    }

    /// @notice The leaf of a payout in an OpenZeppelin standard Merkle tree: the hash of the hash of its encoding.
    function payoutLeaf(IGradientRounds.RoundPayout calldata payout) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(payout.index, payout.account, payout.amount))));
    }
}
