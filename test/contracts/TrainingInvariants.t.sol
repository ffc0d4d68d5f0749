// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {OwnerStatus} from "../../contracts/libraries/TrainingSlots.sol";
import {TrainingState} from "../../contracts/libraries/TrainingStates.sol";
import {TrainingHandler} from "./TrainingHandler.t.sol";

/// @notice What holds after any sequence of calls, see {TrainingHandler.check}.
contract TrainingInvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    TrainingHandler private _handler;

    error NeverMoved(TrainingState from, TrainingState to);
    error NeverReached(OwnerStatus status);
    error NothingClaimed();

    function setUp() public {
        _handler = new TrainingHandler();
        _handler.setUp();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(_handler), _selectors());
    }

    function invariant_theContractHoldsWhatItOwesAndTrainingsFollowTheModel() external view {
        _handler.check();
    }

    /// A walk of its own, so that the invariant cannot hold merely because nothing ever happens.
    function test_theWalkTakesEveryArrow() external {
        bytes4[] memory selectors = _selectors();
        for (uint256 step; step < 8000; ++step) {
            uint256[5] memory random;
            for (uint256 i; i < 5; ++i) random[i] = uint256(keccak256(abi.encode(step, i)));
            _act(selectors[random[0] % selectors.length], random);
            if (step % 200 == 199) _handler.check();
        }
        for (uint8 i; i < 7; ++i) {
            for (uint8 j; j < 7; ++j) _happened(TrainingState(i), TrainingState(j));
        }
        for (uint8 i = 1; i < 6; ++i) {
            if (_handler.reached(OwnerStatus(i)) == 0) revert NeverReached(OwnerStatus(i));
        }
        if (_handler.claims() == 0) revert NothingClaimed();
    }

    function _act(bytes4 selector, uint256[5] memory r) private {
        if (selector == TrainingHandler.open.selector) _handler.open(r[1], r[2]);
        else if (selector == TrainingHandler.join.selector) _handler.join(r[1], r[2]);
        else if (selector == TrainingHandler.quit.selector) _handler.quit(r[1], r[2]);
        else if (selector == TrainingHandler.start.selector) _handler.start(r[1]);
        else if (selector == TrainingHandler.commit.selector) _handler.commit(r[1], r[2], r[3]);
        else if (selector == TrainingHandler.attest.selector) _handler.attest(r[1], r[2], r[3], r[4]);
        else if (selector == TrainingHandler.fail.selector) _handler.fail(r[1], uint8(r[2]), uint8(r[3]), r[4]);
        else if (selector == TrainingHandler.expire.selector) _handler.expire(r[1]);
        else if (selector == TrainingHandler.refund.selector) _handler.refund(r[1]);
        else if (selector == TrainingHandler.claim.selector) _handler.claim(r[1], r[2], r[3], r[4]);
        else if (selector == TrainingHandler.withdraw.selector) _handler.withdraw(r[1], r[2]);
        else if (selector == TrainingHandler.convict.selector) _handler.convict(r[1], r[2], r[3]);
        else if (selector == TrainingHandler.payForfeit.selector) _handler.payForfeit(r[1], r[2]);
        else _handler.pass(r[1]);
    }

    function _happened(TrainingState from, TrainingState to) private view {
        bool arrow = from == TrainingState.None && to == TrainingState.Joining;
        arrow = arrow || (from == TrainingState.Joining && to == TrainingState.Committing);
        arrow = arrow || (from == TrainingState.Committing && to == TrainingState.Joining);
        arrow = arrow || (from == TrainingState.Committing && to == TrainingState.Finished);
        bool runs = from == TrainingState.Joining || from == TrainingState.Committing;
        bool broken = from == TrainingState.Failed || from == TrainingState.Expired;
        arrow = arrow || (runs && (to == TrainingState.Failed || to == TrainingState.Expired));
        arrow = arrow || (broken && to == TrainingState.Refunded);
        if (arrow != (_handler.moves(from, to) != 0)) revert NeverMoved(from, to);
    }

    /// Some stand several times, to meet them more often.
    function _selectors() private pure returns (bytes4[] memory selectors) {
        bytes4[14] memory each = [
            TrainingHandler.expire.selector,
            TrainingHandler.quit.selector,
            TrainingHandler.refund.selector,
            TrainingHandler.withdraw.selector,
            TrainingHandler.convict.selector,
            TrainingHandler.payForfeit.selector,
            TrainingHandler.fail.selector,
            TrainingHandler.pass.selector,
            TrainingHandler.claim.selector,
            TrainingHandler.start.selector,
            TrainingHandler.attest.selector,
            TrainingHandler.join.selector,
            TrainingHandler.commit.selector,
            TrainingHandler.open.selector
        ];
        uint8[14] memory times = [1, 1, 2, 2, 1, 5, 1, 1, 5, 5, 9, 9, 17, 1];
        selectors = new bytes4[](60);
        uint256 count;
        for (uint256 i; i < each.length; ++i) {
            for (uint256 j; j < times[i]; ++j) selectors[count++] = each[i];
        }
    }
}
