// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {JobState} from "../../contracts/libraries/JobStates.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Data that is shared anew to another set of operators: its privacy budget goes along and stays one.
contract ReplacementsTest is MarketTest {
    uint64 private constant BUDGET = 1000;
    uint64 private constant SPENT = 300;
    bytes32 private _oldRoot;
    uint256 private _generation;

    function test_whatIsLeftOfTheBudgetGoesAlong() public {
        _offerAndSpend();
        IOfferRegistry.OfferInput memory input = _newInput(BUDGET - SPENT);
        bytes32 replacement = _commit(SELLER, input);
        vm.expectEmit();
        emit IOfferRegistry.OfferReplaced(_oldRoot, replacement, BUDGET - SPENT);
        vm.prank(SELLER);
        _true(offers.replace(input, _set(), _oldRoot) == replacement, "named by its commitments");
        IOfferRegistry.Listing memory listing = offers.listing(SELLER, _setOf(input.members), replacement);
        _true(listing.active, "the new one is offered");
        _eq(listing.budgetLeftMicroRho, BUDGET - SPENT, "with what was left");
        listing = offers.listing(SELLER, _set(), _oldRoot);
        _true(listing.known && !listing.active, "the old one is not");
        _eq(listing.budgetLeftMicroRho, 0, "and has nothing left");
    }

    function test_noMoreThanWhatIsLeftGoesAlong() public {
        _offerAndSpend();
        uint64[3] memory tooMuch = [BUDGET - SPENT + 1, BUDGET, EXACT];
        for (uint256 i; i < 3; ++i) _refusedBudget(tooMuch[i], BUDGET - SPENT);
        _true(offers.listing(SELLER, _set(), _oldRoot).active, "nothing changed");
        // Less may: the rest is given up.
        _replace(100);
        _refusedBudget(1, 0);
        _replace(0);
    }

    function test_anOldOfferThatIsListedAgainHasNoBudget() public {
        _offerAndSpend();
        _replace(BUDGET - SPENT);
        _relist(_old());
        IJobEscrow.JobRequest memory request = _over(_old());
        request.microRho = 1;
        vm.expectRevert(
            abi.encodeWithSelector(
                IOfferRegistry.TermRefused.selector, _oldRoot, IOfferRegistry.Term.Budget, uint256(1), 0
            )
        );
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
    }

    /// One job of before may still give its part back: then to the old one, so that the sum is what it ever was.
    function test_whatAFundedJobGivesBackGoesToTheOldOffer() public {
        IJobEscrow.JobTerms memory terms = _offerAndSpend();
        IJobEscrow.JobRequest memory request = _over(_old());
        request.microRho = SPENT;
        bytes32 replacement = _replace(BUDGET - SPENT);
        escrow.fail(terms, _notices(_job(terms), 1, 2));
        address[] memory sellers = new address[](1);
        sellers[0] = SELLER;
        escrow.returnBudget(terms, _spec(request), sellers);
        _eq(_left(_old()), SPENT, "to the old");
        _eq(
            offers.listing(SELLER, _setOf(_others()), replacement).budgetLeftMicroRho, BUDGET - SPENT, "not to the new"
        );
        _true(!offers.listing(SELLER, _set(), _oldRoot).active, "which stays ended");
        // From there it can be taken along in another step.
        _replace(SPENT);
        _eq(_left(_old()), 0, "moved");
    }

    function test_fundedJobsGoOn() public {
        IJobEscrow.JobTerms memory terms = _offerAndSpend();
        _replace(BUDGET - SPENT);
        _join(terms);
        _attest(terms, _attestation(_job(terms), keccak256("payouts")));
        _eq(_state(_job(terms)), JobState.Attested);
    }

    function test_aWithdrawnOfferCanBeReplaced() public {
        _offerAndSpend();
        vm.prank(SELLER);
        offers.withdraw(_set(), _oldRoot);
        _replace(BUDGET - SPENT);
    }

    function test_fromWithoutALimitToAnyBudget() public {
        _oldRoot = _offered(SELLER, _useTerms(), EXACT).dataRoot;
        bytes32 replacement = _replace(EXACT);
        _eq(offers.listing(SELLER, _setOf(_others()), replacement).budgetLeftMicroRho, EXACT, "no limit");
        _eq(_left(_old()), 0, "the old one has ended");
        _oldRoot = _offered(SELLER, _useTerms(), EXACT).dataRoot;
        replacement = _replace(5);
        _eq(offers.listing(SELLER, _setOf(_others()), replacement).budgetLeftMicroRho, 5, "a limit");
    }

    function test_onlyTheSellersOwnOffersAreReplaced() public {
        _offerAndSpend();
        IOfferRegistry.OfferInput memory input = _newInput(1);
        vm.expectRevert(
            abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, STRANGER, _oldRoot)
        );
        vm.prank(STRANGER);
        offers.replace(input, _set(), _oldRoot);
        // Nor one that is not there, by its set or by its root.
        bytes32 other = _setOf(_others());
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, SELLER, _oldRoot));
        vm.prank(SELLER);
        offers.replace(input, other, _oldRoot);
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, SELLER, bytes32("none")));
        vm.prank(SELLER);
        offers.replace(input, _set(), "none");
    }

    /// An offer in place of itself, or of one that is known, would be a way to a new budget.
    function test_theReplacementIsNew() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        input.budgetMicroRho = BUDGET;
        vm.prank(SELLER);
        bytes32 first = offers.publish(input);
        bytes memory known = abi.encodeWithSelector(IOfferRegistry.DataSetKnown.selector, first);
        vm.expectRevert(known);
        vm.prank(SELLER);
        offers.replace(input, _set(), first);
        _oldRoot = _offered(SELLER, _useTerms(), BUDGET).dataRoot;
        vm.expectRevert(known);
        vm.prank(SELLER);
        offers.replace(input, _set(), _oldRoot);
        _eq(_left(_old()), BUDGET, "nothing changed");
        _true(offers.listing(SELLER, _set(), _oldRoot).active, "nor ended");
    }

    function testFuzz_theBudgetsOfAllGenerationsAreOne(uint64 budget, uint64 spent, uint64 taken) public {
        budget = budget % (EXACT - 1) + 1;
        spent %= budget;
        _oldRoot = _offered(SELLER, _useTerms(), budget).dataRoot;
        if (spent > 0) _spend(spent);
        taken = uint64(uint256(taken) % (uint256(budget - spent) + 1));
        bytes32 replacement = _replace(taken);
        uint256 now_ = offers.listing(SELLER, _setOf(_others()), replacement).budgetLeftMicroRho;
        _true(now_ + _left(_old()) + spent <= budget, "never more than there was");
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _old() private view returns (IOfferRegistry.OfferUse memory) {
        return _use(SELLER, _oldRoot, _useTerms());
    }

    function _others() private view returns (address[3] memory) {
        return [members[1], members[2], members[0]];
    }

    function _newInput(uint64 budget) private returns (IOfferRegistry.OfferInput memory input) {
        input = _input(string(abi.encode("generation", ++_generation)));
        (input.members, input.budgetMicroRho) = (_others(), budget);
    }

    function _offerAndSpend() private returns (IJobEscrow.JobTerms memory) {
        _oldRoot = _offered(SELLER, _useTerms(), BUDGET).dataRoot;
        return _spend(SPENT);
    }

    function _spend(uint64 microRho) private returns (IJobEscrow.JobTerms memory terms) {
        IJobEscrow.JobRequest memory request = _over(_old());
        request.microRho = microRho;
        (, terms) = _create(BUYER, request, _price(1));
    }

    function _replace(uint64 budget) private returns (bytes32) {
        IOfferRegistry.OfferInput memory input = _newInput(budget);
        vm.prank(SELLER);
        return offers.replace(input, _set(), _oldRoot);
    }

    function _refusedBudget(uint64 asked, uint64 left) private {
        IOfferRegistry.OfferInput memory input = _newInput(asked);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOfferRegistry.TermRefused.selector, _oldRoot, IOfferRegistry.Term.Budget, asked, left
            )
        );
        vm.prank(SELLER);
        offers.replace(input, _set(), _oldRoot);
    }
}
