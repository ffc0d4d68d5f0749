// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice What a seller's terms refuse, how a refusal is explained, and what a use costs.
contract UseTermsTest is MarketTest {
    address private constant OTHER_SELLER = address(0x5e11e7);
    uint64 private constant BUDGET = 1000;

    /// Refused by this term alone, in the quotation, in the creation, and in the explanation.
    function _refused(
        IJobEscrow.JobRequest memory request,
        IOfferRegistry.Term term,
        bytes32 found,
        bytes32 asked
    ) private {
        bytes memory reason =
            abi.encodeWithSelector(
            IOfferRegistry.TermRefused.selector, request.offers[0].dataRoot, term, found, asked
        );
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.createJob{value: 1 ether}(request);
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.quote(request);
        IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, request);
        _eq(failures.length, 1, "failures");
        _true(failures[0].dataRoot == request.offers[0].dataRoot, "offer");
        _true(failures[0].seller == request.offers[0].seller, "seller");
        _eq(uint256(failures[0].term), uint256(term), "term");
        _true(failures[0].found == found && failures[0].asked == asked, "values");
    }

    function _taken(IJobEscrow.JobRequest memory request) private returns (bytes32 job, uint256 amountWei) {
        _eq(escrow.explain(BUYER, request).length, 0, "nothing to explain");
        vm.prank(BUYER);
        amountWei = escrow.quote(request);
        vm.prank(BUYER);
        job = escrow.createJob{value: amountWei}(request);
    }

    function _word(uint256 value) private pure returns (bytes32) {
        return bytes32(value);
    }

    function _valueLeaf(bytes32 value) private pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(value))));
    }

    // ---- each term ---------------------------------------------------------------------------------

    function test_expiryIsTheLastSecondOfAnOffer() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.expirySec = uint40(START + 10);
        IOfferRegistry.OfferUse memory use = _offered(SELLER, terms, EXACT);
        vm.warp(START + 10);
        _taken(_over(use));
        vm.warp(START + 11);
        _refused(_over(use), IOfferRegistry.Term.Expiry, _word(START + 11), _word(START + 10));
    }

    function test_aJobSpendsAtMostTheLargestRho() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.maxMicroRho = 100;
        IJobEscrow.JobRequest memory request = _over(_offered(SELLER, terms, BUDGET));
        request.microRho = 101;
        _refused(request, IOfferRegistry.Term.MaxRho, _word(101), _word(100));
        request.microRho = 100;
        _taken(request);
    }

    /// The largest number stands for an exact result: refused by a largest rho and by a budget, each by itself.
    function test_exactResultsNeedTermsAndABudgetWithoutALimit() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        IJobEscrow.JobRequest memory request = _over(_offered(SELLER, terms, EXACT - 1));
        _refused(request, IOfferRegistry.Term.Budget, _word(EXACT), _word(EXACT - 1));
        terms.maxMicroRho = EXACT - 1;
        request = _over(_offered(SELLER, terms, EXACT));
        IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, request);
        _eq(failures.length, 1, "failures");
        _eq(uint256(failures[0].term), uint256(IOfferRegistry.Term.MaxRho), "term");
    }

    function test_onlyAllowedAlgorithmsRun() public {
        bytes32 other = keccak256("other");
        IOfferRegistry.Rules memory rules;
        rules.algorithms = _pair(_valueLeaf(ALGORITHM), _valueLeaf(other));
        IOfferRegistry.OfferUse memory use = _offeredUnder(SELLER, rules, EXACT);
        _refused(_over(use), IOfferRegistry.Term.Algorithm, ALGORITHM, rules.algorithms);
        use.rules[0].algorithmProof = _proof(_valueLeaf(other));
        _taken(_over(use));
        // A leaf's hash is no leaf: the root itself proves nothing.
        use.rules[0].algorithmProof = new bytes32[](0);
        IJobEscrow.JobRequest memory request = _over(use);
        request.algorithm = rules.algorithms;
        _eq(escrow.explain(BUYER, request).length, 1, "the root is no algorithm");
    }

    function test_onlyAllowedAccountsBuy() public {
        IOfferRegistry.Rules memory rules;
        rules.buyers = _valueLeaf(_word(uint160(STRANGER)));
        IOfferRegistry.OfferUse memory use = _offeredUnder(SELLER, rules, EXACT);
        _refused(_over(use), IOfferRegistry.Term.Buyer, _word(uint160(BUYER)), rules.buyers);
        vm.deal(STRANGER, 1 ether);
        vm.prank(STRANGER);
        escrow.createJob{value: _price(1)}(_over(use));
    }

    function test_aBuyerDeclaresAnAllowedPurpose() public {
        bytes32 purpose = keccak256("cancer research");
        IOfferRegistry.Rules memory rules;
        rules.purposes = _valueLeaf(purpose);
        IJobEscrow.JobRequest memory request = _over(_offeredUnder(SELLER, rules, EXACT));
        _refused(request, IOfferRegistry.Term.Purpose, 0, rules.purposes);
        request.purpose = purpose;
        _taken(request);
    }

    function test_sellersAreCountedOnceEach() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.minSellers = 2;
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](2);
        uses[0] = _offered(SELLER, terms, EXACT);
        uses[1] = _offered(SELLER, _useTerms(), EXACT);
        _refused(_request(uses), IOfferRegistry.Term.MinSellers, _word(1), _word(2));
        uses[1] = _offered(OTHER_SELLER, _useTerms(), EXACT);
        _taken(_request(uses));
    }

    function testFuzz_theSellersOfAJobAreCounted(uint8[12] calldata picks) public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.minSellers = 13;
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](12);
        uint256 different;
        for (uint256 i; i < 12; ++i) {
            uint256 pick = picks[i] % 8;
            bool known;
            for (uint256 j; j < i; ++j) known = known || picks[j] % 8 == pick;
            if (!known) ++different;
            uses[i] = _offered(address(uint160(0x5000 + pick * 0x100000001)), terms, EXACT);
        }
        _refused12(_request(uses), different);
    }

    function _refused12(IJobEscrow.JobRequest memory request, uint256 different) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                IOfferRegistry.TermRefused.selector,
                request.offers[0].dataRoot,
                IOfferRegistry.Term.MinSellers,
                _word(different),
                _word(13)
            )
        );
        vm.prank(BUYER);
        escrow.createJob{value: 1 ether}(request);
    }

    function test_explainNamesEveryTermOfEveryOffer() public {
        IOfferRegistry.Rules memory rules;
        (rules.algorithms, rules.buyers, rules.purposes) = (keccak256("a"), keccak256("b"), keccak256("c"));
        (rules.token, rules.hook) = (STRANGER, STRANGER);
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](4);
        uses[0] = _offeredUnder(SELLER, rules, BUDGET);
        (uses[0].terms.expirySec, uses[0].terms.minSellers, uses[0].terms.maxMicroRho) = (uint40(START - 1), 9, 5);
        _relist(uses[0]);
        uses[1] = _use(SELLER, keccak256("no such data"), _useTerms());
        uses[2] = _offered(OTHER_SELLER, _useTerms(), BUDGET);
        uses[2].terms.price = 1;
        // With the terms, and without their rules.
        uses[3] = _offeredUnder(SELLER, rules, EXACT);
        uses[3].rules = new IOfferRegistry.RulesUse[](0);
        IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, _request(uses));
        _eq(failures.length, 12, "failures");
        for (uint256 i; i < 9; ++i) {
            _eq(uint256(failures[i].term), uint256(IOfferRegistry.Term.Expiry) + i, "term");
            _true(failures[i].dataRoot == uses[0].dataRoot, "offer");
        }
        _eq(uint256(failures[9].term), uint256(IOfferRegistry.Term.Listing), "no such offer");
        _eq(uint256(failures[10].term), uint256(IOfferRegistry.Term.Terms), "other terms");
        _true(failures[10].dataRoot == uses[2].dataRoot && failures[10].seller == OTHER_SELLER, "of the third");
        _eq(uint256(failures[11].term), uint256(IOfferRegistry.Term.Terms), "no rules");
    }

    /// The rules stand in the terms as a hash: whatever is shown instead of them is refused.
    function test_aJobShowsTheRulesOfTheTerms() public {
        IOfferRegistry.Rules memory rules;
        rules.purposes = _valueLeaf(0);
        IOfferRegistry.OfferUse memory use = _offeredUnder(SELLER, rules, EXACT);
        IOfferRegistry.RulesUse[] memory shown = use.rules;
        use.rules = new IOfferRegistry.RulesUse[](0);
        _refusedRules(use);
        use.rules = new IOfferRegistry.RulesUse[](2);
        (use.rules[0], use.rules[1]) = (shown[0], shown[0]);
        _refusedRules(use);
        use.rules = shown;
        bytes memory original = abi.encode(rules);
        for (uint256 word; word < original.length / 32; ++word) {
            use.rules[0].rules = abi.decode(_flipped(original, word), (IOfferRegistry.Rules));
            _refusedRules(use);
        }
        use.rules[0].rules = rules;
        _taken(_over(use));
        // Nor may rules be shown where the terms have none.
        use = _offered(SELLER, _useTerms(), EXACT);
        use.rules = shown;
        _refusedRules(use);
    }

    function _refusedRules(IOfferRegistry.OfferUse memory use) private {
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.RulesMismatch.selector, use.dataRoot));
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(_over(use));
    }

    function test_anOfferIsListedWithTheRulesOfItsTerms() public {
        IOfferRegistry.OfferInput memory input = _input("data");
        bytes memory mismatch =
            abi.encodeWithSelector(IOfferRegistry.RulesMismatch.selector, _commit(SELLER, input));
        IOfferRegistry.Rules memory rules;
        rules.purposes = keccak256("purposes");
        input.rules = _one(rules);
        _refusedOffer(input, mismatch);
        input.terms.rulesHash = keccak256("others");
        _refusedOffer(input, mismatch);
        input.terms.rulesHash = keccak256(abi.encode(rules));
        input.rules = new IOfferRegistry.Rules[](2);
        (input.rules[0], input.rules[1]) = (rules, rules);
        _refusedOffer(input, mismatch);
        input.rules = new IOfferRegistry.Rules[](0);
        _refusedOffer(input, mismatch);
        rules.discountBps = 10_001;
        input.rules = _one(rules);
        input.terms.rulesHash = keccak256(abi.encode(rules));
        _refusedOffer(input, abi.encodeWithSelector(IOfferRegistry.DiscountInvalid.selector, 10_001));
        // The same when it is listed again.
        IOfferRegistry.OfferUse memory use = _offered(SELLER, _useTerms(), EXACT);
        vm.expectRevert(abi.encodeWithSelector(IOfferRegistry.DiscountInvalid.selector, 10_001));
        vm.prank(SELLER);
        offers.relist(_set(), use.dataRoot, input.terms, input.rules);
    }

    function _refusedOffer(IOfferRegistry.OfferInput memory input, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(SELLER);
        offers.publish(input);
    }

    function test_aJobNamesTheTermsThatTheOfferHasNow() public {
        IOfferRegistry.OfferUse memory use = _offered(SELLER, _useTerms(), EXACT);
        bytes memory original = abi.encode(use.terms);
        bytes memory changed = abi.encodeWithSelector(IOfferRegistry.TermsChanged.selector, use.dataRoot);
        for (uint256 word; word < original.length / 32; ++word) {
            use.terms = abi.decode(_flipped(original, word), (IOfferRegistry.UseTerms));
            vm.expectRevert(changed);
            vm.prank(BUYER);
            escrow.createJob{value: _price(1)}(_over(use));
        }
        use.terms = _useTerms();
        IJobEscrow.JobRequest memory old = _over(use);
        use.terms = _useTerms();
        use.terms.minSellers = 1;
        _relist(use);
        _taken(_over(use));
        old.offers[0].terms = _useTerms();
        vm.expectRevert(changed);
        vm.prank(BUYER);
        escrow.createJob{value: _price(1)}(old);
    }

    // ---- price and budget --------------------------------------------------------------------------

    function test_thePriceGrowsWithTheBudgetSpent() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.rhoPrice = 7;
        IOfferRegistry.OfferUse memory use = _offered(SELLER, terms, BUDGET);
        IJobEscrow.JobRequest memory request = _over(use);
        request.microRho = 300;
        (, uint256 amountWei) = _taken(request);
        _eq(amountWei, _price(1) + 300 * 7, "price");
        _eq(_left(use), BUDGET - 300, "left");
    }

    /// It spends no budget, and all of 64 bits times the price would be more than anybody has.
    function test_anExactResultCostsTheUseAlone() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.rhoPrice = 7;
        (, uint256 amountWei) = _taken(_over(_offered(SELLER, terms, EXACT)));
        _eq(amountWei, _price(1), "price");
    }

    function test_aBudgetIsOneAcrossListingsAndEndsAtZero() public {
        IOfferRegistry.OfferUse memory use = _offered(SELLER, _useTerms(), BUDGET);
        IJobEscrow.JobRequest memory request = _over(use);
        request.microRho = 600;
        _taken(request);
        _relist(use);
        vm.prank(SELLER);
        offers.withdraw(_set(), use.dataRoot);
        _relist(use);
        _refused(request, IOfferRegistry.Term.Budget, _word(600), _word(400));
        request.microRho = 400;
        _taken(request);
        _eq(_left(use), 0, "all of it");
        request.microRho = 1;
        _refused(request, IOfferRegistry.Term.Budget, _word(1), 0);
    }
}
