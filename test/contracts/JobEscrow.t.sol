// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Funding, joining, attesting and settling: what is kept, what is refused and when.
contract JobEscrowTest is MarketTest {
    // ---- funding -----------------------------------------------------------------------------------

    function test_fundingKeepsTheHashOfTheTerms() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        IJobEscrow.Job memory job = escrow.job(jobId);
        _eq(jobId, 1, "first id");
        _eq(job.state, JobState.Funded);
        _eq(job.termsTag, uint256(keccak256(abi.encode(terms))) >> 8, "terms tag");
        _eq(address(escrow).balance, _price(1), "balance");
        _eq(escrow.jobCount(), 1, "count");
    }

    function test_quoteIsWhatFundingCosts() public {
        IOfferRegistry.OfferRef[] memory refs = _publish(3);
        _eq(escrow.quote(members, ALGORITHM, refs), _price(3), "quote");
        vm.prank(BUYER);
        escrow.createJob{value: _price(3)}(_request(refs));
    }

    function test_fundingTakesExactlyThePrice() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        for (uint256 wrong = _price(1) - 1; wrong <= _price(1) + 1; wrong += 2) {
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AmountWrong.selector, wrong, _price(1)));
            vm.prank(BUYER);
            escrow.createJob{value: wrong}(request);
        }
    }

    function test_deadlineIsBetweenAMinuteAndThirtyDays() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        uint256[2] memory within = [START + 60, START + 30 days];
        uint256[4] memory without = [START - 1, START + 59, START + 30 days + 1, type(uint64).max];
        for (uint256 i; i < without.length; ++i) {
            request.deadlineSec = uint64(without[i]);
            vm.expectRevert(
                abi.encodeWithSelector(
                    IJobEscrow.DeadlineOutOfRange.selector, without[i], START + 60, START + 30 days
                )
            );
            vm.prank(BUYER);
            escrow.createJob{value: _price(1)}(request);
        }
        for (uint256 i; i < within.length; ++i) {
            request.deadlineSec = uint64(within[i]);
            vm.prank(BUYER);
            escrow.createJob{value: _price(1)}(request);
        }
    }

    function test_fundingNeedsOffersInOrderActiveAndOfTheSet() public {
        IOfferRegistry.OfferRef[] memory refs = _publish(2);
        IOfferRegistry.OfferRef[] memory twice = new IOfferRegistry.OfferRef[](2);
        (twice[0], twice[1]) = (refs[1], refs[1]);
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OffersNotAscending.selector, 2, 2));
        (twice[0], twice[1]) = (refs[1], refs[0]);
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OffersNotAscending.selector, 2, 1));
        _refusedFunding(
            new IOfferRegistry.OfferRef[](0), abi.encodeWithSelector(IOfferRegistry.OffersEmpty.selector)
        );
        bytes32 elsewhere = keccak256("no such data");
        twice[1] = IOfferRegistry.OfferRef(SELLER, elsewhere);
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, SELLER, elsewhere));
        vm.prank(SELLER);
        offers.withdraw(_set(), refs[1].dataRoot);
        _refusedFunding(refs, abi.encodeWithSelector(IOfferRegistry.OfferInactive.selector, 2));
    }

    function test_offersOfAnotherSetAreUnknown() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        (request.members[0], request.members[1]) = (members[1], members[0]);
        vm.expectRevert(
            abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, SELLER, request.offers[0].dataRoot)
        );
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }

    function test_allThreeOperatorsMustRunTheAlgorithm() public {
        IOfferRegistry.OfferRef[] memory refs = _publish(1);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.revoke(ALGORITHM);
            _refusedFunding(
                refs,
                abi.encodeWithSelector(IOperatorRegistry.AlgorithmNotApproved.selector, members[i], ALGORITHM)
            );
            vm.prank(members[i]);
            operators.approve(ALGORITHM);
        }
    }

    function test_aLeavingOperatorTakesNoJobs() public {
        IOfferRegistry.OfferRef[] memory refs = _publish(1);
        vm.prank(members[2]);
        operators.requestUnbond();
        _refusedFunding(refs, abi.encodeWithSelector(IOperatorRegistry.OperatorInactive.selector, members[2]));
    }

    /// Publishing does not look at the members; a set in which one operator stands twice gets no job.
    function test_anOperatorCannotStandTwiceInTheSetOfAJob() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        input.members[1] = members[0];
        vm.prank(SELLER);
        offers.publish(input);
        IOfferRegistry.OfferRef[] memory refs = new IOfferRegistry.OfferRef[](1);
        refs[0] = IOfferRegistry.OfferRef(SELLER, _commit(SELLER, input));
        IJobEscrow.JobRequest memory request = _request(refs);
        request.members = input.members;
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.MembersNotDistinct.selector, members[0]));
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }

    function test_anAmountThatDoesNotFitIsRefusedAndTheLargestComesBack() public {
        IOfferRegistry.OfferRef[] memory refs = _publish(1);
        uint96 largest = type(uint96).max - 3 * uint96(FEE);
        vm.prank(SELLER);
        offers.setPrice(_set(), refs[0].dataRoot, largest + 1);
        vm.deal(BUYER, 1 << 97);
        IJobEscrow.JobRequest memory request = _request(refs);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AmountWrong.selector, 1 << 96, 1 << 96));
        vm.prank(BUYER);
        escrow.createJob{value: 1 << 96}(request);

        vm.prank(SELLER);
        offers.setPrice(_set(), refs[0].dataRoot, largest);
        vm.prank(BUYER);
        uint256 jobId = escrow.createJob{value: type(uint96).max}(request);
        uint256[] memory ids = new uint256[](1);
        ids[0] = 1;
        IJobEscrow.JobTerms memory terms = _terms(BUYER, request, ids, type(uint96).max);
        escrow.fail(jobId, terms, _notices(jobId, 2, 3));
        escrow.refund(jobId, terms);
        _eq(BUYER.balance, 1 << 97, "all of it");
    }

    // ---- what is agreed stays ----------------------------------------------------------------------

    function test_laterPricesFeesAndSignersChangeNoFundedJob() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        vm.prank(SELLER);
        offers.setPrice(_set(), request.offers[0].dataRoot, PRICE * 2);
        vm.prank(members[0]);
        operators.update(_keys(vm.addr(0x2001)), "127.0.0.1:9001", FEE * 2);
        // The new signer is nobody to the old job.
        bytes32 digest = _joinDigest(jobId, terms.specHash);
        bytes32[2][3] memory signatures = _signAll(digest);
        signatures[0] = _sign(0x2001, digest);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, jobId, 1, vm.addr(keys[0]))
        );
        escrow.join(jobId, terms, signatures);
        escrow.join(jobId, terms, _signAll(digest));
        vm.warp(terms.deadlineSec + 1);
        escrow.refund(jobId, terms);
        _eq(BUYER.balance, 100 ether, "the whole amount came back");
    }

    function test_everyFieldOfTheTermsIsBound() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        vm.warp(terms.deadlineSec + 1);
        bytes memory original = abi.encode(terms);
        for (uint256 word; word < original.length / 32; ++word) {
            IJobEscrow.JobTerms memory changed = abi.decode(_flipped(original, word), (IJobEscrow.JobTerms));
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.TermsMismatch.selector, jobId));
            escrow.refund(jobId, changed);
        }
        escrow.refund(jobId, terms);
    }

    function test_everyFieldOfTheOutcomeIsBound() public {
        (uint256 jobId, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        bytes memory original = abi.encode(outcome);
        vm.warp(START + WINDOW + 1);
        for (uint256 word; word < original.length / 32; ++word) {
            IJobEscrow.Outcome memory changed = abi.decode(_flipped(original, word), (IJobEscrow.Outcome));
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.OutcomeMismatch.selector, jobId));
            escrow.settle(jobId, changed);
        }
        escrow.settle(jobId, outcome);
    }

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

    // ---- refusals as the tests expect them ----------------------------------------------------------------------

    function _refusedFunding(IOfferRegistry.OfferRef[] memory refs, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.createJob{value: _price(refs.length)}(_request(refs));
    }

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

    /// The lowest bit of one word, turned.
    function _flipped(bytes memory original, uint256 word) private pure returns (bytes memory changed) {
        changed = bytes.concat(original);
        changed[word * 32 + 31] ^= 0x01;
    }
}
