// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IReviewExchange} from "../../contracts/interfaces/IReviewExchange.sol";
import {SeatState} from "../../contracts/libraries/ExchangeStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {Reenterer} from "./Accounts.sol";
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
        HookToken token = new HookToken();
        token.mint(COLLECTOR, REWARD);
        vm.prank(COLLECTOR);
        token.approve(address(exchange), REWARD);
        IReviewExchange.SessionRequest memory request = _request();
        request.token = address(token);
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
        HookToken token = new HookToken();
        token.mint(COLLECTOR, REWARD);
        vm.prank(COLLECTOR);
        token.approve(address(exchange), REWARD);
        IReviewExchange.SessionRequest memory request = _request();
        request.token = address(token);
        IReviewExchange.Terms memory terms = _open(request);
        vm.warp(_end(terms, 5) + 1);
        _arm(token);
        exchange.close(terms);
        _guarded(token);
        _eq(token.balanceOf(COLLECTOR), REWARD, "back");
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
