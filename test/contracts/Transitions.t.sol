// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Every call in every state, each otherwise in order: whether it succeeds, and what it says if not.
contract TransitionsTest is MarketTest {
    bytes32 private constant PAYOUTS = keccak256("payouts");
    uint8 private constant STATES = 7;

    uint256 private _jobId;
    IJobEscrow.JobTerms private _agreed;

    function test_joinLeadsFromFundedOnly() public {
        _tried(_bit(JobState.Funded), JobState.Joined, this.doJoin);
    }

    function test_attestLeadsFromJoinedOnly() public {
        _tried(_bit(JobState.Joined), JobState.Attested, this.doAttest);
    }

    function test_acceptLeadsFromAttestedOnly() public {
        _tried(_bit(JobState.Attested), JobState.Settled, this.doAccept);
    }

    function test_settleLeadsFromAttestedOnly() public {
        _tried(_bit(JobState.Attested), JobState.Settled, this.doSettle);
    }

    function test_failLeadsFromFundedAndJoinedOnly() public {
        _tried(_bit(JobState.Funded) | _bit(JobState.Joined), JobState.Failed, this.doFail);
    }

    function test_refundLeadsFromFundedJoinedAndFailedOnly() public {
        _tried(_bit(JobState.Funded) | _bit(JobState.Joined) | _bit(JobState.Failed), JobState.Refunded, this.doRefund);
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
                    abi.encodeWithSelector(IJobEscrow.TransitionRefused.selector, _jobId, from, to)
                );
            }
            call();
            _eq(_state(_jobId), arrow ? to : from);
            _true(escrow.transitionAllowed(from, to) == arrow, "the table says otherwise");
        }
    }

    function _bit(JobState state) private pure returns (uint256) {
        return 1 << uint8(state);
    }

    /// Makes a new job and brings it to a state; in None it has the next number.
    function _bring(JobState state) private {
        IJobEscrow.JobTerms memory terms;
        if (state == JobState.None) {
            (_jobId, terms) = _fund();
            ++_jobId;
        } else if (state == JobState.Funded) {
            (_jobId, terms) = _fund();
        } else if (state == JobState.Joined || state == JobState.Attested || state == JobState.Settled) {
            (_jobId, terms) = _joined();
        } else {
            (_jobId, terms) = _failed();
        }
        _agreed = terms;
        if (state == JobState.Attested || state == JobState.Settled) this.doAttest();
        if (state == JobState.Settled) this.doAccept();
        if (state == JobState.Refunded) escrow.refund(_jobId, terms);
        _eq(_state(_jobId), state);
    }

    // Each is external, so that a call on the escrow is the only one that can revert in it.

    function doJoin() external {
        _call(abi.encodeCall(escrow.join, (_jobId, _agreed, _signAll(_joinDigest(_jobId, _agreed.specHash)))));
    }

    function doAttest() external {
        IJobEscrow.Attestation memory attestation = _attestation(_jobId, _agreed, PAYOUTS);
        _call(abi.encodeCall(escrow.attest, (_agreed, attestation, _signAll(_attestDigest(attestation)))));
    }

    function doAccept() external {
        bytes memory data = abi.encodeCall(escrow.accept, (_jobId, _outcome(_agreed, PAYOUTS)));
        vm.prank(BUYER);
        _call(data);
    }

    function doSettle() external {
        vm.warp(START + WINDOW + 1);
        _call(abi.encodeCall(escrow.settle, (_jobId, _outcome(_agreed, PAYOUTS))));
    }

    function doFail() external {
        _call(abi.encodeCall(escrow.fail, (_jobId, _agreed, _notices(_jobId, 1, 2))));
    }

    function doRefund() external {
        vm.warp(START + DURATION + 1);
        _call(abi.encodeCall(escrow.refund, (_jobId, _agreed)));
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
