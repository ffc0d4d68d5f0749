// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {DisputesTest} from "./DisputesTest.sol";

/// @notice An operator that owes an answer and convicts itself, under another account, before it is exposed.
contract SelfConvictionsTest is DisputesTest {
    address private constant ALIAS = address(0xa11a5);

    function test_whoOwesAnAnswerSavesNothing() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        _challenge(told, 2, 1);
        _convict(1);
        _eq(ALIAS.balance, 0, "no reward");
        vm.warp(START + RESPONSE + 1);
        _expose(told, 2, 1);
        _fetch(told);
        _eq(BUYER.balance, 100 ether, "the buyer loses nothing, though the bond was gone");
    }

    function test_whoMissedItsAnswerSavesNothing() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        _challenge(told, 2, 1);
        vm.warp(START + RESPONSE + 1);
        vm.expectEmit();
        emit IOperatorRegistry.OperatorSlashed(members[1], address(0), BOND, BOND / 10);
        _convict(1);
        _eq(ALIAS.balance, 0, "no reward");
        _eq(operators.operators(members[1]).bondWei, 0, "and no bond");
    }

    /// Each of several, and those of every job.
    function test_oneAnswerIsNotAll() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        Told memory other = _tell(_shared(BITS, TOTAL, 2));
        _challenge(told, 2, 1);
        _challenge(other, 2, 1);
        _respond(told, 2, 1);
        _convict(1);
        _eq(ALIAS.balance, 0, "no reward");
    }

    function test_whoeverElseIsConvictedPaysTheReporter() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        _challenge(told, 2, 1);
        _convict(0);
        _eq(ALIAS.balance, BOND / 10, "another operator");
        _respond(told, 2, 1);
        _convict(1);
        _eq(ALIAS.balance, 2 * (BOND / 10), "one that has answered");
    }

    function test_whoWasExposedOwesNoAnswerAnyMore() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        _challenge(told, 2, 1);
        vm.prank(members[1]);
        operators.requestUnbond();
        vm.warp(START + UNBONDING + 1);
        vm.prank(members[1]);
        operators.withdrawBond();
        _expose(told, 2, 1);
        vm.deal(members[1], BOND);
        _register(members[1], keys[1]);
        _convict(1);
        _eq(ALIAS.balance, BOND / 10, "a new bond, and nothing owed");
    }

    /// The friend asked, and is exposed to, first.
    function test_whoOwesABuyerAnAnswerSavesNothingThroughAnother() public {
        vm.deal(ALIAS, 100 ether);
        Told memory friendly = _tellTo(ALIAS, _shared(BITS, TOTAL, 9));
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        _challenge(friendly, 2, 0);
        vm.warp(START + 5);
        _challenge(told, 2, 1);
        vm.warp(START + RESPONSE + 1);
        uint256 before = ALIAS.balance;
        _expose(friendly, 2, 0);
        _eq(ALIAS.balance, before, "no reward");
        _eq(operators.operators(members[1]).bondWei, 0, "and no bond");
    }

    function test_aBuyerThatIsOwedSeveralAnswersIsRewarded() public {
        Told memory told = _tell(_shared(BITS, TOTAL, 1));
        Told memory other = _tell(_shared(BITS, TOTAL, 2));
        _challenge(told, 2, 1);
        _challenge(other, 2, 1);
        vm.warp(START + RESPONSE + 1);
        uint256 before = BUYER.balance;
        _expose(told, 2, 1);
        _eq(BUYER.balance - before, BOND / 10, "the tenth");
    }

    function _convict(uint256 index) private {
        bytes32 job = keccak256("job");
        IJobEscrow.Attestation[2] memory pair =
            [_attestation(job, keccak256("payouts")), _attestation(job, keccak256("others"))];
        bytes32[2][2] memory signatures =
            [_sign(keys[index], _attestDigest(pair[0])), _sign(keys[index], _attestDigest(pair[1]))];
        vm.prank(ALIAS);
        disputes.convict(pair, signatures);
    }
}
