// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOfferRegistry} from "./interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {ListingSlot, Listings} from "./libraries/Listings.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";

/// @title Registry of data offers
contract OfferRegistry is IOfferRegistry {
    /// @inheritdoc IOfferRegistry
    IOperatorRegistry public immutable operatorRegistry;
    /// @inheritdoc IOfferRegistry
    uint256 public offerCount;

    /// @dev By {_key}. One slot serves as the listing and as the mark that these commitments are known: the data
    /// root binds the seller, so nobody can take another seller's place by being first.
    mapping(bytes32 key => ListingSlot) private _listings;

    constructor(IOperatorRegistry operatorRegistry_) {
        operatorRegistry = operatorRegistry_;
    }

    /// @inheritdoc IOfferRegistry
    function publish(OfferInput calldata input) external returns (uint256 offerId) {
        if (input.rows == 0 || input.columns == 0) revert ShapeInvalid(input.rows, input.columns);
        bytes32 operatorSet = MarketHashes.operatorSet(input.members);
        bytes32 dataRoot = MarketHashes.dataRoot(msg.sender, input);
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        uint256 knownId = _listings[key].id();
        if (knownId != 0) revert DataSetKnown(knownId);
        offerId = ++offerCount;
        _listings[key] = Listings.listed(uint64(offerId), input.priceWei);
        emit OfferPublished(
            offerId,
            msg.sender,
            operatorSet,
            input.schemaHash,
            input.rows,
            input.columns,
            input.nonce,
            input.ciphertextHashes,
            input.priceWei,
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
    function setPrice(bytes32 operatorSet, bytes32 dataRoot, uint96 priceWei) external {
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        ListingSlot slot = _active(key, msg.sender, dataRoot);
        _listings[key] = Listings.listed(slot.id(), priceWei);
        emit OfferPriceSet(slot.id(), priceWei);
    }

    /// @inheritdoc IOfferRegistry
    function listing(address seller, bytes32 operatorSet, bytes32 dataRoot) external view returns (Listing memory) {
        ListingSlot slot = _listings[_key(seller, operatorSet, dataRoot)];
        return Listing({id: slot.id(), priceWei: slot.priceWei(), active: slot.active()});
    }

    /// @inheritdoc IOfferRegistry
    function quoteOffers(bytes32 operatorSet, OfferRef[] calldata offers)
        external
        view
        returns (uint256[] memory offerIds, uint256 pricesWei)
    {
        uint256 length = offers.length;
        if (length == 0) revert OffersEmpty();
        offerIds = new uint256[](length);
        uint256 previousId;
        for (uint256 i; i < length; ++i) {
            address seller = offers[i].seller;
            bytes32 dataRoot = offers[i].dataRoot;
            ListingSlot slot = _active(_key(seller, operatorSet, dataRoot), seller, dataRoot);
            uint256 id = slot.id();
            if (id <= previousId) revert OffersNotAscending(previousId, id);
            previousId = id;
            offerIds[i] = id;
            pricesWei += slot.priceWei();
        }
    }

    function _active(bytes32 key, address seller, bytes32 dataRoot) private view returns (ListingSlot slot) {
        slot = _listings[key];
        if (!slot.active()) {
            if (slot.id() == 0) revert OfferUnknown(seller, dataRoot);
            revert OfferInactive(slot.id());
        }
    }

    function _key(address seller, bytes32 operatorSet, bytes32 dataRoot) private pure returns (bytes32) {
        return keccak256(abi.encode(seller, operatorSet, dataRoot));
    }
}
