// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Every call in every state, each otherwise in order: whether it succeeds, and what it says if not.
contract TransitionsTest is MarketTest {
    bytes32 private constant PAYOUTS = keccak256("payouts");
    uint8 private constant STATES = 8;

    bytes32 private _named;
    IJobEscrow.JobTerms private _agreed;

    function test_joinLeadsFromFundedOnly() public {
        _tried(_bit(JobState.Funded), JobState.Joined, this.doJoin);
    }

    function test_attestLeadsFromJoinedOnly() public {
        _tried(_bit(JobState.Joined), JobState.Attested, this.doAttest);
    }

    function test_acceptLeadsFromAttestedAndDisputedOnly() public {
        _tried(_bit(JobState.Attested) | _bit(JobState.Disputed), JobState.Settled, this.doAccept);
    }

    function test_settleLeadsFromAttestedAndDisputedOnly() public {
        _tried(_bit(JobState.Attested) | _bit(JobState.Disputed), JobState.Settled, this.doSettle);
    }

    function test_failLeadsFromFundedAndJoinedOnly() public {
        _tried(_bit(JobState.Funded) | _bit(JobState.Joined), JobState.Failed, this.doFail);
    }

    function test_refundLeadsFromFundedJoinedAndFailedOnly() public {
        _tried(_bit(JobState.Funded) | _bit(JobState.Joined) | _bit(JobState.Failed), JobState.Refunded, this.doRefund);
    }

    function test_suspendLeadsFromAttestedOnly() public {
        _tried(_bit(JobState.Attested), JobState.Disputed, this.doSuspend);
    }

    function test_overturnLeadsFromAttestedAndDisputedOnly() public {
        _tried(_bit(JobState.Attested) | _bit(JobState.Disputed), JobState.Failed, this.doOverturn);
    }

    function test_theTableHasTheseArrowsAndNoOthers() public view {
        // By the state that they lead to, the states that they come from.
        uint256[STATES] memory leadsFrom = [
            0,
            _bit(JobState.None),
            _bit(JobState.Funded),
            _bit(JobState.Joined),
            _bit(JobState.Attested),
            _bit(JobState.Attested) | _bit(JobState.Disputed),
            // By {fail}, and from these two by {overturn}.
            _bit(JobState.Funded) | _bit(JobState.Joined) | _bit(JobState.Attested) | _bit(JobState.Disputed),
            _bit(JobState.Funded) | _bit(JobState.Joined) | _bit(JobState.Failed)
        ];
        for (uint8 from; from < STATES; ++from) {
            for (uint8 to; to < STATES; ++to) {
                bool arrow = (leadsFrom[to] >> from) & 1 == 1;
                _true(escrow.transitionAllowed(JobState(from), JobState(to)) == arrow, "the table says otherwise");
            }
        }
    }

    /// The call in every state: it succeeds in the states whose bits are set, and names the arrow otherwise.
    function _tried(uint256 leadsFrom, JobState to, function() external call) private {
        for (uint8 i; i < STATES; ++i) {
            JobState from = JobState(i);
            bool arrow = (leadsFrom >> i) & 1 == 1;
            vm.warp(START);
            _bring(from);
            if (!arrow) {
                vm.expectRevert(
                    abi.encodeWithSelector(IJobEscrow.TransitionRefused.selector, _named, from, to)
                );
            }
            call();
            _eq(_state(_named), arrow ? to : from);
        }
    }

    function _bit(JobState state) private pure returns (uint256) {
        return 1 << uint8(state);
    }

    /// Makes a new job and brings it to a state.
    function _bring(JobState state) private {
        IJobEscrow.JobTerms memory terms;
        if (state == JobState.None) {
            // As the buyer might have funded it, and did not.
            terms = _terms(BUYER, _request(_publish(1)), _price(1));
            _named = _job(terms);
        } else if (state == JobState.Funded) {
            (_named, terms) = _fund();
        } else if (state >= JobState.Joined && state <= JobState.Settled) {
            (_named, terms) = _joined();
        } else {
            (_named, terms) = _failed();
        }
        _agreed = terms;
        if (state >= JobState.Attested && state <= JobState.Settled) this.doAttest();
        if (state == JobState.Disputed) this.doSuspend();
        if (state == JobState.Settled) this.doAccept();
        if (state == JobState.Refunded) escrow.refund(terms);
        _eq(_state(_named), state);
    }

    // Each is external, so that a call on the escrow is the only one that can revert in it.

    function doJoin() external {
        _call(abi.encodeCall(escrow.join, (_agreed, _signAll(_joinDigest(_named)))));
    }

    function doAttest() external {
        IJobEscrow.Attestation memory attestation = _attestation(_named, PAYOUTS);
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        _call(abi.encodeCall(escrow.attest, (_agreed, _parts(), PAYOUTS, 0, signatures)));
    }

    function doAccept() external {
        bytes memory data = abi.encodeCall(escrow.accept, (_named, _outcome(_agreed, PAYOUTS)));
        vm.prank(BUYER);
        _call(data);
    }

    function doSuspend() external {
        bytes memory data = abi.encodeCall(escrow.suspend, (_named, _outcome(_agreed, PAYOUTS)));
        vm.prank(address(disputes));
        _call(data);
    }

    function doOverturn() external {
        bytes memory data = abi.encodeCall(escrow.overturn, (_named, _outcome(_agreed, PAYOUTS)));
        vm.prank(address(disputes));
        _call(data);
    }

    function doSettle() external {
        vm.warp(START + WINDOW + 1);
        _call(abi.encodeCall(escrow.settle, (_named, _outcome(_agreed, PAYOUTS))));
    }

    function doFail() external {
        _call(abi.encodeCall(escrow.fail, (_agreed, _notices(_named, 1, 2))));
    }

    function doRefund() external {
        vm.warp(START + DURATION + GRACE + 1);
        _call(abi.encodeCall(escrow.refund, (_agreed)));
    }

    function _call(bytes memory data) private {
        (bool success, bytes memory answer) = address(escrow).call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(answer, 0x20), mload(answer))
            }
        }
    }
}
