// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice What a seller's terms refuse, how a refusal is explained, and what becomes of the privacy budget.
contract UseTermsTest is MarketTest {
    address private constant OTHER_SELLER = address(0x5e11e7);
    uint64 private constant BUDGET = 1000;

    /// One data set under these terms, with a budget.
    function _offered(address seller, IOfferRegistry.UseTerms memory terms, uint64 budget)
        private
        returns (IOfferRegistry.OfferUse memory)
    {
        IOfferRegistry.OfferInput memory input = _input(string(abi.encode(seller, offers.offerCount())));
        (input.terms, input.budgetMicroRho) = (terms, budget);
        vm.prank(seller);
        offers.publish(input);
        return _use(seller, _commit(seller, input), terms);
    }

    function _over(IOfferRegistry.OfferUse memory use) private view returns (IJobEscrow.JobRequest memory) {
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](1);
        uses[0] = use;
        return _request(uses);
    }

    /// Refused by this term alone, in the quotation, in the creation, and in the explanation.
    function _refused(
        IJobEscrow.JobRequest memory request,
        IOfferRegistry.Term term,
        bytes32 found,
        bytes32 asked
    ) private {
        bytes memory reason =
            abi.encodeWithSelector(IOfferRegistry.TermRefused.selector, uint256(1), term, found, asked);
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.createJob{value: 1 ether}(request);
        vm.expectRevert(reason);
        vm.prank(BUYER);
        escrow.quote(request);
        IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, request);
        _eq(failures.length, 1, "failures");
        _eq(failures[0].offerId, 1, "offer");
        _eq(uint256(failures[0].term), uint256(term), "term");
        _true(failures[0].found == found && failures[0].asked == asked, "values");
    }

    function _taken(IJobEscrow.JobRequest memory request) private returns (uint256 jobId, uint256 amountWei) {
        _eq(escrow.explain(BUYER, request).length, 0, "nothing to explain");
        vm.prank(BUYER);
        amountWei = escrow.quote(request);
        vm.prank(BUYER);
        jobId = escrow.createJob{value: amountWei}(request);
    }

    function _left(IOfferRegistry.OfferUse memory use) private view returns (uint256) {
        return offers.listing(use.seller, _set(), use.dataRoot).budgetLeftMicroRho;
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
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.algorithms = _pair(_valueLeaf(ALGORITHM), _valueLeaf(other));
        IOfferRegistry.OfferUse memory use = _offered(SELLER, terms, EXACT);
        _refused(_over(use), IOfferRegistry.Term.Algorithm, ALGORITHM, terms.algorithms);
        use.algorithmProof = _proof(_valueLeaf(other));
        _taken(_over(use));
        // A leaf's hash is no leaf: the root itself proves nothing.
        use.algorithmProof = new bytes32[](0);
        IJobEscrow.JobRequest memory request = _over(use);
        request.algorithm = terms.algorithms;
        _eq(escrow.explain(BUYER, request).length, 1, "the root is no algorithm");
    }

    function test_onlyAllowedAccountsBuy() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.buyers = _valueLeaf(_word(uint160(STRANGER)));
        IOfferRegistry.OfferUse memory use = _offered(SELLER, terms, EXACT);
        _refused(_over(use), IOfferRegistry.Term.Buyer, _word(uint160(BUYER)), terms.buyers);
        vm.deal(STRANGER, 1 ether);
        vm.prank(STRANGER);
        escrow.createJob{value: _price(1)}(_over(use));
    }

    function test_aBuyerDeclaresAnAllowedPurpose() public {
        bytes32 purpose = keccak256("cancer research");
        IOfferRegistry.UseTerms memory terms = _useTerms();
        terms.purposes = _valueLeaf(purpose);
        IJobEscrow.JobRequest memory request = _over(_offered(SELLER, terms, EXACT));
        _refused(request, IOfferRegistry.Term.Purpose, 0, terms.purposes);
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
                uint256(1),
                IOfferRegistry.Term.MinSellers,
                _word(different),
                _word(13)
            )
        );
        vm.prank(BUYER);
        escrow.createJob{value: 1 ether}(request);
    }

    function test_explainNamesEveryTermOfEveryOffer() public {
        IOfferRegistry.UseTerms memory terms = _useTerms();
        (terms.expirySec, terms.minSellers, terms.maxMicroRho) = (uint40(START - 1), 9, 5);
        (terms.algorithms, terms.buyers, terms.purposes) = (keccak256("a"), keccak256("b"), keccak256("c"));
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](3);
        uses[0] = _offered(SELLER, terms, BUDGET);
        uses[1] = _use(SELLER, keccak256("no such data"), terms);
        uses[2] = _offered(OTHER_SELLER, terms, BUDGET);
        // A copy: structs in memory are shared.
        uses[2].terms = abi.decode(abi.encode(terms), (IOfferRegistry.UseTerms));
        uses[2].terms.priceWei = 1;
        IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, _request(uses));
        _eq(failures.length, 9, "failures");
        for (uint256 i; i < 7; ++i) {
            _eq(uint256(failures[i].term), uint256(IOfferRegistry.Term.Expiry) + i, "term");
            _eq(failures[i].offerId, 1, "offer");
        }
        _eq(uint256(failures[7].term), uint256(IOfferRegistry.Term.Listing), "no such offer");
        _eq(uint256(failures[8].term), uint256(IOfferRegistry.Term.Terms), "other terms");
        _eq(failures[8].offerId, 2, "of the last");
    }

    function test_aJobNamesTheTermsThatTheOfferHasNow() public {
        IOfferRegistry.OfferUse memory use = _offered(SELLER, _useTerms(), EXACT);
        bytes memory original = abi.encode(use.terms);
        bytes memory changed = abi.encodeWithSelector(IOfferRegistry.TermsChanged.selector, 1);
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
        terms.rhoPriceWei = 7;
        IOfferRegistry.OfferUse memory use = _offered(SELLER, terms, BUDGET);
        IJobEscrow.JobRequest memory request = _over(use);
        request.microRho = 300;
        (, uint256 amountWei) = _taken(request);
        _eq(amountWei, _price(1) + 300 * 7, "price");
        _eq(_left(use), BUDGET - 300, "left");
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

    function test_budgetComesBackFromAJobThatNobodyJoinedAndOnce() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        IJobEscrow.JobSpec memory spec = _spec(request, _ids());
        address[] memory sellers = new address[](1);
        sellers[0] = SELLER;
        bytes memory notYet = abi.encodeWithSelector(IJobEscrow.BudgetNotReturnable.selector, jobId);
        vm.expectRevert(notYet);
        escrow.returnBudget(jobId, terms, spec, sellers);
        vm.warp(terms.deadlineSec + 1);
        escrow.refund(jobId, terms);

        // Whatever is said of the job is checked against what it is bound to.
        IJobEscrow.JobSpec memory wrong = _spec(request, _ids());
        wrong.microRho = 900;
        bytes memory mismatch = abi.encodeWithSelector(IJobEscrow.SpecMismatch.selector, jobId);
        vm.expectRevert(mismatch);
        escrow.returnBudget(jobId, terms, wrong, sellers);
        vm.expectRevert(mismatch);
        escrow.returnBudget(jobId, terms, spec, new address[](0));
        sellers[0] = OTHER_SELLER;
        vm.expectRevert(
            abi.encodeWithSelector(IOfferRegistry.OfferUnknown.selector, OTHER_SELLER, spec.dataRoots[0])
        );
        escrow.returnBudget(jobId, terms, spec, sellers);
        sellers[0] = SELLER;
        terms.amountWei += 1;
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.TermsMismatch.selector, jobId));
        escrow.returnBudget(jobId, terms, spec, sellers);
        terms.amountWei -= 1;

        _eq(_left(request.offers[0]), BUDGET - 300, "still reserved");
        vm.expectEmit();
        emit IOfferRegistry.BudgetReturned(1, 300);
        escrow.returnBudget(jobId, terms, spec, sellers);
        _eq(_left(request.offers[0]), BUDGET, "back");
        vm.expectRevert(notYet);
        escrow.returnBudget(jobId, terms, spec, sellers);
        _eq(_left(request.offers[0]), BUDGET, "once");
    }

    /// A buyer that refuses its money back cannot hold the budget.
    function test_budgetComesBackFromAnExpiredJobThatIsNotRefunded() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        IJobEscrow.JobSpec memory spec = _spec(request, _ids());
        address[] memory sellers = new address[](1);
        sellers[0] = SELLER;
        bytes memory refused = abi.encodeWithSelector(IJobEscrow.BudgetNotReturnable.selector, jobId);
        vm.warp(terms.deadlineSec);
        vm.expectRevert(refused);
        escrow.returnBudget(jobId, terms, spec, sellers);
        vm.warp(terms.deadlineSec + 1);
        escrow.returnBudget(jobId, terms, spec, sellers);
        _eq(_left(request.offers[0]), BUDGET, "back");
        escrow.refund(jobId, terms);
        vm.expectRevert(refused);
        escrow.returnBudget(jobId, terms, spec, sellers);
        _eq(_left(request.offers[0]), BUDGET, "once");
    }

    /// Who failed after it joined has seen the data at work: money comes back, budget does not.
    function test_whatWasJoinedIsSpent() public {
        (uint256 jobId, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request) = _private();
        escrow.join(jobId, terms, _signAll(_joinDigest(jobId, terms.specHash)));
        escrow.fail(jobId, terms, _notices(jobId, 1, 3));
        escrow.refund(jobId, terms);
        address[] memory sellers = new address[](1);
        sellers[0] = SELLER;
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BudgetNotReturnable.selector, jobId));
        escrow.returnBudget(jobId, terms, _spec(request, _ids()), sellers);
        _eq(_left(request.offers[0]), BUDGET - 300, "spent");
    }

    function test_anExactJobHasNothingToGiveBack() public {
        IJobEscrow.JobRequest memory request = _over(_offered(SELLER, _useTerms(), EXACT));
        IJobEscrow.JobTerms memory terms = _terms(BUYER, request, _ids(), _price(1));
        vm.prank(BUYER);
        uint256 jobId = escrow.createJob{value: _price(1)}(request);
        escrow.fail(jobId, terms, _notices(jobId, 1, 3));
        address[] memory sellers = new address[](1);
        sellers[0] = SELLER;
        vm.expectRevert(abi.encodeWithSelector(IJobEscrow.BudgetNotReturnable.selector, jobId));
        escrow.returnBudget(jobId, terms, _spec(request, _ids()), sellers);
    }

    function _ids() private pure returns (uint256[] memory ids) {
        ids = new uint256[](1);
        ids[0] = 1;
    }

    /// A funded job that reserved 300 of the budget.
    function _private()
        private
        returns (uint256 jobId, IJobEscrow.JobTerms memory terms, IJobEscrow.JobRequest memory request)
    {
        request = _over(_offered(SELLER, _useTerms(), BUDGET));
        request.microRho = 300;
        terms = _terms(BUYER, request, _ids(), _price(1));
        vm.prank(BUYER);
        jobId = escrow.createJob{value: _price(1)}(request);
        _eq(_left(request.offers[0]), BUDGET - 300, "reserved");
    }
}
