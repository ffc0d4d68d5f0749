// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Joining, attesting, settling and failing: whose signatures, and when.
contract JobEscrowTest is MarketTest {
    // ---- signatures --------------------------------------------------------------------------------

    function test_allThreeMustSignTheJoinAtTheirPoint() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32 digest = _joinDigest(jobId, terms.specHash);
        for (uint256 i; i < 3; ++i) {
            bytes32[2][3] memory signatures = _signAll(digest);
            signatures[i] = signatures[(i + 1) % 3];
            _refusedJoin(jobId, terms, signatures, i);
            signatures[i] = [bytes32(0), bytes32(0)];
            _refusedJoin(jobId, terms, signatures, i);
            signatures[i] = _sign(0xdead, digest);
            _refusedJoin(jobId, terms, signatures, i);
        }
    }

    function test_joinsHoldForOneJobContractAndChain() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32 structHash = _joinHash(jobId, terms.specHash);
        bytes32[5] memory foreign = [
            _digest(_domain(), _joinHash(jobId + 1, terms.specHash)),
            _digest(_domain(), _joinHash(jobId, keccak256("another spec"))),
            _digest(_domainOf(block.chainid + 1, address(escrow)), structHash),
            _digest(_domainOf(block.chainid, address(this)), structHash),
            structHash
        ];
        for (uint256 i; i < foreign.length; ++i) _refusedJoin(jobId, terms, _signAll(foreign[i]), 0);
    }

    function test_signaturesDoNotOutliveAForkOfTheChain() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32[2][3] memory signatures = _signAll(_joinDigest(jobId, terms.specHash));
        vm.chainId(block.chainid + 1);
        _refusedJoin(jobId, terms, signatures, 0);
    }

    function test_attestationsOfOneJobAreNothingToItsTwin() public {
        (uint256 first, IJobEscrow.JobTerms memory terms) = _joined();
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        vm.prank(BUYER);
        uint256 second = escrow.createJob{value: _price(1)}(request);
        uint256[] memory ids = new uint256[](1);
        ids[0] = offers.offerCount();
        IJobEscrow.JobTerms memory others = _terms(BUYER, request, ids, _price(1));
        escrow.join(second, others, _signAll(_joinDigest(second, others.specHash)));

        IJobEscrow.Attestation memory attestation = _attestation(first, terms, keccak256("payouts"));
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        attestation.job = second;
        attestation.inputRoot = others.inputRoot;
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, second, 1, vm.addr(keys[0]))
        );
        escrow.attest(others, attestation, signatures);
    }

    function test_anAttestationIsAboutTheAlgorithmAndInputsOfTheJob() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _joined();
        IJobEscrow.Attestation memory attestation = _attestation(jobId, terms, keccak256("payouts"));
        attestation.algorithm = keccak256("another");
        _refusedAttestation(terms, attestation);
        attestation = _attestation(jobId, terms, keccak256("payouts"));
        attestation.inputRoot = keccak256("other inputs");
        _refusedAttestation(terms, attestation);
    }

    function test_everyFieldOfAnAttestationIsSigned() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _joined();
        IJobEscrow.Attestation memory attestation = _attestation(jobId, terms, keccak256("payouts"));
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        bytes memory original = abi.encode(attestation);
        // Job, algorithm and inputs are compared with the job; these three are covered by the signature alone.
        for (uint256 word = 3; word < 6; ++word) {
            IJobEscrow.Attestation memory changed =
                abi.decode(_flipped(original, word), (IJobEscrow.Attestation));
            vm.expectRevert(
                abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, jobId, 1, vm.addr(keys[0]))
            );
            escrow.attest(terms, changed, signatures);
        }
    }

    // ---- times -------------------------------------------------------------------------------------

    function test_joinAndAttestUntilTheLastSecond() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        bytes32[2][3] memory joins = _signAll(_joinDigest(jobId, terms.specHash));
        IJobEscrow.Attestation memory attestation = _attestation(jobId, terms, keccak256("payouts"));
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        bytes memory late =
            abi.encodeWithSelector(IJobEscrow.DeadlinePassed.selector, jobId, terms.deadlineSec);

        vm.warp(terms.deadlineSec + 1);
        vm.expectRevert(late);
        escrow.join(jobId, terms, joins);
        vm.warp(terms.deadlineSec);
        escrow.join(jobId, terms, joins);
        vm.warp(terms.deadlineSec + 1);
        vm.expectRevert(late);
        escrow.attest(terms, attestation, signatures);
        vm.warp(terms.deadlineSec);
        escrow.attest(terms, attestation, signatures);
        _eq(_state(jobId), JobState.Attested);
    }

    function test_refundFromTheSecondAfterTheDeadline() public {
        (uint256 funded, IJobEscrow.JobTerms memory terms) = _fund();
        (uint256 joined, IJobEscrow.JobTerms memory others) = _joined();
        vm.warp(terms.deadlineSec);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.DeadlineNotPassed.selector, funded, terms.deadlineSec)
        );
        escrow.refund(funded, terms);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.DeadlineNotPassed.selector, joined, others.deadlineSec)
        );
        escrow.refund(joined, others);
        vm.warp(terms.deadlineSec + 1);
        escrow.refund(funded, terms);
        escrow.refund(joined, others);
        _eq(BUYER.balance, 100 ether, "both came back");
        _eq(address(escrow).balance, 0, "nothing stays");
    }

    function test_anyoneSettlesFromTheSecondAfterTheWindow() public {
        (uint256 jobId, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        _eq(escrow.job(jobId).windowEndSec, START + WINDOW, "end of the window");
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.WindowOpen.selector, jobId, START + WINDOW));
        escrow.settle(jobId, outcome);
        vm.warp(START + WINDOW + 1);
        vm.prank(STRANGER);
        escrow.settle(jobId, outcome);
        _eq(_state(jobId), JobState.Settled);
    }

    function test_onlyTheBuyerEndsTheWindow() public {
        (uint256 jobId, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.NotBuyer.selector, jobId, STRANGER));
        escrow.accept(jobId, outcome);
        // Nor does it help to name oneself as the buyer.
        outcome.buyer = STRANGER;
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.OutcomeMismatch.selector, jobId));
        escrow.accept(jobId, outcome);
        outcome.buyer = BUYER;
        vm.prank(BUYER);
        escrow.accept(jobId, outcome);
    }

    // ---- failure -----------------------------------------------------------------------------------

    function test_anyTwoOperatorsFailAJobAtOnce() public {
        uint8[2][6] memory pairs = [[1, 2], [1, 3], [2, 3], [2, 1], [3, 1], [3, 2]];
        for (uint256 i; i < pairs.length; ++i) {
            (uint256 jobId, IJobEscrow.JobTerms memory terms) = i % 2 == 0 ? _fund() : _joined();
            vm.expectEmit();
            emit IJobEscrow.JobFailed(jobId, [bytes32("PEER_LOST"), bytes32("PEER_TIMEOUT")]);
            escrow.fail(jobId, terms, _notices(jobId, pairs[i][0], pairs[i][1]));
            escrow.refund(jobId, terms);
        }
        _eq(BUYER.balance, 100 ether, "all came back");
    }

    function test_oneOperatorOrAStrangerFailsNothing() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        uint8[2][4] memory pairs = [[1, 1], [0, 1], [1, 4], [255, 2]];
        for (uint256 i; i < pairs.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IJobEscrow.PointsInvalid.selector, pairs[i][0], pairs[i][1])
            );
            escrow.fail(jobId, terms, _notices(jobId, pairs[i][0], pairs[i][1]));
        }
        // One operator's notice under two points.
        IJobEscrow.FailureNotice[2] memory notices = _notices(jobId, 1, 2);
        notices[1] = _notice(jobId, 1, "PEER_LOST");
        notices[1].point = 2;
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, jobId, 2, vm.addr(keys[1]))
        );
        escrow.fail(jobId, terms, notices);
        // Notices about another job, or with another reason than was signed.
        notices = _notices(jobId + 1, 1, 2);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, jobId, 1, vm.addr(keys[0]))
        );
        escrow.fail(jobId, terms, notices);
        notices = _notices(jobId, 1, 2);
        notices[1].reason = "OTHER";
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, jobId, 2, vm.addr(keys[1]))
        );
        escrow.fail(jobId, terms, notices);
    }

    function test_aFailedJobIsRefundedOnceAndToItsBuyerOnly() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _failed();
        vm.prank(STRANGER);
        escrow.refund(jobId, terms);
        _eq(BUYER.balance, 100 ether, "to the buyer");
        _eq(STRANGER.balance, 0, "nothing to the sender");
        _refusedMove(jobId, JobState.Refunded, JobState.Refunded);
        escrow.refund(jobId, terms);
    }

    // ---- refusals as the tests expect them ---------------------------------------------------------

    function _refusedJoin(
        uint256 jobId,
        IJobEscrow.JobTerms memory terms,
        bytes32[2][3] memory signatures,
        uint256 index
    ) private {
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, jobId, index + 1, vm.addr(keys[index]))
        );
        escrow.join(jobId, terms, signatures);
    }

    function _refusedAttestation(IJobEscrow.JobTerms memory terms, IJobEscrow.Attestation memory attestation)
        private
    {
        bytes32[2][3] memory signatures = _signAll(_attestDigest(attestation));
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AttestationMismatch.selector, attestation.job));
        escrow.attest(terms, attestation, signatures);
    }

    function _refusedMove(uint256 jobId, JobState from, JobState to) private {
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.TransitionRefused.selector, jobId, from, to));
    }
}
