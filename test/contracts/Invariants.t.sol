// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobState} from "../../contracts/libraries/JobStates.sol";
import {DisputeHandler} from "./DisputeHandler.sol";
import {MarketHandler} from "./MarketHandler.t.sol";

/// @notice What holds after any sequence of calls, see {MarketHandler.check}.
contract InvariantsTest {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    MarketHandler private _handler;

    error NeverHappened(JobState from, JobState to);
    error NeverCameAbout(bytes32 what);

    function setUp() public {
        _handler = new MarketHandler();
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

    function invariant_theEscrowHoldsWhatItOwesAndJobsFollowTheModel() external view {
        _handler.check();
    }

    /// A walk of its own, so that the invariant cannot hold merely because nothing ever happens.
    function test_theWalkTakesEveryArrow() external {
        bytes4[] memory selectors = _selectors();
        for (uint256 step; step < 5000; ++step) {
            uint256[4] memory random;
            for (uint256 i; i < 4; ++i) random[i] = uint256(keccak256(abi.encode(step, i)));
            _act(selectors[random[0] % selectors.length], random);
            if (step % 500 == 499) _handler.check();
        }
        _happened(JobState.None, JobState.Funded);
        _happened(JobState.Funded, JobState.Joined);
        _happened(JobState.Funded, JobState.Failed);
        _happened(JobState.Funded, JobState.Refunded);
        _happened(JobState.Joined, JobState.Attested);
        _happened(JobState.Joined, JobState.Failed);
        _happened(JobState.Joined, JobState.Refunded);
        _happened(JobState.Attested, JobState.Disputed);
        _happened(JobState.Attested, JobState.Settled);
        _happened(JobState.Attested, JobState.Failed);
        _happened(JobState.Disputed, JobState.Settled);
        _happened(JobState.Disputed, JobState.Failed);
        _happened(JobState.Failed, JobState.Refunded);
        bytes32[16] memory others = [
            bytes32("funded in a token"),
            "refused for a budget",
            "attested in grace",
            "claimed",
            "claimed in a token",
            "returned",
            "returned unopened",
            "challenged",
            "answered",
            "exposed",
            "exposed after another",
            "contested",
            "withdrew fees",
            "held for an answer",
            "slashed",
            "refused for a replacement"
        ];
        for (uint256 i; i < others.length; ++i) {
            if (_handler.happened(others[i]) == 0) revert NeverCameAbout(others[i]);
        }
    }

    function _act(bytes4 selector, uint256[4] memory random) private {
        uint256 a = random[1];
        uint256 b = random[2];
        uint256 c = random[3];
        if (selector == MarketHandler.fund.selector) _handler.fund(a, b, c, int8(uint8(a >> 8)));
        else if (selector == MarketHandler.join.selector) _handler.join(a, b);
        else if (selector == MarketHandler.attest.selector) _handler.attest(a, b, c, a >> 8);
        else if (selector == MarketHandler.accept.selector) _handler.accept(a, b);
        else if (selector == MarketHandler.settle.selector) _handler.settle(a);
        else if (selector == MarketHandler.fail.selector) _handler.fail(a, uint8(b), uint8(c));
        else if (selector == MarketHandler.refund.selector) _handler.refund(a, b);
        else if (selector == MarketHandler.claim.selector) _handler.claim(a, b, c);
        else if (selector == MarketHandler.reprice.selector) _handler.reprice(a, uint96(b));
        else if (selector == MarketHandler.returnBudget.selector) _handler.returnBudget(a, b);
        else if (selector == MarketHandler.returnUnopened.selector) _handler.returnUnopened(a, b);
        else if (selector == DisputeHandler.challenge.selector) _handler.challenge(a, uint8(b), c);
        else if (selector == DisputeHandler.respond.selector) _handler.respond(a, uint8(b), c);
        else if (selector == DisputeHandler.expose.selector) _handler.expose(a, uint8(b));
        else if (selector == DisputeHandler.contest.selector) _handler.contest(a, uint8(b), c);
        else if (selector == DisputeHandler.withdrawFees.selector) _handler.withdrawFees(a);
        else _handler.pass(a);
    }

    function _happened(JobState from, JobState to) private view {
        if (_handler.moves(from, to) == 0) revert NeverHappened(from, to);
    }

    /// Some stand twice or more, to meet them more often.
    function _selectors() private pure returns (bytes4[] memory selectors) {
        selectors = new bytes4[](40);
        selectors[0] = MarketHandler.fund.selector;
        selectors[1] = MarketHandler.fund.selector;
        selectors[2] = MarketHandler.join.selector;
        selectors[3] = MarketHandler.join.selector;
        selectors[4] = MarketHandler.join.selector;
        selectors[5] = MarketHandler.join.selector;
        selectors[6] = MarketHandler.attest.selector;
        selectors[7] = MarketHandler.attest.selector;
        selectors[8] = MarketHandler.attest.selector;
        selectors[9] = MarketHandler.attest.selector;
        selectors[10] = MarketHandler.accept.selector;
        selectors[11] = MarketHandler.settle.selector;
        selectors[12] = MarketHandler.settle.selector;
        selectors[13] = MarketHandler.settle.selector;
        selectors[14] = MarketHandler.fail.selector;
        selectors[15] = MarketHandler.fail.selector;
        selectors[16] = MarketHandler.refund.selector;
        selectors[17] = MarketHandler.refund.selector;
        selectors[18] = MarketHandler.claim.selector;
        selectors[19] = MarketHandler.claim.selector;
        selectors[20] = MarketHandler.claim.selector;
        selectors[21] = MarketHandler.claim.selector;
        selectors[22] = MarketHandler.reprice.selector;
        selectors[23] = MarketHandler.pass.selector;
        selectors[24] = MarketHandler.returnBudget.selector;
        selectors[25] = MarketHandler.returnUnopened.selector;
        selectors[26] = DisputeHandler.challenge.selector;
        selectors[27] = DisputeHandler.challenge.selector;
        selectors[28] = DisputeHandler.respond.selector;
        selectors[29] = DisputeHandler.respond.selector;
        selectors[30] = DisputeHandler.respond.selector;
        selectors[31] = DisputeHandler.respond.selector;
        selectors[32] = DisputeHandler.expose.selector;
        selectors[33] = DisputeHandler.expose.selector;
        selectors[34] = DisputeHandler.expose.selector;
        selectors[35] = DisputeHandler.contest.selector;
        selectors[36] = DisputeHandler.contest.selector;
        selectors[37] = DisputeHandler.withdrawFees.selector;
        selectors[38] = MarketHandler.pass.selector;
        selectors[39] = DisputeHandler.respond.selector;
    }
}
