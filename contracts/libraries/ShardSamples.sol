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

    /// @notice One for each started `shardsPerSample` shards, at most {MAX_SAMPLES}.
    function count(uint256 shardCount, uint256 shardsPerSample) internal pure returns (uint256) {
        uint256 samples = (shardCount + shardsPerSample - 1) / shardsPerSample;
        return samples < MAX_SAMPLES ? samples : MAX_SAMPLES;
    }

    /// @notice The shard at `place` of a sample. The shards are cut in their order into as many strata as there are
    /// samples, the first shardCount mod samples of them larger by one, and one of each is drawn, each as likely: in a
    /// stratum that begins at `first`, keccak256(abi.encode(seed, first)) modulo its size. The bias of the remainder is
    /// below 2^-224.
    /// @dev No two places can have the same shard, so nothing has to be compared. Where one is sampled for each started
    /// p, a stratum has at most p shards, or the number of shards over {MAX_SAMPLES}, rounded up, where that is more. So
    /// with the larger of both for p, a sample misses m bad shards with a probability of at most (1 - 1/p)^m: k of them
    /// in one stratum with at most 1 - k/p, which is no more than (1 - 1/p)^k.
    function indexAt(bytes32 seed, uint256 shardCount, uint256 samples, uint256 place)
        internal
        pure
        returns (uint256)
    {
        // A count of shards has 32 bits, and a sample is no larger.
        unchecked {
            uint256 size = shardCount / samples;
            uint256 larger = shardCount % samples;
            uint256 first = place * size + (place < larger ? place : larger);
            if (place < larger) ++size;
            return first + uint256(ExchangeHashes.words(seed, bytes32(first))) % size;
        }
    }

    /// @notice All shards of a sample, in ascending order.
    function indices(bytes32 seed, uint256 shardCount, uint256 samples)
        internal
        pure
        returns (uint256[] memory drawn)
    {
        drawn = new uint256[](samples);
        for (uint256 place; place < samples; ++place) {
            drawn[place] = indexAt(seed, shardCount, samples, place);
        }
    }

    /// @notice The key of one shard: keccak256(abi.encode(masterKey, index)). From it neither the master key nor
    /// another shard's key can be computed, for a secret of fixed length before the message makes Keccak a
    /// pseudorandom function [BDPV11].
    function shardKey(bytes32 masterKey, uint256 index) internal pure returns (bytes32) {
        return ExchangeHashes.words(masterKey, bytes32(index));
    }

    /// @notice The keys of a sample, each found to be the committed one of its shard.
    function openedKeys(
        uint256 seat,
        Amounts amounts,
        IReviewExchange.Commitment calldata commitment,
        bytes32 seed,
        IReviewExchange.ShardOpening[] calldata openings
    ) internal pure returns (bytes32[] memory keys) {
        uint256 samples = count(commitment.shardCount, amounts.shardsPerSample());
        if (openings.length != samples) revert IReviewExchange.OpeningsMiscounted(seat, openings.length, samples);
        keys = new bytes32[](samples);
        for (uint256 place; place < samples; ++place) {
            IReviewExchange.ShardOpening calldata opening = openings[place];
            uint256 index = indexAt(seed, commitment.shardCount, samples, place);
            keys[place] = opening.key;
            // The inner hash is the outer one's preimage, as OpenZeppelin's standard tree has it.
            bytes32 leaf = keccak256(
                abi.encode(ExchangeHashes.words(bytes32(index), opening.ciphertextHash, keccak256(abi.encode(opening.key))))
            );
            if (!MerkleProof.verifyCalldata(opening.proof, commitment.shardRoot, leaf)) {
                revert IReviewExchange.OpeningInvalid(seat, index);
            }
        }
    }

    /// @notice The facts of an answered registration, from a master key and what it derives.
    function claimedFacts(Amounts amounts, IReviewExchange.Claim calldata revealed) internal pure returns (bytes32) {
        bytes32 commitment = ExchangeHashes.words(
            revealed.shardRoot, keccak256(abi.encode(revealed.masterKey)), bytes32(uint256(revealed.shardCount))
        );
        return ExchangeHashes.words(
            ExchangeHashes.words(ExchangeHashes.words(commitment, revealed.seed), revealed.featuresRoot),
            _derivedKeysHash(amounts, revealed)
        );
    }

    /// @dev keccak256 over the keys of the sample in a row, as a claimed master key derives them: {indexAt} and
    /// {shardKey} for each place. In assembly, because a claim pays for each sampled shard.
    function _derivedKeysHash(Amounts amounts, IReviewExchange.Claim calldata revealed)
        private
        pure
        returns (bytes32 hash)
    {
        uint256 shardCount = revealed.shardCount;
        uint256 samples = count(shardCount, amounts.shardsPerSample());
        bytes32 seed = revealed.seed;
        bytes32 masterKey = revealed.masterKey;
        assembly ("memory-safe") {
            // Beyond the used memory stand the seed, a stratum's first index, and then the keys; master key and index
            // in the memory for hashing.
            let drawing := mload(0x40)
            let key := add(drawing, 0x40)
            mstore(drawing, seed)
            mstore(0x00, masterKey)
            let size := div(shardCount, samples)
            let keysOfLarger := add(key, shl(5, mod(shardCount, samples)))
            let end := add(key, shl(5, samples))
            for { let first := 0 } lt(key, end) { key := add(key, 0x20) } {
                mstore(add(drawing, 0x20), first)
                let stratum := add(size, lt(key, keysOfLarger))
                mstore(0x20, add(first, mod(keccak256(drawing, 0x40), stratum)))
                mstore(key, keccak256(0x00, 0x40))
                first := add(first, stratum)
            }
            hash := keccak256(add(drawing, 0x40), shl(5, samples))
        }
    }
}
