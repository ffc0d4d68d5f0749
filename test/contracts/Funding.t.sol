// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "../../contracts/interfaces/IOperatorRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Payments} from "../../contracts/libraries/Payments.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice What a job costs, what may be in it, and that nothing of it can be changed afterwards.
contract FundingTest is MarketTest {
    // ---- funding -----------------------------------------------------------------------------------

    function test_aJobIsNamedByTheHashOfItsTermsWhichStandInTheEvent() public {
        IJobEscrow.JobRequest memory request = _request(_publish(2));
        IJobEscrow.JobTerms memory terms = _terms(BUYER, request, _price(2));
        vm.expectEmit();
        emit IJobEscrow.JobFunded(
            _job(terms),
            BUYER,
            _set(),
            ALGORITHM,
            terms.deadlineSec,
            RESULT_KEY,
            EXACT,
            0,
            address(0),
            _price(2),
            terms.signers,
            _spec(request).dataRoots,
            SPEC
        );
        (bytes32 job,) = _create(BUYER, request, _price(2));
        IJobEscrow.Job memory stored = escrow.jobOf(job);
        _eq(stored.state, JobState.Funded);
        _true(!stored.joined && !stored.budgetReturned, "neither joined nor returned");
        _eq(uint256(stored.outcomeHash) + stored.unclaimed + stored.windowEndSec, 0, "nothing of a result");
        _eq(address(escrow).balance, _price(2), "balance");
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
            vm.expectRevert(abi.encodeWithSelector(Payments.ValueWrong.selector, wrong, _price(1)));
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

    function test_fundingNeedsDifferentActiveOffersOfTheSet() public {
        IOfferRegistry.OfferUse[] memory refs = _publish(3);
        IOfferRegistry.OfferUse[] memory twice = new IOfferRegistry.OfferUse[](3);
        (twice[0], twice[1], twice[2]) = (refs[1], refs[0], refs[1]);
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OffersNotDistinct.selector, 3, 2));
        _refusedFunding(
            new IOfferRegistry.OfferUse[](0), abi.encodeWithSelector(IOfferRegistry.OffersEmpty.selector)
        );
        bytes32 elsewhere = keccak256("no such data");
        twice[2] = _use(SELLER, elsewhere, _useTerms());
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, SELLER, elsewhere));
        // No name at all is no different one.
        twice[2] = _use(SELLER, 0, _useTerms());
        _refusedFunding(twice, abi.encodeWithSelector(IOfferRegistry.OffersNotDistinct.selector, 3, 2));
        vm.prank(SELLER);
        offers.withdraw(_set(), refs[1].dataRoot);
        _refusedFunding(refs, abi.encodeWithSelector(IOfferRegistry.OfferInactive.selector, refs[1].dataRoot));
    }

    function test_offersOfAnotherSetAreUnknown() public {
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        (request.members[0], request.members[1]) = (members[1], members[0]);
        // A set that nobody made is none, whoever its members are: nobody has agreed to it.
        bytes32 other = _setOf(request.members);
        bytes memory notApproved =
            abi.encodeWithSelector(IOperatorRegistry.AlgorithmNotApproved.selector, other, ALGORITHM, 0);
        vm.expectRevert(notApproved);
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
        operators.createSet(request.members);
        vm.expectRevert(notApproved);
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
        for (uint256 i; i < 3; ++i) {
            vm.prank(members[i]);
            operators.approve(other, ALGORITHM);
        }
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
            operators.revoke(_set(), ALGORITHM);
            _refusedFunding(
                refs,
                abi.encodeWithSelector(
                    IOperatorRegistry.AlgorithmNotApproved.selector, _set(), ALGORITHM, 7 - (1 << i)
                )
            );
            vm.prank(members[i]);
            operators.approve(_set(), ALGORITHM);
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
        operators.createSet(input.members);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOperatorRegistry.AlgorithmNotApproved.selector, _setOf(input.members), ALGORITHM, 0
            )
        );
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }

    function test_anAmountThatDoesNotFitIsRefusedAndTheLargestComesBack() public {
        IOfferRegistry.OfferUse[] memory refs = _publish(1);
        uint96 largest = type(uint96).max - 3 * uint96(FEE);
        refs[0].terms.price = largest + 1;
        _relist(refs[0]);
        vm.deal(BUYER, 1 << 97);
        IJobEscrow.JobRequest memory request = _request(refs);
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.AmountTooLarge.selector, 1 << 96));
        vm.prank(BUYER);
        escrow.createJob{value: 1 << 96}(request);

        refs[0].terms.price = largest;
        _relist(refs[0]);
        request = _request(refs);
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _create(BUYER, request, type(uint96).max);
        escrow.fail(terms, _notices(job, 2, 3));
        escrow.refund(terms);
        _eq(BUYER.balance, 1 << 97, "all of it");
    }

    // ---- what is agreed stays ----------------------------------------------------------------------

    function test_laterPricesFeesAndSignersChangeNoFundedJob() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        IJobEscrow.JobRequest memory request = _request(_publish(1));
        request.offers[0].terms.price = PRICE * 2;
        _relist(request.offers[0]);
        bytes32[2] memory possession = _possession(members[0], 0x2001);
        vm.prank(members[0]);
        operators.update(_keys(vm.addr(0x2001)), "127.0.0.1:9001", FEE * 2, possession);
        // The new signer is nobody to the old job.
        bytes32 digest = _joinDigest(job);
        bytes32[2][3] memory signatures = _signAll(digest);
        signatures[0] = _sign(0x2001, digest);
        vm.expectRevert(
            abi.encodeWithSelector(IJobEscrow.SignatureInvalid.selector, job, 1, vm.addr(keys[0]))
        );
        escrow.join(terms, signatures);
        escrow.join(terms, _signAll(digest));
        vm.warp(terms.deadlineSec + GRACE + 1);
        escrow.refund(terms);
        _eq(BUYER.balance, 100 ether, "the whole amount came back");
    }

    function test_everyFieldOfTheTermsIsBound() public {
        (bytes32 job, IJobEscrow.JobTerms memory terms) = _fund();
        vm.warp(terms.deadlineSec + 1);
        bytes memory original = abi.encode(terms);
        for (uint256 word; word < original.length / 32; ++word) {
            IJobEscrow.JobTerms memory changed = abi.decode(_flipped(original, word), (IJobEscrow.JobTerms));
            // Other terms are another job, which nobody has funded.
            vm.expectRevert(
                abi.encodeWithSelector(
                    IJobEscrow.TransitionRefused.selector, _job(changed), JobState.None, JobState.Refunded
                )
            );
            escrow.refund(changed);
        }
        escrow.refund(terms);
        _eq(_state(job), JobState.Refunded);
    }

    function test_everyFieldOfTheOutcomeIsBound() public {
        (bytes32 job, IJobEscrow.Outcome memory outcome) = _attested(keccak256("payouts"));
        bytes memory original = abi.encode(outcome);
        vm.warp(START + WINDOW + 1);
        for (uint256 word; word < original.length / 32; ++word) {
            IJobEscrow.Outcome memory changed = abi.decode(_flipped(original, word), (IJobEscrow.Outcome));
            vm.expectRevert(abi.encodeWithSelector(IJobEscrow.OutcomeMismatch.selector, job));
            escrow.settle(job, changed);
        }
        escrow.settle(job, outcome);
    }

    function _refusedFunding(IOfferRegistry.OfferUse[] memory refs, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.createJob{value: _price(refs.length)}(_request(refs));
    }
}
