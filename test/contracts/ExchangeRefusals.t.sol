// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {SeatState, SessionState} from "../../contracts/libraries/ExchangeStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {ExchangeTest} from "./ExchangeTest.sol";

/// @notice Sessions that cannot be opened, facts that do not fit, and the tables of transitions.
contract ExchangeRefusalsTest is ExchangeTest {
    // ---- requests ----------------------------------------------------------------------------------

    function test_registrationEndsInAMinuteToThirtyDays() public {
        uint256[4] memory ends = [START + 59, START + 60, START + 30 days, START + 30 days + 1];
        for (uint256 i; i < 4; ++i) {
            IReviewExchange.SessionRequest memory request = _request();
            request.registerBySec = uint40(ends[i]);
            if (i == 0 || i == 3) {
                _refused(
                    abi.encodeWithSelector(
                        IReviewExchange.RegistrationEndOutOfRange.selector, ends[i], START + 60, START + 30 days
                    )
                );
            }
            _open(request);
        }
    }

    function test_eachPhaseHasItsShortestAndItsLongestDuration() public {
        uint256[6] memory shortest = [DELAY + 60, 60, 120, 60, 60, 60];
        for (uint256 phase; phase < 6; ++phase) {
            uint256[4] memory durations = [shortest[phase] - 1, shortest[phase], 30 days, 30 days + 1];
            for (uint256 i; i < 4; ++i) {
                IReviewExchange.SessionRequest memory request = _request();
                uint32 duration = uint32(durations[i]);
                if (phase == 0) request.sampleSec = duration;
                if (phase == 1) request.featuresSec = duration;
                if (phase == 2) request.reviewSec = duration;
                if (phase == 3) request.answerSec = duration;
                if (phase == 4) request.optimalSec = duration;
                if (phase == 5) request.claimSec = duration;
                if (i == 0 || i == 3) {
                    _refused(
                        abi.encodeWithSelector(
                            IReviewExchange.PhaseOutOfRange.selector, phase + 1, duration, shortest[phase], 30 days
                        )
                    );
                }
                _open(request);
            }
        }
    }

    function test_amountsArePositiveAndFitTogether() public {
        vm.deal(COLLECTOR, 1 << 90);
        IReviewExchange.SessionRequest memory request = _request();
        request.samplingBps = 10_001;
        _refusedAmounts(request);
        request.samplingBps = 10_000;
        _open(request);
        request = _request();
        request.reward = 0;
        _refusedAmounts(request);
        request = _request();
        request.deposit = 0;
        _refusedAmounts(request);
        request.reward = type(uint88).max - DEPOSIT + 1;
        request.deposit = DEPOSIT;
        _refusedAmounts(request);
        request.reward -= 1;
        _open(request);
    }

    function test_thereAreShardsToSample() public {
        IReviewExchange.SessionRequest memory request = _request();
        request.minShards = 0;
        _refused(abi.encodeWithSelector(IReviewExchange.ShardsInvalid.selector, 0, 4));
        _open(request);
        request = _request();
        request.shardsPerSample = 0;
        _refused(abi.encodeWithSelector(IReviewExchange.ShardsInvalid.selector, 4, 0));
        _open(request);
    }

    function test_theRewardComesAlong() public {
        vm.prank(COLLECTOR);
        _refused(abi.encodeWithSelector(Payments.ValueWrong.selector, REWARD - 1, REWARD));
        exchange.open{value: REWARD - 1}(_request());
    }

    // ---- facts -------------------------------------------------------------------------------------

    function test_everyStepAsksForTheFactsOfTheSeat() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 2, SeatState.Sampled);
        bytes32 seed = all[1].seed;
        vm.warp(_end(terms, 2) + 1);
        all[1].seed = "another";
        _mismatch(all[1]);
        _accuse(terms, all[1]);
        all[1].seed = seed;
        _accuse(terms, all[1]);
        all[1].seed = "another";
        _mismatch(all[1]);
        _deliver(terms, all[1]);
        _candidate(terms, all[0]);
        _review(terms, all[0]);
        vm.warp(_end(terms, 3) + 1);
        _mismatch(all[1]);
        _forfeit(terms, all[1], SeatState.Accused);
        seed = all[0].seed;
        all[0].features = "others";
        _mismatch(all[0]);
        _answer(terms, all[0]);
        all[0].features = FEATURES;
        vm.warp(_end(terms, 4) + 1);
        _mismatch(all[0]);
        _release(terms, all[0], SeatState.Sampled);
        _release(terms, all[0], SeatState.Reviewing);
        _refusedSeat(all[0], SeatState.Idle, SeatState.Idle);
        _release(terms, all[0], SeatState.Reviewing);
        _refusedSeat(all[0], SeatState.Idle, SeatState.Idle);
        _forfeit(terms, all[0], SeatState.Reviewing);
    }

    function test_noStepIsLeftOut() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _reach(terms, 1, SeatState.Registered)[0];
        vm.warp(_end(terms, 0) + DELAY);
        _refusedSeat(d, SeatState.Registered, SeatState.Candidate);
        _candidate(terms, d);
        _sample(terms, d);
        _refusedSeat(d, SeatState.Sampled, SeatState.Delivered);
        _deliver(terms, d);
        _refusedSeat(d, SeatState.Sampled, SeatState.Reviewing);
        _review(terms, d);
        _candidate(terms, d);
        vm.warp(_end(terms, 2) + 1);
        _refusedSeat(d, SeatState.Candidate, SeatState.Accused);
        _accuse(terms, d);
        vm.warp(_end(terms, 3) + 1);
        _refusedSeat(d, SeatState.Candidate, SeatState.Answered);
        _answer(terms, d);
    }

    function test_aSeatShowsWhatItIsBoundToOrWhatItHolds() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _data(0, "data");
        _deposit(d, DEPOSIT);
        (SeatState state, uint248 tag, address token, uint256 amount) = exchange.seatOf(_seat(d));
        _true(state == SeatState.Idle && tag == 0 && token == address(0) && amount == DEPOSIT, "idle");
        _register(terms, d);
        (state, tag, token, amount) = exchange.seatOf(_seat(d));
        bytes32 bound = keccak256(abi.encode(_id(terms), keccak256(abi.encode(d.commitment))));
        _true(state == SeatState.Registered && tag == uint248(bytes31(bound)), "registered");
        _true(token == address(0) && amount == 0, "nothing that could be withdrawn");
    }

    function test_featuresAreAnEvent() public {
        vm.expectEmit();
        emit IReviewExchange.FeaturesCommitted("session", (uint256(uint160(STRANGER)) << 64) + 9, FEATURES);
        vm.prank(STRANGER);
        exchange.features("session", 9, FEATURES);
    }

    // ---- answers -----------------------------------------------------------------------------------

    function test_anAnswerThatIsOwedNothingIsNotOneTooMany() public {
        IReviewExchange.SessionRequest memory request = _request();
        request.samplingBps = 0;
        IReviewExchange.Terms memory terms = _open(request);
        Data[] memory all = _reach(terms, 3, SeatState.Answered);
        vm.warp(_end(terms, 5) + 1);
        exchange.close(terms);
        for (uint256 i; i < 3; ++i) {
            _release(terms, all[i], SeatState.Answered);
            _eq(_held(all[i]), DEPOSIT, "the deposit");
        }
        _eq(COLLECTOR.balance, 1000 ether, "the whole reward");
    }

    // ---- the tables --------------------------------------------------------------------------------

    function test_everyArrowOfASeatLeadsOnOrEndsItsRegistration() public view {
        uint256 arrows;
        for (uint8 i; i < 9; ++i) {
            for (uint8 j; j < 9; ++j) {
                if (!exchange.seatTransitionAllowed(SeatState(i), SeatState(j))) continue;
                ++arrows;
                _true(j > i || (i > 1 && j == uint8(SeatState.Idle)), "an arrow leads back");
            }
        }
        _eq(arrows, 16, "arrows");
    }

    function test_everyArrowOfASessionLeadsOn() public view {
        uint256 arrows;
        for (uint8 i; i < 5; ++i) {
            for (uint8 j; j < 5; ++j) {
                if (!exchange.sessionTransitionAllowed(SessionState(i), SessionState(j))) continue;
                ++arrows;
                _true(j > i, "an arrow leads back");
            }
        }
        _eq(arrows, 5, "arrows");
    }

    // ---- helpers -----------------------------------------------------------------------------------

    function _refusedAmounts(IReviewExchange.SessionRequest memory request) private {
        _refused(
            abi.encodeWithSelector(
                IReviewExchange.AmountsInvalid.selector, request.reward, request.deposit, request.samplingBps
            )
        );
        _open(request);
    }
}
