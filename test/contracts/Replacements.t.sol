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
    uint256 private constant STEPS = 24;
    bytes32 private _oldRoot;
    uint256 private _generation;
    /// Of the jobs of a walk, and what they hold of the budget.
    IJobEscrow.JobTerms[] private _termsOf;
    IJobEscrow.JobSpec[] private _specOf;
    uint256 private _held;
    bytes32 private _lastRoot;

    function test_whatIsLeftOfTheBudgetGoesAlong() public {
        _offerAndSpend();
        IOfferRegistry.OfferInput memory input = _newInput(BUDGET - SPENT);
        bytes32 replacement = _commit(SELLER, input);
        vm.expectEmit();
        emit IOfferRegistry.OfferReplaced(_oldRoot, replacement, BUDGET - SPENT);
        vm.prank(SELLER);
        _true(offers.replace(input, _set(), _oldRoot) == replacement, "named by its commitments");
        IOfferRegistry.Listing memory listing = offers.listing(SELLER, _setOf(input.members), replacement);
        _true(listing.active && !listing.replaced, "the new one is offered");
        _eq(listing.budgetLeftMicroRho, BUDGET - SPENT, "with what was left");
        listing = offers.listing(SELLER, _set(), _oldRoot);
        _true(listing.known && !listing.active && listing.replaced, "the old one is not");
        _eq(listing.budgetLeftMicroRho, 0, "and has nothing left");
    }

    function test_noMoreThanWhatIsLeftGoesAlong() public {
        _offerAndSpend();
        uint64[3] memory tooMuch = [BUDGET - SPENT + 1, BUDGET, EXACT];
        for (uint256 i; i < 3; ++i) _refusedBudget(tooMuch[i], BUDGET - SPENT);
        _true(offers.listing(SELLER, _set(), _oldRoot).active, "nothing changed");
        // Less may: the rest is given up.
        _replace(100);
        _refusedReplacement(1);
        _refusedReplacement(0);
    }

    function test_theOldOfferHasEndedForGood() public {
        IOfferRegistry.OfferInput memory input = _input("replaced");
        vm.prank(SELLER);
        _oldRoot = offers.publish(input);
        _replace(BUDGET);
        IOfferRegistry.UseTerms memory terms = _useTerms();
        bytes memory replaced = abi.encodeWithSelector(IOfferRegistry.AlreadyReplaced.selector, _oldRoot);
        vm.expectRevert(replaced);
        vm.prank(SELLER);
        offers.relist(_set(), _oldRoot, terms, new IOfferRegistry.Rules[](0));
        vm.expectRevert(replaced);
        vm.prank(SELLER);
        offers.publish(input);
        vm.expectRevert(replaced);
        vm.prank(SELLER);
        offers.withdraw(_set(), _oldRoot);
        IJobEscrow.JobRequest memory request = _over(_old());
        vm.expectRevert(replaced);
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(request);
        request.microRho = 0;
        vm.expectRevert(replaced);
        vm.prank(BUYER);
        escrow.quote(request);
        // The explanation has it as a word of its own: 1 is asked for, 2 stands for withdrawn.
        IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, request);
        _true(failures.length == 1 && failures[0].term == IOfferRegistry.Term.Listing, "not listed");
        _eq(uint256(failures[0].found), 3, "replaced");
        _eq(uint256(failures[0].asked), 1, "active");
    }

    function test_dataWithNothingLeftMovesToo() public {
        IOfferRegistry.OfferInput memory input = _input("spent");
        input.budgetMicroRho = 0;
        vm.prank(SELLER);
        _oldRoot = offers.publish(input);
        _replace(0);
        _true(offers.listing(SELLER, _set(), _oldRoot).replaced, "once");
        _refusedReplacement(0);
    }

    function test_aWithdrawnOfferStaysReplacedToo() public {
        _offerAndSpend();
        vm.prank(SELLER);
        offers.withdraw(_set(), _oldRoot);
        _eq(uint256(escrow.explain(BUYER, _over(_old()))[0].found), 2, "withdrawn");
        _replace(BUDGET - SPENT);
        IOfferRegistry.UseTerms memory terms = _useTerms();
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.AlreadyReplaced.selector, _oldRoot));
        vm.prank(SELLER);
        offers.relist(_set(), _oldRoot, terms, new IOfferRegistry.Rules[](0));
    }

    /// One job of before may still give its part back: then to the old one, so that the sum is what it ever was.
    function test_whatAFundedJobGivesBackGoesToTheOldOffer() public {
        IJobEscrow.JobTerms memory terms = _offerAndSpend();
        IJobEscrow.JobRequest memory request = _over(_old());
        request.microRho = SPENT;
        bytes32 replacement = _replace(BUDGET - SPENT);
        escrow.fail(terms, _notices(_job(terms), 1, 2));
        _return(terms, request);
        _eq(_left(_old()), SPENT, "to the old");
        _eq(
            offers.listing(SELLER, _setOf(_others()), replacement).budgetLeftMicroRho, BUDGET - SPENT, "not to the new"
        );
        _true(!offers.listing(SELLER, _set(), _oldRoot).active, "which stays ended");
        // From there it can be taken along in another step, once.
        _refusedBudget(SPENT + 1, SPENT);
        _replace(SPENT);
        _eq(_left(_old()), 0, "moved");
        _refusedReplacement(SPENT);
    }

    function test_fundedJobsGoOn() public {
        IJobEscrow.JobTerms memory terms = _offerAndSpend();
        _replace(BUDGET - SPENT);
        _join(terms);
        _attest(terms, keccak256("payouts"));
        _eq(_state(_job(terms)), JobState.Attested);
    }

    function test_aWithdrawnOfferCanBeReplaced() public {
        _offerAndSpend();
        vm.prank(SELLER);
        offers.withdraw(_set(), _oldRoot);
        _replace(BUDGET - SPENT);
    }

    /// Where there was no limit a job reserved nothing, so nothing is there to come back to the small budget of now.
    function test_noLimitDoesNotComeBackAsABudget() public {
        _oldRoot = _offered(SELLER, _useTerms(), EXACT).dataRoot;
        IJobEscrow.JobRequest memory request = _over(_old());
        request.microRho = SPENT;
        (, IJobEscrow.JobTerms memory terms) = _create(BUYER, request, _price(1));
        bytes32 replacement = _replace(5);
        escrow.fail(terms, _notices(_job(terms), 1, 2));
        _return(terms, request);
        _eq(_left(_old()), 0, "nothing came back");
        _eq(offers.listing(SELLER, _setOf(_others()), replacement).budgetLeftMicroRho, 5, "nor to the new");
        _refusedReplacement(SPENT);
        _refusedReplacement(EXACT);
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

    /// Whatever is spent, given back and shared anew in whatever order: what jobs hold and what is left for others
    /// is never more than the budget of the first.
    function testFuzz_noLineageSpendsMoreThanItsBudget(uint256 seed) public {
        bytes32[] memory roots = new bytes32[](STEPS + 1);
        bytes32[] memory sets = new bytes32[](STEPS + 1);
        uint256 count = 1;
        (roots[0], sets[0]) = (_offered(SELLER, _useTerms(), BUDGET).dataRoot, _set());
        for (uint256 step; step < STEPS; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 which = (seed >> 8) % count;
            uint64 amount = uint64((seed >> 16) % (BUDGET / 4));
            if (seed % 4 == 0) _tryReturn(seed >> 32);
            else if (seed % 4 == 1) _tryFund(roots[which], amount);
            else if (seed % 4 == 2) _tryRelist(sets[which], roots[which]);
            else if (_tryReplace(sets[which], roots[which], uint64((seed >> 16) % (BUDGET + 1)))) {
                (roots[count], sets[count]) = (_lastRoot, _set());
                ++count;
            }
            uint256 sum = _held;
            for (uint256 i; i < count; ++i) {
                sum += offers.listing(SELLER, sets[i], roots[i]).budgetLeftMicroRho;
            }
            _true(sum <= BUDGET, "never more than there was");
        }
    }

    function _tryFund(bytes32 root, uint64 microRho) private {
        IJobEscrow.JobRequest memory request = _over(_use(SELLER, root, _useTerms()));
        request.microRho = microRho;
        // Makes each job another, so that none is refused for its name.
        request.resultKey = bytes32(++_generation);
        IJobEscrow.JobTerms memory terms = _terms(BUYER, request, _price(1));
        vm.prank(BUYER);
        try escrow.createJob{value: _price(1)}(request) {
            _held += microRho;
            _termsOf.push(terms);
            _specOf.push(_spec(request));
        } catch {}
    }

    function _tryReturn(uint256 which) private {
        if (_termsOf.length == 0) return;
        which %= _termsOf.length;
        IJobEscrow.JobTerms memory terms = _termsOf[which];
        if (_state(_job(terms)) == JobState.Funded) escrow.fail(terms, _notices(_job(terms), 1, 2));
        try escrow.returnBudget(terms, _specOf[which], _sellers()) {
            _held -= _specOf[which].microRho;
        } catch {}
    }

    function _tryRelist(bytes32 operatorSet, bytes32 root) private {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        vm.prank(SELLER);
        try offers.relist(operatorSet, root, terms, new IOfferRegistry.Rules[](0)) {} catch {}
    }

    /// To the same set, so that jobs go on.
    function _tryReplace(bytes32 operatorSet, bytes32 root, uint64 budget) private returns (bool) {
        IOfferRegistry.OfferInput memory input = _newInput(budget);
        input.members = members;
        vm.prank(SELLER);
        try offers.replace(input, operatorSet, root) returns (bytes32 replacement) {
            _lastRoot = replacement;
            return true;
        } catch {
            return false;
        }
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _return(IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) private {
        escrow.returnBudget(terms, _spec(request), _sellers());
    }

    function _sellers() private pure returns (address[] memory sellers) {
        sellers = new address[](1);
        sellers[0] = SELLER;
    }

    function _refusedReplacement(uint64 budget) private {
        IOfferRegistry.OfferInput memory input = _newInput(budget);
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.AlreadyReplaced.selector, _oldRoot));
        vm.prank(SELLER);
        offers.replace(input, _set(), _oldRoot);
    }

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
