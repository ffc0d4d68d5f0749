// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {IOfferRegistry} from "../../contracts/interfaces/IOfferRegistry.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice What an issuer's word gives a buyer, and whose and which word is none.
contract CredentialsTest is MarketTest {
    uint256 private constant ISSUER_KEY = 0x155;
    uint64 private constant EXPIRY = uint64(START + 10);
    /// A root that nobody has a list for.
    bytes32 private constant NOBODY = keccak256("nobody");
    uint256 private _asked;

    // ---- what it is worth --------------------------------------------------------------------------

    function test_aCredentialTakesTheDiscountOffThePriceAndNotOffTheFees() public {
        IOfferRegistry.OfferUse memory use = _discounted(2500);
        _costs(use, PRICE);
        _show(use, _credential());
        _costs(use, PRICE * 3 / 4);
        use = _discounted(10_000);
        _show(use, _credential());
        _costs(use, 0);
        use = _discounted(0);
        _show(use, _credential());
        _costs(use, PRICE);
    }

    function test_thePriceIsRoundedUp() public {
        IOfferRegistry.OfferUse memory use = _discounted(9999);
        _show(use, _credential());
        // A ten-thousandth of 50,000 is 5; of one more, five and a bit.
        _costs(use, 5);
        use.terms.price = PRICE + 1;
        _relist(use);
        _costs(use, 6);
        use.terms.price = 1;
        _relist(use);
        _costs(use, 1);
    }

    function testFuzz_theDiscountIsRoundedInTheSellersFavourByLessThanOne(uint96 price, uint16 discountBps)
        public
    {
        price = price >> 1;
        discountBps %= 10_001;
        IOfferRegistry.OfferUse memory use = _discounted(discountBps);
        use.terms.price = price;
        _relist(use);
        _show(use, _credential());
        vm.prank(BUYER);
        uint256 paid = escrow.quote(_over(use)) - 3 * uint256(FEE);
        uint256 exact = uint256(price) * (10_000 - discountBps);
        _true(paid * 10_000 >= exact && paid * 10_000 < exact + 10_000, "rounded up");
    }

    function test_theDiscountIsAlsoOnThePriceOfTheBudget() public {
        IOfferRegistry.OfferUse memory use = _discounted(5000);
        use.terms.rhoPrice = 7;
        _relist(use);
        _show(use, _credential());
        IJobEscrow.JobRequest memory request = _over(use);
        request.microRho = 101;
        vm.prank(BUYER);
        _eq(escrow.quote(request), (uint256(PRICE) + 707 + 1) / 2 + 3 * uint256(FEE), "half of both");
    }

    function test_itIsSaidWhichOffersWereHadByACredential() public {
        IOfferRegistry.OfferUse[] memory uses = new IOfferRegistry.OfferUse[](2);
        uses[0] = _discounted(5000);
        uses[1] = _discounted(5000);
        _show(uses[1], _credential());
        IJobEscrow.JobRequest memory request = _request(uses);
        uint256 amountWei = _price(1) + PRICE / 2;
        bytes32 job = _job(_terms(BUYER, request, amountWei));
        vm.expectEmit();
        emit IOfferRegistry.OfferVouched(job, uses[1].dataRoot);
        vm.recordLogs();
        _create(BUYER, request, amountWei);
        _eq(vm.getRecordedLogs().length, 2, "of one offer, and the job's own");
    }

    // ---- whom it lets in ---------------------------------------------------------------------------

    function test_aListThatNobodyIsOnLeavesAnOfferToMembers() public {
        IOfferRegistry.OfferUse memory use = _members();
        _shutOut(use, BUYER);
        _show(use, _credential());
        _eq(escrow.explain(BUYER, _over(use)).length, 0, "nothing to explain");
        _costs(use, PRICE);
        _shutOut(use, STRANGER);
    }

    function test_aCredentialIsGoodUntilItsLastSecond() public {
        IOfferRegistry.OfferUse memory use = _members();
        _show(use, _credential());
        vm.warp(EXPIRY);
        _costs(use, PRICE);
        vm.warp(EXPIRY + 1);
        _shutOut(use, BUYER);
        // Where it gives a discount alone, the job costs the full price then.
        use = _discounted(5000);
        _show(use, _credential());
        _costs(use, PRICE);
    }

    function test_onlyTheIssuersOwnWordForThisBuyerUntilThatSecondIsGood() public {
        bytes32 domain = _domain();
        _worthless(_credentialOf(0xdead, domain, BUYER, EXPIRY));
        _worthless(_credentialOf(ISSUER_KEY, domain, STRANGER, EXPIRY));
        IOfferRegistry.Credential memory longer = _credential();
        longer.expirySec += 1;
        _worthless(longer);
        longer.expirySec = type(uint64).max;
        _worthless(longer);
    }

    function test_aCredentialIsOfOneChainAndOneMarket() public {
        _worthless(_credentialOf(ISSUER_KEY, _domainOf(block.chainid + 1, address(escrow)), BUYER, EXPIRY));
        _worthless(_credentialOf(ISSUER_KEY, _domainOf(block.chainid, address(operators)), BUYER, EXPIRY));
        IOfferRegistry.OfferUse memory use = _members();
        _show(use, _credential());
        vm.chainId(block.chainid + 1);
        _shutOut(use, BUYER);
        _show(use, _credential());
        _costs(use, PRICE);
    }

    function test_malformedSignaturesAreNobodys() public {
        IOfferRegistry.Credential memory malformed = _credential();
        malformed.signature = [bytes32(0), bytes32(0)];
        _worthless(malformed);
        malformed.signature[0] = bytes32(type(uint256).max);
        malformed.signature[1] = bytes32(type(uint256).max);
        _worthless(malformed);
        malformed = _credential();
        malformed.signature[1] ^= bytes32(uint256(1) << 255);
        _worthless(malformed);
    }

    /// The zero address is what a malformed signature recovers to: as an issuer it must not vouch for everybody.
    function test_withoutAnIssuerNobodyIsVouchedFor() public {
        IOfferRegistry.Rules memory rules;
        (rules.buyers, rules.discountBps) = (NOBODY, 10_000);
        IOfferRegistry.OfferUse memory use = _offeredUnder(SELLER, rules, EXACT);
        _show(use, IOfferRegistry.Credential(EXPIRY, [bytes32(0), bytes32(0)]));
        _shutOut(use, BUYER);
        _show(use, IOfferRegistry.Credential(EXPIRY, [bytes32(type(uint256).max), bytes32(0)]));
        _shutOut(use, BUYER);
    }

    /// A credential opens the list of buyers, and nothing else.
    function test_theOtherRulesHoldForMembersToo() public {
        IOfferRegistry.Rules memory rules;
        (rules.buyers, rules.issuer, rules.purposes) = (NOBODY, vm.addr(ISSUER_KEY), keccak256("research"));
        IOfferRegistry.OfferUse memory use = _offeredUnder(SELLER, rules, EXACT);
        _show(use, _credential());
        IOfferRegistry.TermFailure[] memory failures = escrow.explain(BUYER, _over(use));
        _eq(failures.length, 1, "failures");
        _eq(uint256(failures[0].term), uint256(IOfferRegistry.Term.Purpose), "purpose");
    }

    // ---- steps of this file ------------------------------------------------------------------------

    function _discounted(uint16 discountBps) private returns (IOfferRegistry.OfferUse memory) {
        IOfferRegistry.Rules memory rules;
        (rules.issuer, rules.discountBps) = (vm.addr(ISSUER_KEY), discountBps);
        return _offeredUnder(SELLER, rules, EXACT);
    }

    function _members() private returns (IOfferRegistry.OfferUse memory) {
        IOfferRegistry.Rules memory rules;
        (rules.issuer, rules.buyers) = (vm.addr(ISSUER_KEY), NOBODY);
        return _offeredUnder(SELLER, rules, EXACT);
    }

    function _credential() private view returns (IOfferRegistry.Credential memory) {
        return _credentialOf(ISSUER_KEY, _domain(), BUYER, EXPIRY);
    }

    function _credentialOf(uint256 key, bytes32 domain, address buyer, uint64 expirySec)
        private
        pure
        returns (IOfferRegistry.Credential memory)
    {
        bytes32 typeHash = keccak256("Credential(address buyer,uint64 expirySec)");
        bytes32 digest = _digest(domain, keccak256(abi.encode(typeHash, buyer, expirySec)));
        return IOfferRegistry.Credential(expirySec, _sign(key, digest));
    }

    function _show(IOfferRegistry.OfferUse memory use, IOfferRegistry.Credential memory credential) private pure {
        use.rules[0].credential = new IOfferRegistry.Credential[](1);
        use.rules[0].credential[0] = credential;
    }

    /// The buyer is quoted, and can fund, a job over this offer at this price and the fees.
    function _costs(IOfferRegistry.OfferUse memory use, uint256 price) private {
        IJobEscrow.JobRequest memory request = _over(use);
        request.resultKey = bytes32(++_asked);
        vm.prank(BUYER);
        uint256 quoted = escrow.quote(request);
        _eq(quoted, price + 3 * uint256(FEE), "price");
        _create(BUYER, request, quoted);
    }

    function _worthless(IOfferRegistry.Credential memory credential) private {
        IOfferRegistry.OfferUse memory use = _members();
        _show(use, credential);
        _shutOut(use, BUYER);
        use = _discounted(10_000);
        _show(use, credential);
        _costs(use, PRICE);
    }

    function _shutOut(IOfferRegistry.OfferUse memory use, address buyer) private {
        vm.deal(buyer, 10 ether);
        vm.expectRevert(
            abi.encodeWithSelector(
                IOfferRegistry.TermRefused.selector,
                use.dataRoot,
                IOfferRegistry.Term.Buyer,
                uint256(uint160(buyer)),
                NOBODY
            )
        );
        vm.prank(buyer);
        escrow.createJob{value: _price(1)}(_over(use));
    }
}
