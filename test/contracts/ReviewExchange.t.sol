// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {SeatState, SessionState} from "../../contracts/libraries/ExchangeStates.sol";
import {ExchangeTest} from "./ExchangeTest.sol";

/// @notice Who may do what, when, and what it moves.
contract ReviewExchangeTest is ExchangeTest {
    function test_theBestIsPaidTheRestCompensatedAndNothingStays() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 3, SeatState.Answered);
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, all[1]);
        uint256 before = all[1].provider.balance;
        _claim(terms, all[1]);
        _eq(all[1].provider.balance - before, REWARD - 2 * COMPENSATION + DEPOSIT, "reward and deposit at once");
        _release(terms, all[0], SeatState.Answered);
        _release(terms, all[2], SeatState.Answered);
        _eq(_held(all[0]), DEPOSIT + COMPENSATION, "deposit and compensation");
        for (uint256 i; i < 3; i += 2) {
            vm.prank(all[i].provider);
            exchange.withdraw(0, DEPOSIT + COMPENSATION);
            _eq(all[i].provider.balance, 1000 ether + COMPENSATION, "paid out");
        }
        _eq(address(exchange).balance, 0, "nothing stays");
        _refusedSession(terms, SessionState.Claimed, SessionState.Closed);
        exchange.close(terms);
        _refusedSession(terms, SessionState.Claimed, SessionState.Claimed);
        _claim(terms, all[1]);
    }

    function test_withoutAWinnerTheReviewedAreCompensatedAndTheRestGoesBack() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 2, SeatState.Answered);
        vm.warp(_end(terms, 5));
        _refused(abi.encodeWithSelector(IReviewExchange.TooEarly.selector, _id(terms), _end(terms, 5) + 1));
        exchange.close(terms);
        _refused(abi.encodeWithSelector(IReviewExchange.TooEarly.selector, _id(terms), _end(terms, 5) + 1));
        _release(terms, all[0], SeatState.Answered);
        vm.warp(_end(terms, 5) + 1);
        uint256 before = COLLECTOR.balance;
        exchange.close(terms);
        _eq(COLLECTOR.balance - before, REWARD - 2 * COMPENSATION, "what nobody is owed");
        for (uint256 i; i < 2; ++i) _release(terms, all[i], SeatState.Answered);
        _eq(_held(all[0]) + _held(all[1]), address(exchange).balance, "the rest is theirs");
        _refusedSession(terms, SessionState.Closed, SessionState.Closed);
        exchange.close(terms);
    }

    function test_aWinnerThatDoesNotClaimLosesItsDepositAndCompensation() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 2, SeatState.Answered);
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, all[0]);
        _refused(abi.encodeWithSelector(IReviewExchange.SeatHasWon.selector, _id(terms), _seat(all[0])));
        _release(terms, all[0], SeatState.Answered);
        _refused(abi.encodeWithSelector(IReviewExchange.SeatHasNotWon.selector, _id(terms), _seat(all[1])));
        _forfeit(terms, all[1], SeatState.Answered);
        vm.warp(_end(terms, 6));
        bytes memory early =
            abi.encodeWithSelector(IReviewExchange.TooEarly.selector, _id(terms), _end(terms, 6) + 1);
        _refused(early);
        _forfeit(terms, all[0], SeatState.Answered);
        _refused(early);
        exchange.close(terms);
        vm.warp(_end(terms, 6) + 1);
        _refused(abi.encodeWithSelector(IReviewExchange.TooLate.selector, _id(terms), _end(terms, 6)));
        _claim(terms, all[0]);
        uint256 before = COLLECTOR.balance;
        exchange.close(terms);
        _forfeit(terms, all[0], SeatState.Answered);
        _eq(COLLECTOR.balance - before, REWARD - COMPENSATION + DEPOSIT, "all but one compensation, and the deposit");
        _release(terms, all[1], SeatState.Answered);
        _eq(_held(all[1]), address(exchange).balance, "the other's");
    }

    function test_aNameForTheBestThatNeverAnsweredTakesNothingFromAnyone() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 2, SeatState.Reviewing);
        vm.warp(_end(terms, 3) + 1);
        _answer(terms, all[0]);
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, all[1]);
        _refused(
            abi.encodeWithSelector(
                IReviewExchange.SeatTransitionRefused.selector, _seat(all[1]), SeatState.Reviewing, SeatState.Answered
            )
        );
        _claim(terms, all[1]);
        vm.warp(_end(terms, 6) + 1);
        exchange.close(terms);
        _refused(abi.encodeWithSelector(IReviewExchange.SeatHasNotWon.selector, _id(terms), _seat(all[1])));
        _forfeit(terms, all[1], SeatState.Reviewing);
        _release(terms, all[0], SeatState.Answered);
        _release(terms, all[1], SeatState.Reviewing);
        _eq(_held(all[0]), DEPOSIT + COMPENSATION, "who answered");
        _eq(_held(all[1]), DEPOSIT, "who did not");
        _eq(address(exchange).balance, 2 * DEPOSIT + COMPENSATION, "covered");
    }

    function test_aSecondWinnerIsRefused() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 2, SeatState.Answered);
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, all[0]);
        _refusedSession(terms, SessionState.Won, SessionState.Won);
        _optimal(terms, all[1]);
    }

    function test_whoDidNotWinIsNotPaid() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 2, SeatState.Answered);
        vm.warp(_end(terms, 4) + 1);
        _refusedSession(terms, SessionState.Open, SessionState.Claimed);
        _claim(terms, all[1]);
        _optimal(terms, all[0]);
        _refused(abi.encodeWithSelector(IReviewExchange.SeatHasNotWon.selector, _id(terms), _seat(all[1])));
        _claim(terms, all[1]);
    }

    // ---- keys --------------------------------------------------------------------------------------

    function test_aMasterKeyOtherThanTheCommittedIsNotPaid() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _reach(terms, 1, SeatState.Answered)[0];
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, d);
        d.masterKey = keccak256("another");
        _mismatch(d);
        _claim(terms, d);
    }

    function test_aMasterKeyThatDoesNotDeriveTheSampledKeysIsNotPaid() public {
        Data memory d = _data(0, "data");
        // All keys are good ones, but none comes from the master key.
        for (uint256 i; i < SHARDS; ++i) d.keys[i] = keccak256(abi.encode("unrelated", i));
        _commit(d);
        IReviewExchange.Terms memory terms = _won(d);
        _mismatch(d);
        _claim(terms, d);
    }

    function test_oneKeyThatIsNotDerivedIsNoticedExactlyWhereItIsSampled() public {
        uint256 noticed;
        for (uint64 number; number < 3 * SHARDS; ++number) {
            Data memory d = _data(number, "data");
            d.number = number;
            uint256 shard = number % SHARDS;
            d.keys[shard] = keccak256("unrelated");
            _commit(d);
            IReviewExchange.Terms memory terms = _won(d);
            uint256[2] memory drawn = _drawn(d.seed);
            if (drawn[0] == shard || drawn[1] == shard) {
                ++noticed;
                _mismatch(d);
            }
            _claim(terms, d);
        }
        // Else this test would not have seen both.
        _true(noticed > 0 && noticed < 3 * SHARDS, "some of them");
    }

    function test_anAnswerOpensExactlyTheSampledShards() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _reach(terms, 1, SeatState.Reviewing)[0];
        vm.warp(_end(terms, 3) + 1);
        uint256[2] memory drawn = _drawn(d.seed);
        IReviewExchange.ShardOpening[] memory openings = _openings(d);
        (openings[0], openings[1]) = (openings[1], openings[0]);
        _refused(abi.encodeWithSelector(IReviewExchange.OpeningInvalid.selector, _seat(d), drawn[0]));
        _answerWith(terms, d, openings);
        openings = _openings(d);
        openings[1].key = keccak256("another");
        _refused(abi.encodeWithSelector(IReviewExchange.OpeningInvalid.selector, _seat(d), drawn[1]));
        _answerWith(terms, d, openings);
        _refused(abi.encodeWithSelector(IReviewExchange.OpeningsMiscounted.selector, _seat(d), 0, 2));
        _answerWith(terms, d, new IReviewExchange.ShardOpening[](0));
        _answer(terms, d);
        _true(_state(d) == SeatState.Answered, "the right ones");
    }

    // ---- sampling ----------------------------------------------------------------------------------

    function test_samplingNeedsTheCollectorItsSecretAndTheCommitment() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _reach(terms, 1, SeatState.Registered)[0];
        vm.warp(_end(terms, 0) + DELAY);
        _mismatch(d);
        _sampleWith(STRANGER, terms, d, SECRET);
        _mismatch(d);
        _sampleWith(COLLECTOR, terms, d, keccak256("guess"));
        IReviewExchange.Commitment memory right = d.commitment;
        d.commitment.shardRoot = keccak256("another");
        _mismatch(d);
        _sampleWith(COLLECTOR, terms, d, SECRET);
        d.commitment = right;
        d.commitment.shardRoot = d.nodes[1];
        _sample(terms, d);
        _true(_state(d) == SeatState.Sampled, "sampled");
        _refusedSeat(d, SeatState.Sampled, SeatState.Sampled);
        _sampleWith(COLLECTOR, terms, d, SECRET);
    }

    // ---- time --------------------------------------------------------------------------------------

    function test_eachStepHoldsToTheSecondsOfItsPhase() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _data(0, "data");
        _deposit(d, DEPOSIT);
        vm.warp(_end(terms, 0) + 1);
        _late(terms, 0);
        _register(terms, d);
        vm.warp(_end(terms, 0));
        _register(terms, d);
        vm.warp(_end(terms, 0) + DELAY - 1);
        _refused(abi.encodeWithSelector(IReviewExchange.TooEarly.selector, _id(terms), _end(terms, 0) + DELAY));
        _sampleWith(COLLECTOR, terms, d, SECRET);
        vm.warp(_end(terms, 1) + 1);
        _late(terms, 1);
        _sampleWith(COLLECTOR, terms, d, SECRET);
        vm.warp(_end(terms, 1));
        _sample(terms, d);
        vm.warp(_end(terms, 3) + 1);
        _late(terms, 3);
        _candidate(terms, d);
        vm.warp(_end(terms, 3));
        _candidate(terms, d);
        vm.warp(_end(terms, 3) + 1);
        _late(terms, 3);
        _review(terms, d);
        vm.warp(_end(terms, 3));
        _review(terms, d);
        _early(terms, 3);
        _answer(terms, d);
        vm.warp(_end(terms, 4) + 1);
        _late(terms, 4);
        _answer(terms, d);
        vm.warp(_end(terms, 4));
        _answer(terms, d);
        _early(terms, 4);
        _optimal(terms, d);
        vm.warp(_end(terms, 5) + 1);
        _late(terms, 5);
        _optimal(terms, d);
        vm.warp(_end(terms, 5));
        _optimal(terms, d);
        vm.warp(_end(terms, 6));
        _claim(terms, d);
    }

    function test_accusationsHaveTheirSecondsToo() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data[] memory all = _reach(terms, 2, SeatState.Sampled);
        vm.warp(_end(terms, 2));
        _early(terms, 2);
        _accuse(terms, all[0]);
        vm.warp(_end(terms, 2) + PHASE / 2 + 1);
        _refused(abi.encodeWithSelector(IReviewExchange.TooLate.selector, _id(terms), _end(terms, 2) + PHASE / 2));
        _accuse(terms, all[0]);
        vm.warp(_end(terms, 2) + PHASE / 2);
        for (uint256 i; i < 2; ++i) _accuse(terms, all[i]);
        vm.warp(_end(terms, 3));
        _early(terms, 3);
        _forfeit(terms, all[0], SeatState.Accused);
        _deliver(terms, all[1]);
        vm.warp(_end(terms, 3) + 1);
        _late(terms, 3);
        _deliver(terms, all[0]);
        _refusedSeat(all[0], SeatState.Accused, SeatState.Idle);
        _release(terms, all[0], SeatState.Accused);
        uint256 before = COLLECTOR.balance;
        _forfeit(terms, all[0], SeatState.Accused);
        _eq(COLLECTOR.balance - before, DEPOSIT, "the deposit of one that was silent");
        _release(terms, all[1], SeatState.Delivered);
        _eq(_held(all[1]), DEPOSIT, "the deposit of one that delivered");
    }

    function test_registrationsThatGoNoFurtherAreReleasedAfterTheirPhase() public {
        SeatState[6] memory states = [
            SeatState.Registered,
            SeatState.Sampled,
            SeatState.Delivered,
            SeatState.Candidate,
            SeatState.Reviewing,
            SeatState.Reviewing
        ];
        uint256[6] memory phases = [uint256(1), 3, 3, 3, 4, 4];
        for (uint256 i; i < 6; ++i) {
            IReviewExchange.SessionRequest memory request = _request();
            request.descriptionHash = keccak256("description");
            IReviewExchange.Terms memory terms = _open(request);
            Data memory d = _reach(terms, 1, states[i])[0];
            vm.warp(_end(terms, phases[i]));
            _early(terms, phases[i]);
            _release(terms, d, states[i]);
            vm.warp(_end(terms, phases[i]) + 1);
            _release(terms, d, states[i]);
            _eq(_held(d), DEPOSIT, "the deposit");
            vm.prank(d.provider);
            exchange.withdraw(0, DEPOSIT);
        }
    }

    // ---- who and what ------------------------------------------------------------------------------

    function test_factsOfOneSeatOrSessionAreNothingToAnother() public {
        IReviewExchange.Terms memory terms = _open(_request());
        IReviewExchange.SessionRequest memory twin = _request();
        twin.reward += 1;
        IReviewExchange.Terms memory other = _open(twin);
        Data[] memory all = _reach(terms, 2, SeatState.Candidate);
        _mismatch(all[0]);
        _review(other, all[0]);
        (bytes32 seed, address provider) = (all[0].seed, all[1].provider);
        all[1].seed = seed;
        _mismatch(all[1]);
        _review(terms, all[1]);
        all[0].provider = provider;
        _mismatch(all[0]);
        _review(terms, all[0]);
    }

    function test_onlyTheCollectorAccusesNamesAndReviews() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _reach(terms, 1, SeatState.Candidate)[0];
        _mismatch(d);
        vm.prank(STRANGER);
        exchange.reviewSample(terms.schedule, _conditions(terms), _seat(d), _facts(d, SeatState.Candidate));
    }

    function test_deliveredFeaturesAreTheOnesThatCount() public {
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _reach(terms, 1, SeatState.Delivered)[0];
        d.features = keccak256("others");
        _mismatch(d);
        _candidate(terms, d);
        d.features = FEATURES;
        _candidate(terms, d);
    }

    function test_answersAreTakenWhileTheRewardPaysForThem() public {
        IReviewExchange.SessionRequest memory request = _request();
        request.samplingBps = 5000;
        IReviewExchange.Terms memory terms = _open(request);
        Data[] memory all = _reach(terms, 3, SeatState.Reviewing);
        vm.warp(_end(terms, 3) + 1);
        _answer(terms, all[0]);
        _answer(terms, all[1]);
        _refused(abi.encodeWithSelector(IReviewExchange.AnswersExhausted.selector, _id(terms), 2));
        _answer(terms, all[2]);
    }

    function test_aRegistrationNeedsAnOpenSessionItsDepositAndEnoughShards() public {
        IReviewExchange.Terms memory terms = _terms(COLLECTOR, _request());
        Data memory d = _data(0, "data");
        _deposit(d, DEPOSIT - 1);
        _refusedSession(terms, SessionState.None, SessionState.Open);
        _register(terms, d);
        _open(_request());
        _refused(
            abi.encodeWithSelector(
                IReviewExchange.DepositMismatch.selector, _seat(d), address(0), DEPOSIT - 1, DEPOSIT
            )
        );
        _register(terms, d);
        _deposit(d, 1);
        d.commitment.shardCount = 3;
        _refused(abi.encodeWithSelector(IReviewExchange.TooFewShards.selector, _id(terms), 3, 4));
        _register(terms, d);
        d.commitment.shardCount = 4;
        _register(terms, d);
        _refusedSeat(d, SeatState.Registered, SeatState.Registered);
        _register(terms, d);
        _refusedSeat(d, SeatState.Registered, SeatState.Idle);
        vm.prank(d.provider);
        exchange.deposit{value: 1}(0);
        _refusedSeat(d, SeatState.Registered, SeatState.Idle);
        vm.prank(d.provider);
        exchange.withdraw(0, 1);
    }

    function test_theSameTermsOpenOnce() public {
        IReviewExchange.Terms memory terms = _open(_request());
        _refusedSession(terms, SessionState.Open, SessionState.Open);
        _open(_request());
    }
}
