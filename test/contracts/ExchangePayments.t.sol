// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {SeatState, SessionState} from "../../contracts/libraries/ExchangeStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {Reenterer, Refuser} from "./Accounts.sol";
import {ExchangeTest} from "./ExchangeTest.sol";
import {FalseToken, FeeToken, HookToken, PlainToken, SilentToken} from "./HostileTokens.sol";

/// @notice Money in and out: receivers and tokens that call back, and tokens that misbehave.
contract ExchangePaymentsTest is ExchangeTest {
    function test_aPaidAccountThatCallsBackGetsNothingMore() public {
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), 100);
        vm.deal(address(exchange), 1000);
        thief.execute(address(exchange), 100, abi.encodeCall(IReviewExchange.deposit, (0)));
        thief.prepare(address(exchange), abi.encodeCall(IReviewExchange.withdraw, (0, 100)));
        thief.prepare(address(exchange), abi.encodeCall(IReviewExchange.withdraw, (0, 0)));
        thief.execute(address(exchange), 0, abi.encodeCall(IReviewExchange.withdraw, (0, 100)));
        _eq(address(thief).balance, 100, "its own");
        _eq(thief.attempts(), 2, "it tried");
        for (uint256 i; i < 2; ++i) _true(!thief.successes(i), "refused");
    }

    function test_tokensAreTakenAndPaidAlsoByTokensThatReturnNothing() public {
        _depositToken(address(new PlainToken()), "");
        _depositToken(address(new SilentToken()), "");
    }

    function test_tokensThatTakeAFeeOrSayFalseAreRefused() public {
        address fee = address(new FeeToken());
        _depositToken(fee, abi.encodeWithSelector(Payments.TokenShort.selector, fee, 99, 100));
        address no = address(new FalseToken());
        _depositToken(no, abi.encodeWithSignature("SafeERC20FailedOperation(address)", no));
    }

    function test_aTokenThatCallsBackIsRefusedByTheGuard() public {
        HookToken token = new HookToken();
        _arm(token);
        _depositToken(address(token), "");
        _guarded(token);
    }

    function test_noPaymentInATokenCanBeEnteredAgain() public {
        (HookToken token, IReviewExchange.SessionRequest memory request) = _inToken();
        _arm(token);
        IReviewExchange.Terms memory terms = _open(request);
        _guarded(token);

        Data[2] memory all = [_data(0, "data"), _data(1, "data")];
        for (uint256 i; i < 2; ++i) _registerWith(token, terms, all[i]);
        vm.warp(_end(terms, 0) + DELAY);
        for (uint256 i; i < 2; ++i) _sample(terms, all[i]);
        _candidate(terms, all[0]);
        _review(terms, all[0]);
        vm.warp(_end(terms, 2) + 1);
        _accuse(terms, all[1]);
        vm.warp(_end(terms, 3) + 1);
        _arm(token);
        _forfeit(terms, all[1], SeatState.Accused);
        _guarded(token);
        _answer(terms, all[0]);
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, all[0]);
        _arm(token);
        _claim(terms, all[0]);
        _guarded(token);
        _eq(token.balanceOf(all[0].provider), REWARD + DEPOSIT, "the winner's");
        _eq(token.balanceOf(COLLECTOR), DEPOSIT, "the collector's");
        _eq(token.balanceOf(address(exchange)), 0, "nothing stays");
    }

    function test_aRefundInATokenCannotBeEnteredAgain() public {
        (HookToken token, IReviewExchange.SessionRequest memory request) = _inToken();
        IReviewExchange.Terms memory terms = _open(request);
        vm.warp(_end(terms, 5) + 1);
        _arm(token);
        exchange.close(terms);
        _guarded(token);
        _eq(token.balanceOf(COLLECTOR), REWARD, "back");
    }

    // ---- what is read in the middle of a payment -----------------------------------------------------

    function test_aClaimIsWrittenBeforeItIsPaid() public {
        Reenterer winner = new Reenterer();
        providers[0] = address(winner);
        vm.deal(address(winner), DEPOSIT);
        IReviewExchange.Terms memory terms = _open(_request());
        Data memory d = _reach(terms, 1, SeatState.Answered)[0];
        vm.warp(_end(terms, 4) + 1);
        _optimal(terms, d);
        winner.prepare(address(exchange), abi.encodeCall(IReviewExchange.sessionOf, (_id(terms))));
        winner.prepare(address(exchange), abi.encodeCall(IReviewExchange.seatOf, (_seat(d))));
        _claim(terms, d);
        _inSession(winner.answers(0), SessionState.Claimed);
        _idle(winner.answers(1), 0);
    }

    function test_aRewardIsTakenAndGivenBackOnlyOnceItIsWritten() public {
        (HookToken token, IReviewExchange.SessionRequest memory request) = _inToken();
        bytes memory reading = abi.encodeCall(IReviewExchange.sessionOf, (_id(_terms(COLLECTOR, request))));
        token.prepare(address(exchange), reading);
        IReviewExchange.Terms memory terms = _open(request);
        _inSession(token.result(), SessionState.Open);
        vm.warp(_end(terms, 5) + 1);
        token.prepare(address(exchange), reading);
        exchange.close(terms);
        _inSession(token.result(), SessionState.Closed);
    }

    function test_aDepositIsTakenGivenBackAndForfeitOnlyOnceItIsWritten() public {
        (HookToken token, IReviewExchange.SessionRequest memory request) = _inToken();
        IReviewExchange.Terms memory terms = _open(request);
        Data memory d = _data(0, "data");
        bytes memory reading = abi.encodeCall(IReviewExchange.seatOf, (_seat(d)));
        token.mint(d.provider, DEPOSIT + 1);
        vm.prank(d.provider);
        token.approve(address(exchange), DEPOSIT + 1);
        token.prepare(address(exchange), reading);
        vm.prank(d.provider);
        exchange.depositToken(0, address(token), DEPOSIT + 1);
        _idle(token.result(), DEPOSIT + 1);
        token.prepare(address(exchange), reading);
        vm.prank(d.provider);
        exchange.withdraw(0, 1);
        _idle(token.result(), DEPOSIT);
        _register(terms, d);
        vm.warp(_end(terms, 0) + DELAY);
        _sample(terms, d);
        vm.warp(_end(terms, 2) + 1);
        _accuse(terms, d);
        vm.warp(_end(terms, 3) + 1);
        token.prepare(address(exchange), reading);
        _forfeit(terms, d, SeatState.Accused);
        _idle(token.result(), 0);
    }

    function test_nothingIsTakenOrPaidWithoutACall() public {
        HookToken token = new HookToken();
        _arm(token);
        vm.prank(providers[0]);
        exchange.depositToken(0, address(token), 0);
        vm.prank(providers[0]);
        exchange.withdraw(0, 0);
        _true(!token.called(), "the token was called");
        address refuser = address(new Refuser());
        vm.prank(refuser);
        exchange.deposit(0);
        vm.prank(refuser);
        exchange.withdraw(0, 0);
    }

    function test_aDepositThatDoesNotFitIsRefused() public {
        Data memory d = _data(0, "data");
        vm.deal(d.provider, 1 << 90);
        _deposit(d, 5);
        uint256 room = uint256(type(uint88).max) - 5;
        _refused(abi.encodeWithSelector(IReviewExchange.DepositTooLarge.selector, _seat(d), room + 1));
        _deposit(d, room + 1);
        _deposit(d, room);
        _eq(_held(d), type(uint88).max, "the largest deposit");
        vm.prank(d.provider);
        exchange.withdraw(0, type(uint88).max);
        _eq(d.provider.balance, 1 << 90, "all of it back");
    }

    function test_aDepositInAnotherTokenIsNone() public {
        IReviewExchange.SessionRequest memory request = _request();
        PlainToken token = new PlainToken();
        token.mint(COLLECTOR, REWARD);
        vm.prank(COLLECTOR);
        token.approve(address(exchange), REWARD);
        request.token = address(token);
        IReviewExchange.Terms memory terms = _open(request);
        Data memory d = _data(0, "data");
        _deposit(d, DEPOSIT);
        _refused(
            abi.encodeWithSelector(
                IReviewExchange.DepositMismatch.selector, _seat(d), address(0), DEPOSIT, DEPOSIT
            )
        );
        _register(terms, d);
    }

    function test_aSeatHoldsOneToken() public {
        Data memory d = _data(0, "data");
        _deposit(d, 5);
        vm.prank(d.provider);
        _refused(
            abi.encodeWithSelector(IReviewExchange.TokenMismatch.selector, _seat(d), address(0), address(0x7))
        );
        exchange.depositToken(0, address(0x7), 5);
        vm.prank(d.provider);
        _refused(abi.encodeWithSelector(IReviewExchange.DepositTooSmall.selector, _seat(d), 5, 6));
        exchange.withdraw(0, 6);
    }

    /// A token that the collector has a reward of, and a request in it.
    function _inToken() private returns (HookToken token, IReviewExchange.SessionRequest memory request) {
        token = new HookToken();
        token.mint(COLLECTOR, REWARD);
        vm.prank(COLLECTOR);
        token.approve(address(exchange), REWARD);
        request = _request();
        request.token = address(token);
    }

    function _inSession(bytes memory answer, SessionState expected) private pure {
        (SessionState state,,) = abi.decode(answer, (SessionState, uint256, uint256));
        _eq(uint256(state), uint256(expected), "state of the session");
    }

    function _idle(bytes memory answer, uint256 expected) private pure {
        (SeatState state,,, uint256 amount) = abi.decode(answer, (SeatState, uint248, address, uint256));
        _true(state == SeatState.Idle, "state of the seat");
        _eq(amount, expected, "what the seat holds");
    }

    function _registerWith(HookToken token, IReviewExchange.Terms memory terms, Data memory d) private {
        token.mint(d.provider, DEPOSIT);
        vm.prank(d.provider);
        token.approve(address(exchange), DEPOSIT);
        vm.prank(d.provider);
        exchange.depositToken(d.number, address(token), DEPOSIT);
        _register(terms, d);
    }

    /// Lets the next transfer call the exchange.
    function _arm(HookToken token) private {
        token.prepare(address(exchange), abi.encodeCall(IReviewExchange.withdraw, (0, 0)));
    }

    function _guarded(HookToken token) private view {
        _true(token.called(), "it tried");
        _true(
            keccak256(token.result()) == keccak256(abi.encodeWithSignature("ReentrancyGuardReentrantCall()")),
            "the guard"
        );
    }

    function _depositToken(address token, bytes memory refusal) private {
        PlainToken(token).mint(providers[0], 100);
        vm.prank(providers[0]);
        try PlainToken(token).approve(address(exchange), 100) {} catch {}
        if (refusal.length != 0) _refused(refusal);
        vm.prank(providers[0]);
        exchange.depositToken(0, token, 100);
        if (refusal.length != 0) return;
        _eq(PlainToken(token).balanceOf(address(exchange)), 100, "in");
        vm.prank(providers[0]);
        exchange.withdraw(0, 100);
        _eq(PlainToken(token).balanceOf(providers[0]), 100, "out");
    }
}
