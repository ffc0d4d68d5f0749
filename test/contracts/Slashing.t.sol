// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Reenterer, Refuser, Talker} from "./Accounts.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice How a bond is taken: by whom, from whom, to where, and what the operator can still do.
contract SlashingTest is MarketTest {
    address private constant REPORTER = address(0x4e9);
    address private constant BURNT = address(0xdEaD);

    function test_onlyTheContractOfDisputesSlashes() public {
        _eq(uint160(operators.slasher()), uint160(address(disputes)), "slasher");
        address[4] memory others = [address(this), members[0], address(escrow), STRANGER];
        for (uint256 i; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.NotSlasher.selector, others[i]));
            vm.prank(others[i]);
            operators.slash(members[0], others[i]);
        }
        _eq(operators.operators(members[0]).bondWei, BOND, "the bond stands");
    }

    function test_aTenthIsTheReportersAndTheRestIsBurnt() public {
        address odd = address(0xa4);
        vm.deal(odd, 10 ether);
        bytes32[2] memory possession = _possession(odd, 0x516);
        vm.prank(odd);
        operators.register{value: BOND + 19}(_keys(vm.addr(0x516)), "a:1", FEE, possession);
        vm.expectEmit();
        emit IOperatorRegistry.OperatorSlashed(odd, REPORTER, BOND + 19, BOND / 10 + 1);
        _eq(_slash(odd, REPORTER), BOND + 19, "what there was");
        _eq(REPORTER.balance, BOND / 10 + 1, "rounded down");
        _eq(BURNT.balance, BOND + 19 - BOND / 10 - 1, "the rest");
        _eq(address(operators).balance, 3 * uint256(BOND), "the other bonds stay");
        IOperatorRegistry.Operator memory found = operators.operators(odd);
        _true(found.status == IOperatorRegistry.OperatorStatus.Slashed, "slashed");
        _eq(found.bondWei, 0, "no bond");
    }

    function test_aReporterThatTakesNoMoneySavesNoBond() public {
        address refuser = address(new Refuser());
        _eq(_slash(members[0], refuser), BOND, "slashed");
        _eq(refuser.balance, 0, "no reward");
        _eq(BURNT.balance, BOND, "all of it burnt");
        // Nor one that answers with more data than there is gas for.
        _slash(members[1], address(new Talker()));
        _eq(BURNT.balance, 2 * BOND, "burnt");
    }

    function test_aReporterThatCallsBackFindsNothingMore() public {
        Reenterer thief = new Reenterer();
        vm.deal(address(thief), BOND);
        thief.execute(address(operators), BOND, _registration(address(thief), 0x7b1ef));
        thief.execute(address(operators), 0, abi.encodeCall(operators.requestUnbond, ()));
        vm.warp(START + UNBONDING);
        // It is slashed for its own report, in the second in which it could have left.
        thief.prepare(address(operators), abi.encodeCall(operators.withdrawBond, ()));
        _slash(address(thief), address(thief));
        _true(!thief.successes(0), "nothing to withdraw");
        _eq(address(thief).balance, BOND / 10, "the reward alone");
        _eq(address(operators).balance, 3 * uint256(BOND), "the other bonds stay");
    }

    function test_nothingIsTakenTwiceNorFromWhoHasNothing() public {
        _slash(members[0], REPORTER);
        _eq(_slash(members[0], REPORTER), 0, "nothing left");
        _eq(_slash(STRANGER, REPORTER), 0, "never registered");
        _eq(_slash(address(0), REPORTER), 0, "nobody");
        _eq(REPORTER.balance, BOND / 10, "one reward");
        _true(
            operators.operators(STRANGER).status == IOperatorRegistry.OperatorStatus.None, "no record of a stranger"
        );
    }

    function test_whoWasSlashedDoesNotComeBack() public {
        _slash(members[0], REPORTER);
        bytes memory inactive =
            abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, members[0]);
        vm.expectRevert(inactive);
        operators.quoteSet(members, ALGORITHM, address(0));
        vm.expectRevert(inactive);
        operators.createSet([members[2], members[0], members[1]]);
        bytes[6] memory calls = [
            _registration(members[0], 0x516),
            abi.encodeCall(operators.resume, ()),
            abi.encodeCall(operators.pause, ()),
            abi.encodeCall(operators.requestUnbond, ()),
            abi.encodeCall(operators.withdrawBond, ()),
            _registration(members[0], keys[0])
        ];
        bytes4[6] memory reasons = [
            IOperatorRegistry.AlreadyRegistered.selector,
            IOperatorRegistry.NotPaused.selector,
            IOperatorRegistry.NotActive.selector,
            IOperatorRegistry.NotActive.selector,
            IOperatorRegistry.BondLocked.selector,
            IOperatorRegistry.AlreadyRegistered.selector
        ];
        for (uint256 i; i < 6; ++i) {
            vm.prank(members[0]);
            (bool success, bytes memory answer) =
                address(operators).call{value: i % 5 == 0 ? uint256(BOND) : 0}(calls[i]);
            _true(!success && bytes4(answer) == reasons[i], "refused");
        }
        // Nor with its key under another account.
        vm.deal(STRANGER, BOND);
        bytes32[2] memory possession = _possession(STRANGER, keys[0]);
        vm.expectRevert(
            abi.encodeWithSelector(IOperatorRegistry.SignerTaken.selector, vm.addr(keys[0]), members[0])
        );
        vm.prank(STRANGER);
        operators.register{value: BOND}(_keys(vm.addr(keys[0])), "a:1", FEE, possession);
    }

    function test_pausedAndLeavingOperatorsAreWithinReachUntilTheyHaveWithdrawn() public {
        vm.prank(members[0]);
        operators.pause();
        _eq(_slash(members[0], REPORTER), BOND, "paused");
        vm.prank(members[1]);
        operators.requestUnbond();
        vm.prank(members[2]);
        operators.requestUnbond();
        vm.warp(START + UNBONDING + 1);
        _eq(_slash(members[1], REPORTER), BOND, "leaving, and not gone");
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.BondLocked.selector, type(uint256).max));
        vm.prank(members[1]);
        operators.withdrawBond();
        vm.prank(members[2]);
        operators.withdrawBond();
        _eq(_slash(members[2], REPORTER), 0, "gone");
        // Who comes back stands for its key again.
        _register(members[2], keys[2]);
        _eq(_slash(members[2], REPORTER), BOND, "back");
    }

    /// Jobs that are funded are between buyer, sellers and three keys: a lost bond does not take the result away.
    function test_theJobsOfASlashedOperatorGoOn() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        _slash(members[1], REPORTER);
        _join(terms);
        _attest(terms, keccak256("payouts"));
        _eq(_state(job), JobState.Attested);
    }

    function _slash(address operator, address beneficiary) private returns (uint256) {
        vm.prank(address(disputes));
        return operators.slash(operator, beneficiary);
    }
}
