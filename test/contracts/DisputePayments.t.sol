// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {Reenterer, Refuser} from "./Accounts.sol";
import {DisputesTest} from "./DisputesTest.sol";
import {BrokenToken, PlainToken} from "./HostileTokens.sol";

/// @notice What disputes pay, to accounts that refuse money or call back, and in tokens.
contract DisputePaymentsTest is DisputesTest {
    /// It is called when it is offered its tenth of the bond: by then all is written.
    function test_aBuyerThatCallsBackIsPaidOnceForEachChallenge() public {
        _fund(); // money of another job is in the escrow
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), 1 ether);
        Told memory told = _tellTo(address(thief), _shared(BITS, 2, 1));
        _challenge(told, 1, 0);
        _challenge(told, 2, 0);
        thief.prepare(address(disputes), abi.encodeCall(disputes.expose, (told.terms, told.outcome, 1, 0)));
        thief.prepare(address(escrow), abi.encodeCall(escrow.accept, (told.job, told.outcome)));
        vm.warp(START + RESPONSE + 1);
        _expose(told, 1, 0);
        _true(!thief.successes(0) && !thief.successes(1), "a call back succeeded");
        _true(bytes4(thief.answers(0)) == IDisputes.NoChallenge.selector, "the challenge was gone");
        _true(bytes4(thief.answers(1)) == IJobEscrow.TransitionRefused.selector, "the job has failed");
        _eq(address(disputes).balance, 2 * CHALLENGE_FEE, "one is the buyer's, one of the other challenge");
        _fetch(told);
        _eq(address(thief).balance, 1 ether - CHALLENGE_FEE + BOND / 10, "price, one fee, one tenth");
        _eq(address(disputes).balance, CHALLENGE_FEE, "the other challenge's fee");
        _expose(told, 2, 0);
        disputes.withdrawFees(address(thief));
        _eq(address(thief).balance, 1 ether + 2 * (BOND / 10), "the other's");
        _eq(address(escrow).balance, _price(1), "the other job's money stays");
    }

    function test_aBuyerThatCallsBackWithdrawsItsFeesOnce() public {
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), 1 ether);
        Told memory told = _tellTo(address(thief), _shared(BITS, 2, 1));
        _challenge(told, 1, 0);
        Told memory other = _tell(_shared(BITS, 2, 2));
        _challenge(other, 1, 0);
        vm.warp(START + RESPONSE + 1);
        // The bond is gone before, so that the first payment to the buyer is that of its fees.
        _expose(other, 1, 0);
        _expose(told, 1, 0);
        thief.prepare(address(disputes), abi.encodeCall(disputes.withdrawFees, (address(thief))));
        disputes.withdrawFees(address(thief));
        _eq(thief.attempts(), 1, "it did try");
        _eq(address(thief).balance, 1 ether - _price(1), "one fee");
        _eq(address(disputes).balance, CHALLENGE_FEE, "the other buyer's stays");
        _eq(disputes.returnedFeesWei(address(thief)), 0, "nothing is left");
    }

    /// It is paid for its answer after the window, and would settle before anybody has looked.
    function test_anOperatorThatCallsBackDoesNotSettle() public {
        Reenterer thief = new Reenterer();
        _thirdIs(address(thief));
        Told memory told = _tell(_shared(BITS, 2, 1));
        vm.warp(START + WINDOW);
        _challenge(told, 3, 0);
        thief.prepare(address(escrow), abi.encodeCall(escrow.settle, (told.job, told.outcome)));
        vm.warp(START + WINDOW + RESPONSE);
        _respond(told, 3, 0);
        _eq(thief.attempts(), 1, "it did try");
        _true(bytes4(thief.answers(0)) == IJobEscrow.AnswerOpen.selector, "held up before it was paid");
        _eq(_state(told.job), JobState.Disputed);
    }

    function test_aContestPaysNobody() public {
        address refuser = address(new Refuser());
        vm.deal(refuser, 1 ether);
        Shares memory shares = _shared(BITS, 2, 1);
        _bend(shares, 1, 0, 1);
        Told memory told = _tellTo(refuser, shares);
        _contest(told, 0, 0);
        _eq(_state(told.job), JobState.Failed);
        _eq(address(escrow).balance, _price(1), "the price waits for its buyer");
    }

    /// Nobody but the operator itself is hurt: the buyer gets its money back after the time for an answer.
    function test_anOperatorThatTakesNoFeeCannotAnswer() public {
        _thirdIs(address(new Refuser()));
        Told memory told = _tell(_shared(BITS, 2, 1));
        _challenge(told, 3, 0);
        IDisputes.ChunkOpening memory opening = _opening(told, 3, 0);
        vm.expectRevert(
            abi.encodeWithSelector(Payments.PaymentFailed.selector, members[2], uint256(CHALLENGE_FEE))
        );
        disputes.respond(told.terms, told.outcome, told.parts, 3, 0, opening);
        _eq(disputes.heldUntilSec(told.job), type(uint256).max, "still open");
        vm.warp(START + RESPONSE + 1);
        _expose(told, 3, 0);
        _fetch(told);
        _eq(BUYER.balance, 100 ether + BOND / 10, "all of it");
    }

    /// The bond goes all the same, and nobody else waits: what is the buyer's waits for it.
    function test_aBuyerThatTakesNoMoneySavesNoOperator() public {
        address refuser = address(new Refuser());
        vm.deal(refuser, 1 ether);
        Told memory told = _tellTo(refuser, _shared(BITS, 2, 1));
        _challenge(told, 1, 0);
        vm.warp(START + WINDOW + RESPONSE + 1);
        _expose(told, 1, 0);
        _eq(_state(told.job), JobState.Failed);
        _eq(operators.operators(members[0]).bondWei, 0, "slashed");
        _eq(refuser.balance, 1 ether - _price(1) - CHALLENGE_FEE, "it took nothing");
        _eq(address(0xdEaD).balance, BOND, "and its tenth is burnt");
        vm.expectRevert(abi.encodeWithSelector(Payments.PaymentFailed.selector, refuser, _price(1)));
        escrow.refund(told.terms);
        vm.expectRevert(
            abi.encodeWithSelector(Payments.PaymentFailed.selector, refuser, uint256(CHALLENGE_FEE))
        );
        disputes.withdrawFees(refuser);
        vm.etch(refuser, "");
        _fetch(told);
        _eq(refuser.balance, 1 ether, "until it takes it");
    }

    /// Whoever exposes pays for no more gas than for another buyer.
    function test_aBuyerThatBurnsGasSavesNoOperator() public {
        address burner = address(new Refuser());
        vm.deal(burner, 1 ether);
        Told memory told = _tellTo(burner, _shared(BITS, 2, 1));
        _challenge(told, 1, 0);
        vm.warp(START + RESPONSE + 1);
        // A loop without end: jumpdest, push 0, jump.
        vm.etch(burner, hex"5b5f56");
        disputes.expose{gas: 800_000}(told.terms, told.outcome, 1, 0);
        _eq(operators.operators(members[0]).bondWei, 0, "slashed");
        _eq(address(0xdEaD).balance, BOND, "all of it burnt");
    }

    /// A token that pays its buyer no more holds up the refund alone.
    function test_aBuyerThatATokenBlocksSavesNoOperator() public {
        BrokenToken token = new BrokenToken();
        token.mint(BUYER, _price(1));
        Told memory told = _tokenJob(token);
        _challenge(told, 1, 0);
        vm.warp(START + RESPONSE + 1);
        token.setBroken(true);
        _expose(told, 1, 0);
        _eq(operators.operators(members[0]).bondWei, 0, "slashed");
        _eq(_state(told.job), JobState.Failed);
        (bool success,) = address(escrow).call(abi.encodeCall(escrow.refund, (told.terms)));
        _true(!success, "the token pays nothing now");
        token.setBroken(false);
        escrow.refund(told.terms);
        _eq(token.balanceOf(BUYER), _price(1), "the price");
    }

    function test_theBuyerOfATokenJobGetsTokensAndItsFeeInEth() public {
        PlainToken token = new PlainToken();
        token.mint(BUYER, _price(1));
        Told memory told = _tokenJob(token);
        _eq(token.balanceOf(address(escrow)), _price(1), "paid in");
        _challenge(told, 1, 0);
        vm.warp(START + RESPONSE + 1);
        _expose(told, 1, 0);
        _fetch(told);
        _eq(token.balanceOf(BUYER), _price(1), "the price in the token");
        _eq(BUYER.balance, 100 ether + BOND / 10, "fee and reward in ETH");
    }

    /// A new set, whose third operator is this account.
    function _thirdIs(address operator) private {
        members[2] = operator;
        keys[2] = 0x2003;
        vm.deal(operator, BOND);
        _register(operator, keys[2]);
        operators.createSet(members);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.approve(_set(), ALGORITHM);
        }
    }

    function _tokenJob(PlainToken token) private returns (Told memory told) {
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.acceptToken(address(token), FEE);
        }
        vm.prank(BUYER);
        token.approve(address(escrow), _price(1));
        told.shares = _shared(BITS, 2, 1);
        IOfferRegistry.Rules memory rules;
        rules.token = address(token);
        IJobEscrow.JobRequest memory request = _over(_offeredUnder(SELLER, rules, EXACT));
        request.token = address(token);
        told.terms = _terms(BUYER, request, _price(1));
        vm.prank(BUYER);
        told.job = escrow.createJob(request);
        _join(told.terms);
        told.parts = _partsOf(told.job, told.shares);
        told.outcome = _outcome(told.terms, PAYOUTS);
        told.outcome.resultRoot = _resultRoot(told.parts);
        _attest(told.terms, told.parts, PAYOUTS);
    }
}
