// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {Reenterer, Refuser} from "./Accounts.sol";
import {DisputesTest} from "./DisputesTest.sol";
import {PlainToken} from "./HostileTokens.sol";

/// @notice What disputes pay, to accounts that refuse money or call back, and in tokens.
contract DisputePaymentsTest is DisputesTest {
    function test_aBuyerThatCallsBackIsPaidOnceForEachChallenge() public {
        _fund(); // money of another job is in the escrow
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), 1 ether);
        Told memory told = _tellTo(address(thief), _shared(BITS, 2, 1));
        _challenge(told, 1, 0);
        _challenge(told, 2, 0);
        bytes memory first = abi.encodeCall(disputes.expose, (told.terms, told.outcome, 1, 0));
        thief.prepare(address(disputes), first);
        thief.prepare(address(escrow), abi.encodeCall(escrow.refund, (told.terms)));
        vm.warp(START + RESPONSE + 1);
        _expose(told, 1, 0);
        _true(!thief.successes(0) && !thief.successes(1), "a call back succeeded");
        _true(bytes4(thief.answers(0)) == IDisputes.NoChallenge.selector, "the challenge was gone");
        _eq(address(thief).balance, 1 ether - CHALLENGE_FEE + BOND / 10, "price, one fee, one tenth");
        _eq(address(disputes).balance, CHALLENGE_FEE, "the other challenge's fee");
        _expose(told, 2, 0);
        _eq(address(thief).balance, 1 ether + 2 * (BOND / 10), "the other's");
        _eq(address(escrow).balance, _price(1), "the other job's money stays");
    }

    function test_aBuyerThatCallsBackIsRefundedOnceByAContest() public {
        _fund(); // money of another job is in the escrow
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), 1 ether);
        Shares memory shares = _shared(BITS, 2, 1);
        _bend(shares, 1, 0, 1);
        Told memory told = _tellTo(address(thief), shares);
        thief.prepare(
            address(disputes),
            abi.encodeCall(
                disputes.contest, (told.terms, told.outcome, told.parts, 0, 0, _openings(told, 0))
            )
        );
        _contest(told, 0, 0);
        _eq(thief.attempts(), 1, "it did try");
        _true(bytes4(thief.answers(0)) == IDisputes.ChallengeWindowClosed.selector, "refunded before");
        _eq(address(thief).balance, 1 ether, "once");
        _eq(address(escrow).balance, _price(1), "the other job's money stays");
    }

    /// Nobody but the operator itself is hurt: the buyer gets its money back after the time for an answer.
    function test_anOperatorThatTakesNoFeeCannotAnswer() public {
        members[2] = address(new Refuser());
        keys[2] = 0x2003;
        vm.deal(members[2], BOND);
        _register(members[2], keys[2]);
        operators.createSet(members);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.approve(_set(), ALGORITHM);
        }
        Told memory told = _tell(_shared(BITS, 2, 1));
        _challenge(told, 3, 0);
        IDisputes.ChunkOpening memory opening = _opening(told, 3, 0);
        vm.expectRevert(
            abi.encodeWithSelector(Payments.PaymentFailed.selector, members[2], uint256(CHALLENGE_FEE))
        );
        disputes.respond(told.terms, told.outcome, told.parts, 3, 0, opening);
        _eq(disputes.openChallenges(told.job), 1, "still open");
        vm.warp(START + RESPONSE + 1);
        _expose(told, 3, 0);
        _eq(BUYER.balance, 100 ether + BOND / 10, "all of it");
    }

    /// The refund is paid out at once, so a buyer that refuses it holds up what it asked for itself: nothing is lost,
    /// and nothing is paid to anybody else.
    function test_aBuyerThatTakesNoMoneyHoldsUpItsOwnDispute() public {
        address refuser = address(new Refuser());
        vm.deal(refuser, 1 ether);
        Told memory told = _tellTo(refuser, _shared(BITS, 2, 1));
        _challenge(told, 1, 0);
        vm.warp(START + WINDOW + RESPONSE + 1);
        vm.expectRevert(abi.encodeWithSelector(Payments.PaymentFailed.selector, refuser, _price(1)));
        disputes.expose(told.terms, told.outcome, 1, 0);
        _eq(_state(told.job), JobState.Disputed);
        _eq(address(escrow).balance, _price(1), "the price");
        _eq(address(disputes).balance, CHALLENGE_FEE, "the fee");
        _bondsStand();
    }

    function test_theBuyerOfATokenJobGetsTokensAndItsFeeInEth() public {
        PlainToken token = new PlainToken();
        token.mint(BUYER, _price(1));
        Told memory told = _tokenJob(token);
        _eq(token.balanceOf(address(escrow)), _price(1), "paid in");
        _challenge(told, 1, 0);
        vm.warp(START + RESPONSE + 1);
        _expose(told, 1, 0);
        _eq(token.balanceOf(BUYER), _price(1), "the price in the token");
        _eq(BUYER.balance, 100 ether + BOND / 10, "fee and reward in ETH");
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
        told.outcome.resultRoot = keccak256(abi.encode(told.parts));
        _attest(told.terms, IJobEscrow.Attestation(told.job, told.outcome.resultRoot, PAYOUTS, 0));
    }
}
