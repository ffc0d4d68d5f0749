// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOfferRegistry} from "./interfaces/IOfferRegistry.sol";
import {ListingSlot, Listings} from "./libraries/Listings.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";
import {SellerCount} from "./libraries/SellerCount.sol";
import {UseTermsCheck} from "./libraries/UseTermsCheck.sol";

/// @title Registry of data offers
/// @notice A part of the escrow: what a job reserves of a budget and what it pays are one decision in one transaction,
/// and no other contract could be trusted with the budgets. A call between two contracts would cost more than all
/// the checks of the terms.
abstract contract OfferRegistry is IOfferRegistry {
    /// @inheritdoc IOfferRegistry
    uint256 public offerCount;

    /// @dev By {_key}. One slot serves as the listing and as the mark that these commitments are known: the data
    /// root binds the seller, so nobody can take another seller's place by being first.
    mapping(bytes32 key => ListingSlot) private _listings;

    /// @inheritdoc IOfferRegistry
    function publish(OfferInput calldata input) external returns (uint256 offerId) {
        if (input.rows == 0 || input.columns == 0) revert ShapeInvalid(input.rows, input.columns);
        bytes32 operatorSet = MarketHashes.operatorSet(input.members);
        bytes32 dataRoot = MarketHashes.dataRoot(msg.sender, input);
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        uint256 knownId = _listings[key].id();
        if (knownId != 0) revert DataSetKnown(knownId);
        offerId = ++offerCount;
        _listings[key] = Listings.listed(uint64(offerId), input.budgetMicroRho, MarketHashes.useTerms(input.terms));
        emit OfferPublished(
            offerId,
            msg.sender,
            operatorSet,
            input.schemaHash,
            input.rows,
            input.columns,
            input.nonce,
            input.ciphertextHashes,
            input.budgetMicroRho,
            input.terms,
            dataRoot
        );
    }

    /// @inheritdoc IOfferRegistry
    function withdraw(bytes32 operatorSet, bytes32 dataRoot) external {
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        ListingSlot slot = _active(key, msg.sender, dataRoot);
        _listings[key] = slot.withdrawn();
        emit OfferWithdrawn(slot.id());
    }

    /// @inheritdoc IOfferRegistry
    function relist(bytes32 operatorSet, bytes32 dataRoot, UseTerms calldata terms) external {
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        ListingSlot slot = _known(key, msg.sender, dataRoot);
        _listings[key] = Listings.listed(slot.id(), slot.budgetLeft(), MarketHashes.useTerms(terms));
        emit OfferRelisted(slot.id(), terms);
    }

    /// @inheritdoc IOfferRegistry
    function listing(address seller, bytes32 operatorSet, bytes32 dataRoot) external view returns (Listing memory) {
        ListingSlot slot = _listings[_key(seller, operatorSet, dataRoot)];
        return Listing({
            id: slot.id(),
            budgetLeftMicroRho: slot.budgetLeft(),
            active: slot.active(),
            termsTag: slot.termsTag()
        });
    }

    /// @dev Takes offers into a job: as {_quote}, and reserves what the job spends of each budget.
    function _reserve(JobFacts memory facts, OfferUse[] calldata uses)
        internal
        returns (uint256[] memory offerIds, uint256 pricesWei)
    {
        (offerIds, pricesWei) = _quote(facts, uses);
        if (facts.microRho == 0 || facts.microRho == Listings.UNLIMITED) return (offerIds, pricesWei);
        for (uint256 i; i < uses.length; ++i) {
            bytes32 key = _key(uses[i].seller, facts.operatorSet, uses[i].dataRoot);
            ListingSlot slot = _listings[key];
            if (slot.budgetLeft() == Listings.UNLIMITED) continue;
            _listings[key] = slot.withBudget(slot.budgetLeft() - facts.microRho);
        }
    }

    /// @dev Gives back what a job reserved. The caller has checked that it did, and that nothing was given back before.
    function _giveBack(bytes32 operatorSet, uint64 microRho, address[] calldata sellers, bytes32[] calldata dataRoots)
        internal
        returns (uint256[] memory offerIds)
    {
        offerIds = new uint256[](dataRoots.length);
        for (uint256 i; i < dataRoots.length; ++i) {
            bytes32 key = _key(sellers[i], operatorSet, dataRoots[i]);
            ListingSlot slot = _known(key, sellers[i], dataRoots[i]);
            offerIds[i] = slot.id();
            if (slot.budgetLeft() == Listings.UNLIMITED) continue;
            _listings[key] = slot.withBudget(slot.budgetLeft() + microRho);
            emit BudgetReturned(slot.id(), microRho);
        }
    }

    /// @dev Ids and price of offers that one job may use together. Reverts unless all are active offers of the set, in
    /// ascending order of their ids, and all their terms hold.
    function _quote(JobFacts memory facts, OfferUse[] calldata uses)
        internal
        view
        returns (uint256[] memory offerIds, uint256 pricesWei)
    {
        uint256 length = uses.length;
        if (length == 0) revert OffersEmpty();
        offerIds = new uint256[](length);
        uint256 previousId;
        uint256 sellers = SellerCount.distinct(uses);
        for (uint256 i; i < length; ++i) {
            OfferUse calldata use = uses[i];
            ListingSlot slot = _active(_key(use.seller, facts.operatorSet, use.dataRoot), use.seller, use.dataRoot);
            uint256 id = slot.id();
            if (id <= previousId) revert OffersNotAscending(previousId, id);
            previousId = id;
            offerIds[i] = id;
            if (!slot.hasTerms(MarketHashes.useTerms(use.terms))) revert TermsChanged(id);
            for (Term term = UseTermsCheck.FIRST; term <= UseTermsCheck.LAST; term = Term(uint8(term) + 1)) {
                (bool holds, bytes32 found, bytes32 asked) = UseTermsCheck.judge(term, facts, use, slot);
                if (!holds) revert TermRefused(id, term, found, asked);
            }
            if (sellers < use.terms.minSellers) {
                revert TermRefused(id, Term.MinSellers, bytes32(sellers), bytes32(uint256(use.terms.minSellers)));
            }
            pricesWei += UseTermsCheck.priceWei(use.terms, facts.microRho);
        }
    }

    /// @dev Every term that does not hold, of every offer.
    function _explain(JobFacts memory facts, OfferUse[] calldata uses)
        internal
        view
        returns (TermFailure[] memory failures)
    {
        failures = new TermFailure[](uses.length * (uint256(type(Term).max) + 1));
        uint256 count;
        uint256 sellers = SellerCount.distinct(uses);
        for (uint256 i; i < uses.length; ++i) {
            OfferUse calldata use = uses[i];
            ListingSlot slot = _listings[_key(use.seller, facts.operatorSet, use.dataRoot)];
            if (!slot.active()) {
                failures[count++] = TermFailure(slot.id(), use.seller, use.dataRoot, Term.Listing, 0, bytes32(uint256(1)));
                continue;
            }
            bytes32 termsHash = MarketHashes.useTerms(use.terms);
            if (!slot.hasTerms(termsHash)) {
                bytes32 tag = bytes32(uint256(slot.termsTag()) << 136);
                failures[count++] = TermFailure(slot.id(), use.seller, use.dataRoot, Term.Terms, termsHash, tag);
                continue;
            }
            for (Term term = UseTermsCheck.FIRST; term <= UseTermsCheck.LAST; term = Term(uint8(term) + 1)) {
                (bool holds, bytes32 found, bytes32 asked) = UseTermsCheck.judge(term, facts, use, slot);
                if (!holds) failures[count++] = TermFailure(slot.id(), use.seller, use.dataRoot, term, found, asked);
            }
            if (sellers < use.terms.minSellers) {
                bytes32 asked = bytes32(uint256(use.terms.minSellers));
                failures[count++] =
                    TermFailure(slot.id(), use.seller, use.dataRoot, Term.MinSellers, bytes32(sellers), asked);
            }
        }
        assembly ("memory-safe") {
            mstore(failures, count)
        }
    }

    function _active(bytes32 key, address seller, bytes32 dataRoot) private view returns (ListingSlot slot) {
        slot = _known(key, seller, dataRoot);
        if (!slot.active()) revert OfferInactive(slot.id());
    }

    function _known(bytes32 key, address seller, bytes32 dataRoot) private view returns (ListingSlot slot) {
        slot = _listings[key];
        if (slot.id() == 0) revert OfferUnknown(seller, dataRoot);
    }

    function _key(address seller, bytes32 operatorSet, bytes32 dataRoot) private pure returns (bytes32) {
        return keccak256(abi.encode(seller, operatorSet, dataRoot));
    }
}
