// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {Amounts} from "../../contracts/libraries/ExchangeTerms.sol";
import {ShardSamples} from "../../contracts/libraries/ShardSamples.sol";
import {ExchangeTest} from "./ExchangeTest.sol";

contract ShardSamplesCaller {
    function openedKeys(
        Amounts amounts,
        IReviewExchange.Commitment calldata commitment,
        bytes32 seed,
        IReviewExchange.ShardOpening[] calldata openings
    ) external pure returns (bytes32[] memory) {
        return ShardSamples.openedKeys(0, amounts, commitment, seed, openings);
    }

    function claimedFacts(Amounts amounts, IReviewExchange.Claim calldata revealed) external pure returns (bytes32) {
        return ShardSamples.claimedFacts(amounts, revealed);
    }
}

/// @notice Which shards are sampled and what keys they have, against the stated rules written down a second time.
contract ShardSamplesTest is ExchangeTest {
    ShardSamplesCaller private caller = new ShardSamplesCaller();

    function testFuzz_indicesFollowTheStatedRule(bytes32 seed, uint32 shards, uint8 shift, uint16 per) public view {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, shift, per);
        uint256[] memory found = exchange.sampledIndices(seed, shardCount, shardsPerSample);
        uint256[] memory expected = _sampled(seed, shardCount, shardsPerSample);
        _eq(found.length, expected.length, "count");
        for (uint256 i; i < found.length; ++i) _eq(found[i], expected[i], "index");
    }

    function testFuzz_indicesAscendInRangeAndAreLimited(bytes32 seed, uint32 shards, uint8 shift, uint16 per) public view {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, shift, per);
        uint256[] memory found = exchange.sampledIndices(seed, shardCount, shardsPerSample);
        uint256 due = (shardCount + shardsPerSample - 1) / shardsPerSample;
        _eq(found.length, due < 64 ? due : 64, "count");
        for (uint256 i = 1; i < found.length; ++i) _true(found[i - 1] < found[i], "ascending");
        _true(found[found.length - 1] < shardCount, "in range");
    }

    function testFuzz_aShardIsInAStratumNoLargerThanPromised(uint32 shards, uint8 shift, uint16 per) public pure {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, shift, per);
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
        uint32 shards,
        uint8 shift,
        uint16 per
    ) public view {
        (uint256 shardCount, uint256 shardsPerSample) = _plan(shards, shift, per);
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

    function testFuzz_anAnswerOpensTheShardsOfTheRule(bytes32 masterKey, bytes32 seed, uint8 shards, uint8 per)
        public
        view
    {
        (uint256 shardCount, uint256 shardsPerSample) = (uint256(shards) + 1, uint256(per) % 16 + 1);
        bytes32[][] memory levels = _tree(masterKey, shardCount);
        uint256[] memory sampled = _sampled(seed, shardCount, shardsPerSample);
        IReviewExchange.ShardOpening[] memory openings = new IReviewExchange.ShardOpening[](sampled.length);
        for (uint256 i; i < sampled.length; ++i) {
            openings[i] = IReviewExchange.ShardOpening(
                _shardKey(masterKey, sampled[i]), keccak256(abi.encode(sampled[i])), _proof(levels, sampled[i])
            );
        }
        bytes32[] memory keys = caller.openedKeys(
            Amounts.wrap(shardsPerSample << 224),
            IReviewExchange.Commitment(levels[levels.length - 1][0], keccak256(abi.encode(masterKey)), uint32(shardCount)),
            seed,
            openings
        );
        _eq(keys.length, sampled.length, "one for each");
        for (uint256 i; i < keys.length; ++i) _true(keys[i] == _shardKey(masterKey, sampled[i]), "its key");
    }

    // ---- the rules ---------------------------------------------------------------------------------

    /// Counts of all sizes, as many with few bits as with 32.
    function _plan(uint32 shards, uint8 shift, uint16 per)
        private
        pure
        returns (uint256 shardCount, uint256 shardsPerSample)
    {
        shardCount = uint256(shards) >> (shift % 32);
        if (shardCount == 0) shardCount = 1;
        shardsPerSample = uint256(per) >> (shift % 16);
        if (shardsPerSample == 0) shardsPerSample = 1;
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

    /// Pairs of a level make the next one; who is left over goes up as it is.
    function _tree(bytes32 masterKey, uint256 shardCount) private pure returns (bytes32[][] memory levels) {
        uint256 height = 1;
        for (uint256 width = shardCount; width > 1; width = (width + 1) / 2) ++height;
        levels = new bytes32[][](height);
        levels[0] = new bytes32[](shardCount);
        for (uint256 i; i < shardCount; ++i) {
            bytes32 keyHash = keccak256(abi.encode(_shardKey(masterKey, i)));
            levels[0][i] = keccak256(bytes.concat(keccak256(abi.encode(i, keccak256(abi.encode(i)), keyHash))));
        }
        for (uint256 level = 1; level < height; ++level) {
            bytes32[] memory below = levels[level - 1];
            levels[level] = new bytes32[]((below.length + 1) / 2);
            for (uint256 i; i < levels[level].length; ++i) {
                if (2 * i + 1 == below.length) {
                    levels[level][i] = below[2 * i];
                    continue;
                }
                (bytes32 a, bytes32 b) = (below[2 * i], below[2 * i + 1]);
                levels[level][i] = a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
            }
        }
    }

    function _proof(bytes32[][] memory levels, uint256 index) private pure returns (bytes32[] memory proof) {
        bytes32[] memory siblings = new bytes32[](levels.length);
        uint256 length;
        for (uint256 level; level + 1 < levels.length; ++level) {
            if (index ^ 1 < levels[level].length) siblings[length++] = levels[level][index ^ 1];
            index /= 2;
        }
        proof = new bytes32[](length);
        for (uint256 i; i < length; ++i) proof[i] = siblings[i];
    }
}
