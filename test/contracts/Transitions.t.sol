// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Every call in every state, each otherwise in order: the table decides, and says so.
contract TransitionsTest is MarketTest {
    bytes32 private constant PAYOUTS = keccak256("payouts");
    uint8 private constant STATES = 7;

    uint256 private _jobId;
    IJobEscrow.JobTerms private _agreed;

    function test_joinLeadsFromFundedOnly() public {
        for (uint8 from; from < STATES; ++from) _tried(JobState(from), JobState.Joined, this.doJoin);
    }

    function test_attestLeadsFromJoinedOnly() public {
        for (uint8 from; from < STATES; ++from) _tried(JobState(from), JobState.Attested, this.doAttest);
    }

    function test_acceptLeadsFromAttestedOnly() public {
        for (uint8 from; from < STATES; ++from) _tried(JobState(from), JobState.Settled, this.doAccept);
    }

    function test_settleLeadsFromAttestedOnly() public {
        for (uint8 from; from < STATES; ++from) _tried(JobState(from), JobState.Settled, this.doSettle);
    }

    function test_failLeadsFromFundedAndJoinedOnly() public {
        for (uint8 from; from < STATES; ++from) _tried(JobState(from), JobState.Failed, this.doFail);
    }

    function test_refundLeadsFromFundedJoinedAndFailedOnly() public {
        for (uint8 from; from < STATES; ++from) _tried(JobState(from), JobState.Refunded, this.doRefund);
    }

    /// A job in one state, then one call: it succeeds exactly along an arrow, and says the arrow otherwise.
    function _tried(JobState from, JobState to, function() external call) private {
        vm.warp(START);
        _bring(from);
        bool arrow = escrow.transitionAllowed(from, to);
        if (!arrow) {
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.TransitionRefused.selector, _jobId, from, to));
        }
        call();
        _eq(_state(_jobId), arrow ? to : from);
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
