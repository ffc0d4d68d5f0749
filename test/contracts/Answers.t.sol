// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {DisputesTest} from "./DisputesTest.sol";

/// @notice How long challenges and their answers keep a job from being settled.
contract AnswersTest is DisputesTest {
    uint256 private constant DUE = START + RESPONSE;

    function _plain() private returns (Told memory) {
        return _tell(_shared(BITS, TOTAL, 1));
    }

    function test_nothingIsSettledWhileAChallengeIsOpen() public {
        Told memory told = _plain();
        _challenge(told, 1, 0);
        _challenge(told, 2, 0);
        bytes memory open = abi.encodeWithSelector(IJobEscrow.ChallengeOpen.selector, told.job);
        vm.expectRevert(open);
        vm.prank(BUYER);
        escrow.accept(told.job, told.outcome);
        vm.warp(DUE);
        _respond(told, 1, 0);
        vm.warp(START + WINDOW + RESPONSE);
        vm.expectRevert(open);
        escrow.settle(told.job, told.outcome);
    }

    function test_theBuyerAcceptsAfterTheAnswer() public {
        Told memory told = _plain();
        _challenge(told, 1, 0);
        _respond(told, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.WindowOpen.selector, told.job, START + WINDOW));
        escrow.settle(told.job, told.outcome);
        vm.prank(BUYER);
        escrow.accept(told.job, told.outcome);
        _eq(_state(told.job), JobState.Settled);
        _eq(escrow.jobOf(told.job).unclaimed, _price(1), "for the payees");
    }

    /// What was posted in the last second must be looked at before anybody is paid.
    function test_anyoneSettlesFromTheSecondAfterTheTimeToContestTheAnswer() public {
        Told memory told = _plain();
        vm.warp(START + WINDOW);
        _challenge(told, 1, 0);
        uint256 due = START + WINDOW + RESPONSE;
        vm.warp(due);
        _respond(told, 1, 0);
        _answerOpen(told, due + RESPONSE);
        vm.warp(due + RESPONSE);
        _answerOpen(told, due + RESPONSE);
        vm.warp(due + RESPONSE + 1);
        vm.prank(STRANGER);
        escrow.settle(told.job, told.outcome);
        _eq(_state(told.job), JobState.Settled);
    }

    function test_theLastAnswerCounts() public {
        Told memory told = _plain();
        _challenge(told, 1, 0);
        _challenge(told, 2, 0);
        _respond(told, 1, 0);
        vm.warp(DUE);
        _respond(told, 2, 0);
        vm.warp(START + WINDOW + 1);
        _answerOpen(told, DUE + RESPONSE);
        vm.warp(DUE + RESPONSE + 1);
        escrow.settle(told.job, told.outcome);
    }

    function test_anAnswerBeforeTheEndOfTheWindowDoesNotEndIt() public {
        Told memory told = _plain();
        _challenge(told, 1, 0);
        _respond(told, 1, 0);
        vm.warp(START + RESPONSE + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.WindowOpen.selector, told.job, START + WINDOW));
        escrow.settle(told.job, told.outcome);
        vm.warp(START + WINDOW + 1);
        escrow.settle(told.job, told.outcome);
    }

    function test_theBuyerNeedNotWaitForItself() public {
        Told memory told = _plain();
        _challenge(told, 1, 0);
        vm.warp(START + RESPONSE);
        _respond(told, 1, 0);
        vm.warp(START + WINDOW + 1);
        vm.prank(BUYER);
        escrow.settle(told.job, told.outcome);
        _eq(_state(told.job), JobState.Settled);
    }

    /// Whenever the buyer asks and the operators answer: a minute for each chunk but the first, and the time to respond
    /// twice, after the window.
    function testFuzz_noJobIsHeldUpForEver(uint256 seed, bool late) public {
        Told memory told = _plain();
        uint8 point = uint8(seed % 3) + 1;
        for (uint32 chunk; chunk < 3; ++chunk) {
            uint256 asked = START + uint256(keccak256(abi.encode(seed, chunk))) % (WINDOW + 1);
            vm.warp(late ? START + WINDOW : asked > block.timestamp ? asked : block.timestamp);
            _challenge(told, point, chunk);
        }
        for (uint32 chunk; chunk < 3; ++chunk) {
            vm.warp(disputes.dueSec(told.job, point, chunk));
            _respond(told, point, chunk);
        }
        uint256 most = START + WINDOW + 2 * RESPONSE + 2 * 60;
        _true(disputes.heldUntilSec(told.job) <= most, "held up for longer");
        if (late) _eq(disputes.heldUntilSec(told.job), most, "and no less at worst");
        vm.expectRevert(
            abi.encodeWithSelector(IDisputes.ChallengeWindowClosed.selector, told.job, START + WINDOW)
        );
        _challenge(told, point % 3 + 1, 0);
        vm.warp(most + 1);
        escrow.settle(told.job, told.outcome);
    }

    function _answerOpen(Told memory told, uint256 heldUntilSec) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AnswerOpen.selector, told.job, heldUntilSec));
        vm.prank(STRANGER);
        escrow.settle(told.job, told.outcome);
    }
}
