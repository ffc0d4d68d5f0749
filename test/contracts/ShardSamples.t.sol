// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {Amounts} from "../../contracts/libraries/ExchangeTerms.sol";
import {ShardSamples} from "../../contracts/libraries/ShardSamples.sol";
import {ExchangeTest} from "./ExchangeTest.sol";

contract ShardSamplesCaller {
    function claimedFacts(Amounts amounts, IReviewExchange.Claim calldata revealed) external pure returns (bytes32) {
        return ShardSamples.claimedFacts(amounts, revealed);
    }
}

/// @notice Which shards are sampled and what keys they have, against the stated rules written down a second time.
contract ShardSamplesTest is ExchangeTest {
    ShardSamplesCaller private caller = new ShardSamplesCaller();

    function testFuzz_indicesFollowTheStatedRule(bytes32 seed, uint16 shards, uint8 per) public view {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, per);
        uint256[] memory found = exchange.sampledIndices(seed, shardCount, shardsPerSample);
        uint256[] memory expected = _sampled(seed, shardCount, shardsPerSample);
        _eq(found.length, expected.length, "count");
        for (uint256 i; i < found.length; ++i) _eq(found[i], expected[i], "index");
    }

    function testFuzz_indicesAscendInRangeAndAreLimited(bytes32 seed, uint16 shards, uint8 per) public view {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, per);
        uint256[] memory found = exchange.sampledIndices(seed, shardCount, shardsPerSample);
        uint256 due = (shardCount + shardsPerSample - 1) / shardsPerSample;
        _eq(found.length, due < 64 ? due : 64, "count");
        for (uint256 i = 1; i < found.length; ++i) _true(found[i - 1] < found[i], "ascending");
        _true(found[found.length - 1] < shardCount, "in range");
    }

    function testFuzz_aShardIsInAStratumNoLargerThanPromised(uint16 shards, uint8 per) public pure {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, per);
        uint256 samples = ShardSamples.count(shardCount, shardsPerSample);
        uint256 end;
        for (uint256 place; place < samples; ++place) {
            (uint256 first, uint256 size) = _stratum(shardCount, samples, place);
            _eq(first, end, "next to the one before");
            if (samples < 64) _true(size <= shardsPerSample, "one in so many");
            end = first + size;
        }
        _eq(end, shardCount, "every shard is in one");
    }

    function testFuzz_eachShardOfAStratumIsDrawn(bytes32 seed) public view {
        uint256 missing = 2 ** 11 - 1;
        // 11 shards in strata of 4, 4 and 3: 200 draws leave one out with a probability below 10^-24.
        for (uint256 i; i < 200; ++i) {
            uint256[] memory found = exchange.sampledIndices(keccak256(abi.encode(seed, i)), 11, 4);
            for (uint256 place; place < 3; ++place) {
                _true(found[place] / 4 == place, "of its stratum");
                missing &= ~(1 << found[place]);
            }
        }
        _eq(missing, 0, "all were drawn");
    }

    function testFuzz_shardKeysFollowTheStatedRule(bytes32 masterKey, uint32 index) public view {
        _true(exchange.shardKey(masterKey, index) == _shardKey(masterKey, index), "key");
    }

    function testFuzz_aClaimIsHeldToTheKeysOfAllPlaces(
        bytes32 masterKey,
        bytes32 seed,
        bytes32 root,
        uint16 shards,
        uint8 per
    ) public view {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, per);
        IReviewExchange.Claim memory revealed =
            IReviewExchange.Claim(root, uint32(shardCount), seed, FEATURES, masterKey);
        uint256[] memory sampled = _sampled(seed, shardCount, shardsPerSample);
        bytes memory keys;
        for (uint256 i; i < sampled.length; ++i) {
            keys = bytes.concat(keys, _shardKey(masterKey, sampled[i]));
        }
        bytes32 facts =
            keccak256(abi.encode(IReviewExchange.Commitment(root, keccak256(abi.encode(masterKey)), uint32(shardCount))));
        facts = keccak256(abi.encode(keccak256(abi.encode(facts, seed)), FEATURES));
        facts = keccak256(abi.encode(facts, keccak256(keys)));
        _true(caller.claimedFacts(Amounts.wrap(shardsPerSample << 224), revealed) == facts, "facts");
    }

    // ---- the rules ---------------------------------------------------------------------------------

    function _plan(uint16 shards, uint8 per) private pure returns (uint256 shardCount, uint256 shardsPerSample) {
        (shardCount, shardsPerSample) = (uint256(shards) % 3000 + 1, uint256(per) + 1);
    }

    function _sampled(bytes32 seed, uint256 shardCount, uint256 shardsPerSample)
        private
        pure
        returns (uint256[] memory sampled)
    {
        uint256 samples = ShardSamples.count(shardCount, shardsPerSample);
        sampled = new uint256[](samples);
        for (uint256 place; place < samples; ++place) {
            (uint256 first, uint256 size) = _stratum(shardCount, samples, place);
            sampled[place] = first + uint256(keccak256(abi.encode(seed, first))) % size;
        }
    }

    /// The first shardCount mod samples strata have one shard more.
    function _stratum(uint256 shardCount, uint256 samples, uint256 place)
        private
        pure
        returns (uint256 first, uint256 size)
    {
        for (uint256 i; i <= place; ++i) {
            first += size;
            size = shardCount / samples + (i < shardCount % samples ? 1 : 0);
        }
    }
}
