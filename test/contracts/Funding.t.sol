// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice What a job costs, what may be in it, and that nothing of it can be changed afterwards.
contract FundingTest is MarketTest {
    // ---- funding -----------------------------------------------------------------------------------

    function test_fundingKeepsTheHashOfTheTerms() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms) = _fund();
        IJobEscrow.Job memory job = escrow.job(jobId);
        _eq(jobId, 1, "first id");
        _eq(job.state, JobState.Funded);
        _eq(job.termsTag, uint256(keccak256(abi.encode(terms))) >> 10, "terms tag");
        _eq(address(escrow).balance, _price(1), "balance");
        _eq(escrow.jobCount(), 1, "count");
    }

    function test_quoteIsWhatFundingCosts() public {
        IOfferRegistry.OfferUse[] memory refs = _publish(3);
        vm.prank(BUYER);
        _eq(escrow.quote(_request(refs)), _price(3), "quote");
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
        IOfferRegistry.OfferUse[] memory refs = _publish(2);
        IOfferRegistry.OfferUse[] memory twice = new IOfferRegistry.OfferUse[](2);
        (twice[0], twice[1]) = (refs[1], refs[1]);
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OffersNotAscending.selector, 2, 2));
        (twice[0], twice[1]) = (refs[1], refs[0]);
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OffersNotAscending.selector, 2, 1));
        _refusedFunding(
            new IOfferRegistry.OfferUse[](0), abi.encodeWithSelector(IOfferRegistry.OffersEmpty.selector)
        );
        bytes32 elsewhere = keccak256("no such data");
        twice[1] = _use(SELLER, elsewhere, _useTerms());
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, SELLER, elsewhere));
        vm.prank(SELLER);
        offers.withdraw(_set(), refs[1].dataRoot);
        _refusedFunding(refs, abi.encodeWithSelector(IOfferRegistry.OfferInactive.selector, 2));
    }

    function test_offersOfAnotherSetAreUnknown() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        (request.members[0], request.members[1]) = (members[1], members[0]);
        // A set that nobody made is none, whoever its members are: who follows the events could not follow the job.
        bytes32 unknownSet = keccak256(abi.encode(request.members[0], request.members[1], request.members[2]));
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.SetUnknown.selector, unknownSet));
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
        operators.createSet(request.members);
        vm.expectRevert(
            abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, SELLER, request.offers[0].dataRoot)
        );
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }

    function test_allThreeOperatorsMustRunTheAlgorithm() public {
        IOfferRegistry.OfferUse[] memory refs = _publish(1);
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
        IOfferRegistry.OfferUse[] memory refs = _publish(1);
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
        IOfferRegistry.OfferUse[] memory refs = new IOfferRegistry.OfferUse[](1);
        refs[0] = _use(SELLER, _commit(SELLER, input), input.terms);
        IJobEscrow.JobRequest memory request = _request(refs);
        request.members = input.members;
        vm.expectRevert(abi.encodeWithSelector(IOperatorRegistry.MembersNotDistinct.selector, members[0]));
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }

    function test_anAmountThatDoesNotFitIsRefusedAndTheLargestComesBack() public {
        IOfferRegistry.OfferUse[] memory refs = _publish(1);
        uint96 largest = type(uint96).max - 3 * uint96(FEE);
        refs[0].terms.priceWei = largest + 1;
        _relist(refs[0]);
        vm.deal(BUYER, 1 << 97);
        IJobEscrow.JobRequest memory request = _request(refs);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AmountWrong.selector, 1 << 96, 1 << 96));
        vm.prank(BUYER);
        escrow.createJob{value: 1 << 96}(request);

        refs[0].terms.priceWei = largest;
        _relist(refs[0]);
        request = _request(refs);
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
        request.offers[0].terms.priceWei = PRICE * 2;
        _relist(request.offers[0]);
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

    function _refusedFunding(IOfferRegistry.OfferUse[] memory refs, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.createJob{value: _price(refs.length)}(_request(refs));
    }
}
