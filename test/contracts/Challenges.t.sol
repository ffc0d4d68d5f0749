// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {DisputesTest} from "./DisputesTest.sol";

/// @notice An operator that keeps its share back is asked for a chunk: it posts it and is paid, or loses its bond.
contract ChallengesTest is DisputesTest {
    uint256 private constant DUE = START + RESPONSE;

    function _plain() private returns (Told memory) {
        return _tell(_shared(BITS, TOTAL, 1));
    }

    // ---- asking ------------------------------------------------------------------------------------

    function test_aChallengeSuspendsTheJobAndHoldsTheFee() public {
        Told memory told = _plain();
        vm.expectEmit();
        emit IDisputes.ChunkChallenged(told.job, members[1], 2, 1, DUE);
        vm.expectEmit();
        emit IJobEscrow.JobDisputed(told.job);
        _challenge(told, 2, 1);
        _eq(_state(told.job), JobState.Disputed);
        _eq(disputes.heldUntilSec(told.job), type(uint256).max, "open");
        _eq(disputes.dueSec(told.job, 2, 1), DUE, "due");
        _eq(disputes.dueSec(told.job, 1, 1) + disputes.dueSec(told.job, 2, 0), 0, "nothing else");
        _eq(address(disputes).balance, CHALLENGE_FEE, "the fee");
        IJobEscrow.Job memory stored = escrow.jobOf(told.job);
        _eq(stored.unclaimed, _price(1), "the money stays");
        _eq(stored.windowEndSec, START + WINDOW, "and so does the window");
    }

    function test_onlyTheBuyerAsksWithinTheWindowForTheFee() public {
        Told memory told = _plain();
        vm.deal(STRANGER, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NotBuyer.selector, told.job, STRANGER));
        vm.prank(STRANGER);
        disputes.challenge{value: CHALLENGE_FEE}(told.terms, told.outcome, told.parts, 1, 0);
        uint256[2] memory wrong = [uint256(0), CHALLENGE_FEE - 1];
        for (uint256 i; i < 2; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDisputes.FeeTooSmall.selector, wrong[i], CHALLENGE_FEE));
            vm.prank(BUYER);
            disputes.challenge{value: wrong[i]}(told.terms, told.outcome, told.parts, 1, 0);
        }
        Told memory other = _tell(_shared(BITS, TOTAL, 2));
        bytes memory closed =
            abi.encodeWithSelector(IDisputes.ChallengeWindowClosed.selector, told.job, START + WINDOW);
        vm.warp(START + WINDOW);
        _challenge(told, 1, 0);
        vm.warp(START + WINDOW + 1);
        // Neither a first one nor one more.
        _refused(told, 1, 1, closed);
        _refused(
            other,
            1,
            1,
            abi.encodeWithSelector(IDisputes.ChallengeWindowClosed.selector, other.job, START + WINDOW)
        );
        vm.prank(BUYER);
        escrow.accept(other.job, other.outcome);
    }

    function test_whatIsAskedForMustBeThere() public {
        Told memory told = _plain();
        _refused(told, 1, 3, abi.encodeWithSelector(IDisputes.ChunkOutOfRange.selector, 3, 3));
        _refused(told, 0, 0, abi.encodeWithSelector(IDisputes.PointInvalid.selector, 0));
        _refused(told, 4, 0, abi.encodeWithSelector(IDisputes.PointInvalid.selector, 4));
        told.parts.total += 64;
        _refused(told, 1, 3, abi.encodeWithSelector(IDisputes.PartsMismatch.selector, told.job));
        told.parts.total -= 64;
        told.outcome.payoutRoot = 0;
        _refused(told, 1, 0, abi.encodeWithSelector(IDisputes.OutcomeMismatch.selector, told.job));
    }

    /// Asking for it again would make the operator pay for answers until it has nothing left to pay with.
    function test_aChunkIsAskedForOnceForEver() public {
        Told memory told = _plain();
        bytes memory asked = abi.encodeWithSelector(IDisputes.AlreadyChallenged.selector, told.job, 1, 0);
        _challenge(told, 1, 0);
        _refused(told, 1, 0, asked);
        _challenge(told, 1, 1);
        _challenge(told, 2, 0);
        _respond(told, 1, 0);
        _eq(disputes.dueSec(told.job, 1, 0), 0, "over");
        _refused(told, 1, 0, asked);
        _respond(told, 1, 1);
        _eq(disputes.heldUntilSec(told.job), type(uint256).max, "one is open");
        _respond(told, 2, 0);
        _eq(disputes.heldUntilSec(told.job), START + RESPONSE, "none is");
        _refused(told, 1, 0, asked);
    }

    function test_whoIsAskedForMuchHasAMinuteForEachChunk() public {
        Told memory told = _plain();
        for (uint32 chunk; chunk < 3; ++chunk) {
            vm.expectEmit();
            emit IDisputes.ChunkChallenged(told.job, members[0], 1, chunk, DUE + 60 * chunk);
            _challenge(told, 1, chunk);
        }
        // The other parties' time is their own, and so is that of other jobs.
        _challenge(told, 2, 2);
        _eq(disputes.dueSec(told.job, 2, 2), DUE, "another party");
        Told memory other = _tell(_shared(BITS, TOTAL, 2));
        _challenge(other, 1, 0);
        _eq(disputes.dueSec(other.job, 1, 0), DUE, "another job");
        vm.warp(START + 70);
        _challenge(told, 2, 1);
        _eq(disputes.dueSec(told.job, 2, 1), START + 70 + RESPONSE, "never less than the time to respond");
    }

    function test_theFeeIsAtLeastWhatAnAnswerCosts() public {
        Told memory told = _plain();
        // 150,000 gas twice: this is the base fee at which they cost the fixed fee.
        uint256 baseFeeWei = CHALLENGE_FEE / 300_000;
        _eq(disputes.challengeFeeAt(0), CHALLENGE_FEE, "at nothing");
        _eq(disputes.challengeFeeAt(baseFeeWei), CHALLENGE_FEE, "up to there");
        uint256 feeWei = 300_000 * (baseFeeWei + 1);
        vm.fee(baseFeeWei + 1);
        _eq(disputes.challengeFeeAt(block.basefee), feeWei, "and beyond");
        vm.expectRevert(abi.encodeWithSelector(IDisputes.FeeTooSmall.selector, feeWei - 1, feeWei));
        vm.prank(BUYER);
        disputes.challenge{value: feeWei - 1}(told.terms, told.outcome, told.parts, 1, 0);
        vm.prank(BUYER);
        disputes.challenge{value: feeWei}(told.terms, told.outcome, told.parts, 1, 0);
        vm.prank(BUYER);
        disputes.challenge{value: feeWei + 5}(told.terms, told.outcome, told.parts, 2, 0);
        // What was paid then counts, not what it would cost now.
        vm.fee(0);
        uint256 balance = members[0].balance;
        _respond(told, 1, 0);
        _eq(members[0].balance - balance, feeWei, "the operator's");
        vm.warp(DUE + 1);
        _expose(told, 2, 0);
        _eq(disputes.returnedFeesWei(BUYER), feeWei + 5, "the buyer's");
    }

    // ---- posting -----------------------------------------------------------------------------------

    function test_whoPostsTheChunkInTimeIsPaidTheFee() public {
        Told memory told = _plain();
        _challenge(told, 3, 2);
        uint256 balance = members[2].balance;
        vm.warp(DUE);
        vm.expectEmit();
        emit IDisputes.ChunkPosted(told.job, members[2], 3, 2, DUE + RESPONSE, _opening(told, 3, 2));
        _respond(told, 3, 2);
        _eq(members[2].balance - balance, CHALLENGE_FEE, "the operator's, whoever sends it");
        _eq(disputes.heldUntilSec(told.job), DUE + RESPONSE, "none open");
        _eq(address(disputes).balance, 0, "no fee held");
        _none(told, 3, 2);
        _bondsStand();
    }

    function test_afterTheLastSecondNothingIsTaken() public {
        Told memory told = _plain();
        _challenge(told, 3, 2);
        vm.warp(DUE + 1);
        IDisputes.ChunkOpening memory opening = _opening(told, 3, 2);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.ResponseTooLate.selector, told.job, DUE));
        disputes.respond(told.terms, told.outcome, told.parts, 3, 2, opening);
    }

    function test_onlyTheChunkThatWasAskedForIsAnAnswer() public {
        Told memory told = _plain();
        Told memory other = _tell(_shared(BITS, TOTAL, 1));
        _challenge(told, 2, 1);
        _none(told, 2, 0);
        _none(told, 1, 1);
        _none(other, 2, 1);
        _invalid(told, _opening(told, 2, 0));
        _invalid(told, _opening(told, 1, 1));
        _invalid(told, _opening(other, 2, 1));
        IDisputes.ChunkOpening memory opening = _opening(told, 2, 1);
        opening.elements[1023] ^= 0x01;
        _invalid(told, opening);
        told.parts = other.parts;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.PartsMismatch.selector, told.job));
        disputes.respond(told.terms, told.outcome, told.parts, 2, 1, opening);
    }

    /// What it committed to fits the length of the result that all three attested, or is no answer.
    function test_aChunkOfAnotherLengthIsNoAnswer() public {
        for (uint256 length = 1; length < 4; ++length) {
            Shares memory shares = _shared(BITS, 2, length);
            shares.values[1] = new uint128[](length);
            Told memory told = _tell(shares);
            _challenge(told, 2, 0);
            IDisputes.ChunkOpening memory opening = _opening(told, 2, 0);
            if (length != 2) {
                vm.expectRevert(abi.encodeWithSelector(IDisputes.OpeningInvalid.selector, told.job, 2));
            }
            disputes.respond(told.terms, told.outcome, told.parts, 2, 0, opening);
        }
    }

    // ---- exposing ----------------------------------------------------------------------------------

    function test_whoDoesNotPostLosesTheBondAndTheBuyerGetsAllBack() public {
        Told memory told = _plain();
        _challenge(told, 2, 1);
        vm.warp(DUE);
        _notDue(told, 2, 1);
        vm.warp(DUE + 1);
        vm.expectEmit();
        emit IDisputes.OperatorExposed(told.job, members[1], 2, 1);
        vm.expectEmit();
        emit IJobEscrow.JobOverturned(told.job);
        _expose(told, 2, 1);
        _eq(_state(told.job), JobState.Failed);
        _eq(disputes.returnedFeesWei(BUYER), CHALLENGE_FEE, "the fee is the buyer's");
        _fetch(told);
        _eq(BUYER.balance, 100 ether + BOND / 10, "price, fee and a tenth of the bond");
        _eq(operators.operators(members[1]).bondWei, 0, "slashed");
        _eq(address(operators).balance, 2 * uint256(BOND), "the others are not");
        _eq(address(disputes).balance + address(escrow).balance, 0, "nothing stays");
        _none(told, 2, 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoChallenge.selector, told.job, 2, 1));
        disputes.expose(told.terms, told.outcome, 2, 1);
    }

    function test_twoThatDoNotPostAreBothExposedAndThePriceComesBackOnce() public {
        _fund(); // money of another job is in the escrow
        Told memory told = _plain();
        _challenge(told, 1, 0);
        _challenge(told, 3, 0);
        _challenge(told, 3, 1);
        vm.warp(DUE + 1);
        _expose(told, 1, 0);
        _fetch(told);
        _expose(told, 3, 0);
        // Slashed already: the fee comes back all the same.
        vm.warp(DUE + 60 + 1);
        _expose(told, 3, 1);
        disputes.withdrawFees(BUYER);
        _eq(BUYER.balance, 100 ether - _price(1) + 2 * (BOND / 10), "two tenths, and one price less");
        _eq(address(escrow).balance, _price(1), "the other job's money stays");
        _eq(address(disputes).balance, 0, "all fees are back");
        _eq(address(operators).balance, BOND, "one bond is left");
    }

    /// The word of one operator is judged by itself, whatever became of the job by another's or by a contest.
    function test_anOpenChallengeOutlivesTheRefund() public {
        Shares memory shares = _shared(BITS, TOTAL, 1);
        _bend(shares, 1, 0, 1);
        Told memory told = _tell(shares);
        _challenge(told, 1, 0);
        _challenge(told, 2, 0);
        _challenge(told, 3, 0);
        _contest(told, 0, 0);
        _refused(
            told,
            1,
            1,
            abi.encodeWithSelector(IDisputes.ChallengeWindowClosed.selector, told.job, START + WINDOW)
        );
        uint256 balance = members[1].balance;
        _respond(told, 2, 0);
        _eq(members[1].balance - balance, CHALLENGE_FEE, "paid for posting");
        vm.warp(DUE + 1);
        _expose(told, 1, 0);
        _expose(told, 3, 0);
        _fetch(told);
        _eq(address(disputes).balance, 0, "all fees are out");
        _eq(operators.operators(members[1]).bondWei, BOND, "the one that posted keeps its bond");
        _eq(BUYER.balance, 100 ether - CHALLENGE_FEE + 2 * (BOND / 10), "the price once");
    }

    function test_anOperatorThatHasLeftIsExposedWithoutABond() public {
        Told memory told = _plain();
        _challenge(told, 2, 0);
        vm.prank(members[1]);
        operators.requestUnbond();
        vm.warp(START + UNBONDING + 1);
        vm.prank(members[1]);
        operators.withdrawBond();
        _expose(told, 2, 0);
        _fetch(told);
        _eq(BUYER.balance, 100 ether, "price and fee are back");
    }

    /// A new key is the same operator's, and the old one's word stands.
    function test_whoChangedItsKeyIsAskedAllTheSame() public {
        Told memory told = _plain();
        _rotate(members[1], 0x2001);
        _challenge(told, 2, 0);
        _respond(told, 2, 0);
        _challenge(told, 2, 1);
        vm.warp(DUE + 60 + 1);
        _expose(told, 2, 1);
        _true(
            operators.operators(members[1]).status == IOperatorRegistry.OperatorStatus.Slashed, "slashed"
        );
    }

    function test_exposingNeedsTheTermsAndTheOutcomeOfTheJob() public {
        Told memory told = _plain();
        Told memory other = _tell(_shared(BITS, TOTAL, 2));
        _challenge(told, 2, 0);
        vm.warp(DUE + 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.OutcomeMismatch.selector, told.job));
        disputes.expose(told.terms, other.outcome, 2, 0);
        // Naming another buyer does not send it the money.
        told.outcome.buyer = STRANGER;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.OutcomeMismatch.selector, told.job));
        disputes.expose(told.terms, told.outcome, 2, 0);
        (told.terms.signers[0], told.terms.signers[1]) = (told.terms.signers[1], told.terms.signers[0]);
        told.outcome.buyer = BUYER;
        vm.expectRevert(abi.encodeWithSelector(IDisputes.OutcomeMismatch.selector, _job(told.terms)));
        disputes.expose(told.terms, told.outcome, 2, 0);
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _refused(Told memory told, uint8 point, uint32 chunk, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(BUYER);
        disputes.challenge{value: CHALLENGE_FEE}(told.terms, told.outcome, told.parts, point, chunk);
    }

    function _none(Told memory told, uint8 point, uint32 chunk) private {
        IDisputes.ChunkOpening memory opening = _opening(told, point, chunk);
        vm.expectRevert(abi.encodeWithSelector(IDisputes.NoChallenge.selector, told.job, point, chunk));
        disputes.respond(told.terms, told.outcome, told.parts, point, chunk, opening);
    }

    /// No answer to the challenge of the second party's second chunk.
    function _invalid(Told memory told, IDisputes.ChunkOpening memory opening) private {
        vm.expectRevert(abi.encodeWithSelector(IDisputes.OpeningInvalid.selector, told.job, 2));
        disputes.respond(told.terms, told.outcome, told.parts, 2, 1, opening);
    }

    function _notDue(Told memory told, uint8 point, uint32 chunk) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IDisputes.ResponseNotDue.selector, told.job, disputes.dueSec(told.job, point, chunk)
            )
        );
        disputes.expose(told.terms, told.outcome, point, chunk);
    }
}
