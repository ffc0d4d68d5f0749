// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Joining, attesting, settling and failing: whose signatures, and when.
contract JobEscrowTest is MarketTest {
    // ---- signatures --------------------------------------------------------------------------------

    function test_allThreeMustSignTheJoinAtTheirPoint() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32 digest = _joinDigest(job);
        for (uint256 i; i < 3; ++i) {
            bytes32[2][3] memory signatures = _signAll(digest);
            signatures[i] = signatures[(i + 1) % 3];
            _refusedJoin(job, terms, signatures, i);
            signatures[i] = [bytes32(0), bytes32(0)];
            _refusedJoin(job, terms, signatures, i);
            signatures[i] = _sign(0xdead, digest);
            _refusedJoin(job, terms, signatures, i);
        }
    }

    function test_joinsHoldForOneJobContractAndChain() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32 structHash = _joinHash(job);
        bytes32[5] memory foreign = [
            _digest(_domain(), _joinHash(job ^ bytes32(uint256(1)))),
            _unopenedDigest(job),
            _digest(_domainOf(block.chainid + 1, address(escrow)), structHash),
            _digest(_domainOf(block.chainid, address(this)), structHash),
            structHash
        ];
        for (uint256 i; i < foreign.length; ++i) _refusedJoin(job, terms, _signAll(foreign[i]), 0);
    }

    function test_signaturesDoNotOutliveAForkOfTheChain() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32[2][3] memory signatures = _signAll(_joinDigest(job));
        vm.chainId(block.chainid + 1);
        _refusedJoin(job, terms, signatures, 0);
    }

    function test_attestationsOfOneJobAreNothingToItsTwin() public {
        (bytes32 first,) = _joined();
        (bytes32 second, IJobEscrow.JobTerms memory others) = _joined();
        IJobEscrow.Attestation memory attestation = _attestation(first, keccak256("payouts"));
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, second, 1, vm.addr(keys[0]))
        );
        escrow.attest(others, _parts(), keccak256("payouts"), 0, signatures);
    }

    /// A buyer that asks for the same twice in one second must make a difference, say another result key.
    function test_theSameTermsAreFundedOnce() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _create(BUYER, request, _price(1));
        _refusedMove(job, JobState.Funded, JobState.Funded);
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
        // Nor after their end, or old signatures would be good again.
        escrow.fail(terms, _notices(job, 1, 2));
        escrow.refund(terms);
        _refusedMove(job, JobState.Refunded, JobState.Funded);
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
        request.resultKey = keccak256("another key");
        (bytes32 second,) = _create(BUYER, request, _price(1));
        _true(second != job, "another job");
    }

    function test_everyFieldOfAnAttestationIsSigned() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _joined();
        IJobEscrow.Attestation memory attestation = _attestation(job, keccak256("payouts"));
        _true(escrow.attestationDigest(attestation) == _attestDigest(attestation), "the digest");
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        // Eight words of the parts, the payouts, the budget.
        bytes memory original = abi.encode(_parts(), keccak256("payouts"), uint256(0));
        _eq(original.length, 10 * 32, "words");
        for (uint256 word; word < 10; ++word) {
            (IJobEscrow.ResultParts memory parts, bytes32 payoutRoot, uint256 budgetSpent) =
                abi.decode(_flipped(original, word), (IJobEscrow.ResultParts, bytes32, uint256));
            vm.expectRevert(
                abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, job, 1, vm.addr(keys[0]))
            );
            escrow.attest(terms, parts, payoutRoot, budgetSpent, signatures);
        }
    }

    // ---- times -------------------------------------------------------------------------------------

    function test_joinUntilTheDeadlineAndAttestUntilTheEndOfGrace() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32[2][3] memory joins = _signAll(_joinDigest(job));
        IJobEscrow.Attestation memory attestation = _attestation(job, keccak256("payouts"));
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        vm.warp(terms.deadlineSec + 1);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.DeadlinePassed.selector, job, terms.deadlineSec));
        escrow.join(terms, joins);
        vm.warp(terms.deadlineSec);
        escrow.join(terms, joins);
        vm.warp(terms.deadlineSec + GRACE + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.DeadlinePassed.selector, job, terms.deadlineSec + GRACE)
        );
        escrow.attest(terms, _parts(), keccak256("payouts"), 0, signatures);
        vm.warp(terms.deadlineSec + GRACE);
        escrow.attest(terms, _parts(), keccak256("payouts"), 0, signatures);
        _eq(_state(job), JobState.Attested);
        _eq(escrow.jobOf(job).windowEndSec, terms.deadlineSec + GRACE + WINDOW, "the whole window");
    }

    /// No second in which a job can be both attested and refunded: whoever came first would decide.
    function test_refundFromTheSecondAfterWhatCanStillGoOn() public {
        (bytes32 funded, IJobEscrow.JobTerms memory terms) = _fund();
        (bytes32 joined, IJobEscrow.JobTerms memory others) = _joined();
        vm.warp(terms.deadlineSec);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.DeadlineNotPassed.selector, funded, terms.deadlineSec)
        );
        escrow.refund(terms);
        vm.warp(terms.deadlineSec + 1);
        escrow.refund(terms);
        bytes memory early =
            abi.encodeWithSelector(IJobEscrow.DeadlineNotPassed.selector, joined, terms.deadlineSec + GRACE);
        vm.expectRevert(early);
        escrow.refund(others);
        vm.warp(terms.deadlineSec + GRACE);
        vm.expectRevert(early);
        escrow.refund(others);
        vm.warp(terms.deadlineSec + GRACE + 1);
        escrow.refund(others);
        _eq(BUYER.balance, 100 ether, "both came back");
        _eq(address(escrow).balance, 0, "nothing stays");
    }

    function test_anyoneSettlesFromTheSecondAfterTheWindow() public {
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        _eq(escrow.jobOf(job).windowEndSec, START + WINDOW, "end of the window");
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.WindowOpen.selector, job, START + WINDOW));
        escrow.settle(job, outcome);
        vm.warp(START + WINDOW + 1);
        vm.prank(STRANGER);
        escrow.settle(job, outcome);
        _eq(_state(job), JobState.Settled);
    }

    function test_onlyTheBuyerEndsTheWindow() public {
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotBuyer.selector, job, STRANGER));
        escrow.accept(job, outcome);
        // Nor does it help to name oneself as the buyer.
        outcome.buyer = STRANGER;
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.OutcomeMismatch.selector, job));
        escrow.accept(job, outcome);
        outcome.buyer = BUYER;
        vm.prank(BUYER);
        escrow.accept(job, outcome);
    }

    // ---- failure -----------------------------------------------------------------------------------

    function test_anyTwoOperatorsFailAJobAtOnce() public {
        uint8[2][6] memory pairs = [[1, 2], [1, 3], [2, 3], [2, 1], [3, 1], [3, 2]];
        for (uint256 i; i < pairs.length; ++i) {
            (bytes32 job, IJobEscrow.JobTerms memory terms) = i % 2 == 0 ? _fund() : _joined();
            vm.expectEmit();
            emit IJobEscrow.JobFailed(job, [bytes32("PEER_LOST"), bytes32("PEER_TIMEOUT")]);
            escrow.fail(terms, _notices(job, pairs[i][0], pairs[i][1]));
            escrow.refund(terms);
        }
        _eq(BUYER.balance, 100 ether, "all came back");
    }

    function test_oneOperatorOrAStrangerFailsNothing() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        uint8[2][5] memory pairs = [[1, 1], [0, 1], [1, 0], [1, 4], [255, 2]];
        for (uint256 i; i < pairs.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IJobEscrow.PointsInvalid.selector, pairs[i][0], pairs[i][1])
            );
            escrow.fail(terms, _notices(job, pairs[i][0], pairs[i][1]));
        }
        // One operator's notice under two points.
        IJobEscrow.FailureNotice[2] memory notices = _notices(job, 1, 2);
        notices[1] = _notice(job, 1, "PEER_LOST");
        notices[1].point = 2;
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, job, 2, vm.addr(keys[1]))
        );
        escrow.fail(terms, notices);
        // Notices about another job, or with another reason than was signed.
        notices = _notices(job ^ bytes32(uint256(1)), 1, 2);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, job, 1, vm.addr(keys[0]))
        );
        escrow.fail(terms, notices);
        notices = _notices(job, 1, 2);
        notices[1].reason = "OTHER";
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, job, 2, vm.addr(keys[1]))
        );
        escrow.fail(terms, notices);
    }

    function test_aFailedJobIsRefundedOnceAndToItsBuyerOnly() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _failed();
        vm.prank(STRANGER);
        escrow.refund(terms);
        _eq(BUYER.balance, 100 ether, "to the buyer");
        _eq(STRANGER.balance, 0, "nothing to the sender");
        _refusedMove(job, JobState.Refunded, JobState.Refunded);
        escrow.refund(terms);
    }

    // ---- refusals as the tests expect them ---------------------------------------------------------

    function _refusedJoin(
        bytes32 job,
        IJobEscrow.JobTerms memory terms,
        bytes32[2][3] memory signatures,
        uint256 index
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, job, index + 1, vm.addr(keys[index]))
        );
        escrow.join(terms, signatures);
    }

    function _refusedMove(bytes32 job, JobState from, JobState to) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.TransitionRefused.selector, job, from, to));
    }
}
