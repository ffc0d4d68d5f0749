// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../interfaces/IReviewExchange.sol";

/**
 * @notice The times of a session in one word. Each phase begins where the one before ends; all ends are included.
 *
 * ```
 * 255    232 231      200 199      168 167     136 135     104 103      72 71       40 39             0
 * +---------+------------+------------+-----------+-----------+-----------+-----------+---------------+
 * | free    | claimSec   | optimalSec | answerSec | reviewSec | featSec   | sampleSec | registerBySec |
 * +---------+------------+------------+-----------+-----------+-----------+-----------+---------------+
 * ```
 *
 * Packed because nearly every call repeats it: as seven words it would cost 800 gas more of call data.
 */
type Schedule is uint256;

/**
 * @notice The numbers of a session in one word.
 *
 * ```
 * 255     240 239             224 223      192 191         176 175        88 87         0
 * +----------+-------------------+------------+---------------+-------------+------------+
 * | free, 16 | shardsPerSample   | minShards  | samplingBps   | deposit, 88 | reward, 88 |
 * +----------+-------------------+------------+---------------+-------------+------------+
 * ```
 */
type Amounts is uint256;

using ExchangeTerms for Schedule global;
using ExchangeTerms for Amounts global;

library ExchangeTerms {
    /// @dev A deadline nearer than a minute could pass before the transaction is in a block.
    uint256 private constant MIN_PHASE_SEC = 60;
    /// @dev Seven phases of at most so much: no deposit is bound for more than 210 days.
    uint256 private constant MAX_PHASE_SEC = 30 days;
    uint256 private constant BASIS_POINTS = 10_000;

    /// @notice Reverts, with the reason, for a session that could not be carried through.
    function requireValid(IReviewExchange.SessionRequest calldata request, uint256 sampleDelaySec) internal view {
        uint256 earliestSec = block.timestamp + MIN_PHASE_SEC;
        uint256 latestSec = block.timestamp + MAX_PHASE_SEC;
        if (request.registerBySec < earliestSec || request.registerBySec > latestSec) {
            revert IReviewExchange.RegistrationEndOutOfRange(request.registerBySec, earliestSec, latestSec);
        }
        _requirePhase(1, request.sampleSec, sampleDelaySec + MIN_PHASE_SEC);
        _requirePhase(2, request.featuresSec, MIN_PHASE_SEC);
        // Each half of the review phase is a time limit of its own.
        _requirePhase(3, request.reviewSec, 2 * MIN_PHASE_SEC);
        _requirePhase(4, request.answerSec, MIN_PHASE_SEC);
        _requirePhase(5, request.optimalSec, MIN_PHASE_SEC);
        _requirePhase(6, request.claimSec, MIN_PHASE_SEC);
        // A seat must be able to hold a deposit and a compensation together.
        if (
            request.reward == 0 || request.deposit == 0 || request.samplingBps > BASIS_POINTS
                || uint256(request.reward) + request.deposit > type(uint88).max
        ) revert IReviewExchange.AmountsInvalid(request.reward, request.deposit, request.samplingBps);
        if (request.minShards == 0 || request.shardsPerSample == 0) {
            revert IReviewExchange.ShardsInvalid(request.minShards, request.shardsPerSample);
        }
    }

    function _requirePhase(uint256 phase, uint256 durationSec, uint256 shortestSec) private pure {
        if (durationSec < shortestSec || durationSec > MAX_PHASE_SEC) {
            revert IReviewExchange.PhaseOutOfRange(phase, durationSec, shortestSec, MAX_PHASE_SEC);
        }
    }

    function schedule(IReviewExchange.SessionRequest calldata request) internal pure returns (Schedule) {
        return Schedule.wrap(
            uint256(request.registerBySec) | (uint256(request.sampleSec) << 40)
                | (uint256(request.featuresSec) << 72) | (uint256(request.reviewSec) << 104)
                | (uint256(request.answerSec) << 136) | (uint256(request.optimalSec) << 168)
                | (uint256(request.claimSec) << 200)
        );
    }

    function amounts(IReviewExchange.SessionRequest calldata request) internal pure returns (Amounts) {
        return Amounts.wrap(
            uint256(request.reward) | (uint256(request.deposit) << 88) | (uint256(request.samplingBps) << 176)
                | (uint256(request.minShards) << 192) | (uint256(request.shardsPerSample) << 224)
        );
    }

    function registerBySec(Schedule s) internal pure returns (uint256) {
        return uint40(Schedule.unwrap(s));
    }

    function sampleBySec(Schedule s) internal pure returns (uint256) {
        return _sum(registerBySec(s), uint32(Schedule.unwrap(s) >> 40));
    }

    function featuresBySec(Schedule s) internal pure returns (uint256) {
        return _sum(sampleBySec(s), uint32(Schedule.unwrap(s) >> 72));
    }

    /// @notice The first half of the review phase: until then the collector can say that features are missing, and
    /// whoever is told so has at least the second half to put them on chain.
    function accuseBySec(Schedule s) internal pure returns (uint256) {
        return _sum(featuresBySec(s), uint32(Schedule.unwrap(s) >> 104) / 2);
    }

    function reviewBySec(Schedule s) internal pure returns (uint256) {
        return _sum(featuresBySec(s), uint32(Schedule.unwrap(s) >> 104));
    }

    function answerBySec(Schedule s) internal pure returns (uint256) {
        return _sum(reviewBySec(s), uint32(Schedule.unwrap(s) >> 136));
    }

    function optimalBySec(Schedule s) internal pure returns (uint256) {
        return _sum(answerBySec(s), uint32(Schedule.unwrap(s) >> 168));
    }

    function claimBySec(Schedule s) internal pure returns (uint256) {
        return _sum(optimalBySec(s), uint32(Schedule.unwrap(s) >> 200));
    }

    /// @dev A time of 40 bits and six durations of 32 bits never overflow.
    function _sum(uint256 timeSec, uint256 durationSec) private pure returns (uint256) {
        unchecked {
            return timeSec + durationSec;
        }
    }

    function reward(Amounts a) internal pure returns (uint256) {
        return uint88(Amounts.unwrap(a));
    }

    function deposit(Amounts a) internal pure returns (uint256) {
        return uint88(Amounts.unwrap(a) >> 88);
    }

    /// @notice What a provider is owed for an answered review when it does not win.
    function compensation(Amounts a) internal pure returns (uint256) {
        return reward(a) * uint16(Amounts.unwrap(a) >> 176) / BASIS_POINTS;
    }

    function minShards(Amounts a) internal pure returns (uint256) {
        return uint32(Amounts.unwrap(a) >> 192);
    }

    function shardsPerSample(Amounts a) internal pure returns (uint256) {
        return uint16(Amounts.unwrap(a) >> 224);
    }

    /// @notice How many answers the reward pays for: at most 19,999 of a reward of 19,999 at one basis point, and as
    /// many as can be counted when an answer is owed nothing.
    function maxAnswers(Amounts a) internal pure returns (uint256) {
        uint256 each = compensation(a);
        return each == 0 ? type(uint16).max : reward(a) / each;
    }
}
