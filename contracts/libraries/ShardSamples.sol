// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IReviewExchange} from "../interfaces/IReviewExchange.sol";
import {ExchangeHashes} from "./ExchangeHashes.sol";
import {Amounts} from "./ExchangeTerms.sol";

/// @title Which shards are sampled, and the keys of shards
/// @notice `contracts/exchange-commitments.ts` computes the same; a test compares them.
library ShardSamples {
    /// @notice No sample is larger, so that what a claim costs is limited.
    uint256 internal constant MAX_SAMPLES = 64;

    bytes32 private constant INNER_PAD = 0x3636363636363636363636363636363636363636363636363636363636363636;
    bytes32 private constant OUTER_PAD = 0x5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c;

    /// @notice One for each started `shardsPerSample` shards, at most {MAX_SAMPLES}.
    function count(uint256 shardCount, uint256 shardsPerSample) internal pure returns (uint256) {
        uint256 samples = (shardCount + shardsPerSample - 1) / shardsPerSample;
        return samples < MAX_SAMPLES ? samples : MAX_SAMPLES;
    }

    /// @notice `samples` different indices below `shardCount`, every set equally likely (Floyd's algorithm): for
    /// each j from shardCount - samples to shardCount - 1, keccak256(abi.encode(seed, j)) mod (j + 1), or j where
    /// that index was drawn before. The bias of the remainder is below 2^-220.
    function indices(bytes32 seed, uint256 shardCount, uint256 samples)
        internal
        pure
        returns (uint256[] memory drawn)
    {
        drawn = new uint256[](samples);
        uint256 first = shardCount - samples;
        // Nothing below reaches beyond shardCount.
        unchecked {
            for (uint256 k; k < samples; ++k) {
                uint256 j = first + k;
                uint256 index = uint256(ExchangeHashes.words(seed, bytes32(j))) % (j + 1);
                for (uint256 i; i < k; ++i) {
                    if (drawn[i] == index) {
                        index = j;
                        break;
                    }
                }
                drawn[k] = index;
            }
        }
    }

    /// @notice keccak256 over the keys, 32 bytes each, of the shards at `drawn`, which come from `masterKey`.
    function keysHash(bytes32 masterKey, uint256[] memory drawn) internal view returns (bytes32) {
        bytes32 derivationKey = _extract(masterKey);
        bytes32[] memory keys = new bytes32[](drawn.length);
        for (uint256 i; i < drawn.length; ++i) {
            keys[i] = _expand(derivationKey, drawn[i]);
        }
        return keccak256(abi.encodePacked(keys));
    }

    /// @notice The key of one shard: HKDF-SHA-256 (RFC 5869) without salt, info "symbolon shard" and the index in
    /// four bytes. From it neither the master key nor another shard's key can be computed.
    function shardKey(bytes32 masterKey, uint256 index) internal view returns (bytes32) {
        return _expand(_extract(masterKey), index);
    }

    /// @notice The keys of a sample, each found to be the committed one of its shard.
    function openedKeys(
        uint256 seat,
        Amounts amounts,
        IReviewExchange.Commitment calldata commitment,
        bytes32 seed,
        IReviewExchange.ShardOpening[] calldata openings
    ) internal pure returns (bytes32[] memory keys) {
        uint256[] memory drawn = _drawn(amounts, commitment.shardCount, seed);
        if (openings.length != drawn.length) revert IReviewExchange.OpeningsMiscounted(seat, openings.length, drawn.length);
        keys = new bytes32[](drawn.length);
        for (uint256 i; i < drawn.length; ++i) {
            IReviewExchange.ShardOpening calldata opening = openings[i];
            keys[i] = opening.key;
            // The inner hash is the outer one's preimage, as OpenZeppelin's standard tree has it.
            bytes32 leaf = keccak256(
                abi.encode(ExchangeHashes.words(bytes32(drawn[i]), opening.ciphertextHash, keccak256(abi.encode(opening.key))))
            );
            if (!MerkleProof.verifyCalldata(opening.proof, commitment.shardRoot, leaf)) {
                revert IReviewExchange.OpeningInvalid(seat, drawn[i]);
            }
        }
    }

    /// @notice The facts of an answered registration, from a master key and what it derives.
    function claimedFacts(Amounts amounts, IReviewExchange.Claim calldata revealed) internal view returns (bytes32) {
        bytes32 commitment = ExchangeHashes.words(
            revealed.shardRoot, keccak256(abi.encode(revealed.masterKey)), bytes32(uint256(revealed.shardCount))
        );
        bytes32 sampledHash =
            keysHash(revealed.masterKey, _drawn(amounts, revealed.shardCount, revealed.seed));
        return ExchangeHashes.words(ExchangeHashes.words(ExchangeHashes.words(commitment, revealed.seed), revealed.featuresRoot), sampledHash);
    }

    function _drawn(Amounts amounts, uint256 shardCount, bytes32 seed) private pure returns (uint256[] memory) {
        return indices(seed, shardCount, count(shardCount, amounts.shardsPerSample()));
    }

    function _extract(bytes32 masterKey) private view returns (bytes32) {
        return _hmac(0, masterKey, 32);
    }

    function _expand(bytes32 derivationKey, uint256 index) private view returns (bytes32) {
        bytes32 info = bytes32("symbolon shard") | bytes32(uint256(uint32(index)) << 112) | bytes32(uint256(1) << 104);
        return _hmac(derivationKey, info, 19);
    }

    /// @dev HMAC-SHA-256 (RFC 2104) of the first `length` bytes of `message`, under a key of 32 bytes, which is
    /// padded with zeros to a block of 64. In assembly, because a claim pays for two hashes for each sampled shard.
    function _hmac(bytes32 key, bytes32 message, uint256 length) private view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, xor(key, INNER_PAD))
            mstore(add(free, 0x20), INNER_PAD)
            mstore(add(free, 0x40), message)
            let done := staticcall(gas(), 2, free, add(0x40, length), add(free, 0x40), 0x20)
            mstore(free, xor(key, OUTER_PAD))
            mstore(add(free, 0x20), OUTER_PAD)
            // The precompile fails only for want of gas.
            if iszero(and(done, staticcall(gas(), 2, free, 0x60, 0x00, 0x20))) { revert(0, 0) }
            hash := mload(0x00)
        }
    }
}
