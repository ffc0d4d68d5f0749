// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOfferRegistry} from "./interfaces/IOfferRegistry.sol";
import {IOperatorRegistry} from "./interfaces/IOperatorRegistry.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";

/// @title Registry of data offers
contract OfferRegistry is IOfferRegistry {
    /// @inheritdoc IOfferRegistry
    IOperatorRegistry public immutable operatorRegistry;
    /// @inheritdoc IOfferRegistry
    uint256 public offerCount;

    /// @dev By {_key}. One slot serves as the listing and as the mark that these commitments are known: the data
    /// root binds the seller, so nobody can take another seller's place by being first.
    mapping(bytes32 key => Listing) private _listings;

    constructor(IOperatorRegistry operatorRegistry_) {
        operatorRegistry = operatorRegistry_;
    }

    /// @inheritdoc IOfferRegistry
    function publish(OfferInput calldata input) external returns (uint256 offerId) {
        if (input.rows == 0 || input.columns == 0) revert ShapeInvalid(input.rows, input.columns);
        bytes32 operatorSet = MarketHashes.operatorSet(input.members);
        if (!operatorRegistry.setExists(operatorSet)) revert IOperatorRegistry.SetUnknown(operatorSet);
        bytes32 dataRoot = _dataRoot(input);
        Listing storage entry = _listings[_key(msg.sender, operatorSet, dataRoot)];
        if (entry.id != 0) revert DataSetKnown(entry.id);
        offerId = ++offerCount;
        _listings[_key(msg.sender, operatorSet, dataRoot)] =
            Listing({id: uint64(offerId), priceWei: input.priceWei, active: true});
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
        Listing storage entry = _active(msg.sender, operatorSet, dataRoot);
        entry.active = false;
        emit OfferWithdrawn(entry.id);
    }

    /// @inheritdoc IOfferRegistry
    function setPrice(bytes32 operatorSet, bytes32 dataRoot, uint96 priceWei) external {
        Listing storage entry = _active(msg.sender, operatorSet, dataRoot);
        entry.priceWei = priceWei;
        emit OfferPriceSet(entry.id, priceWei);
    }

    /// @inheritdoc IOfferRegistry
    function listing(address seller, bytes32 operatorSet, bytes32 dataRoot) external view returns (Listing memory) {
        return _listings[_key(seller, operatorSet, dataRoot)];
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
            Listing memory entry = _active(offers[i].seller, operatorSet, offers[i].dataRoot);
            if (entry.id <= previousId) revert OffersNotAscending(previousId, entry.id);
            previousId = entry.id;
            offerIds[i] = previousId;
            pricesWei += entry.priceWei;
        }
    }

    function _active(address seller, bytes32 operatorSet, bytes32 dataRoot)
        private
        view
        returns (Listing storage entry)
    {
        entry = _listings[_key(seller, operatorSet, dataRoot)];
        if (entry.id == 0) revert OfferUnknown(seller, dataRoot);
        if (!entry.active) revert OfferInactive(entry.id);
    }

    function _dataRoot(OfferInput calldata input) private view returns (bytes32) {
        bytes32[3] memory commitments;
        for (uint8 i; i < 3; ++i) {
            commitments[i] = MarketHashes.shareCommitment(
                msg.sender,
                input.nonce,
                input.schemaHash,
                input.rows,
                input.columns,
                input.members[i],
                i + 1,
                input.ciphertextHashes[i]
            );
        }
        return MarketHashes.dataRoot(commitments);
    }

    function _key(address seller, bytes32 operatorSet, bytes32 dataRoot) private pure returns (bytes32) {
        return keccak256(abi.encode(seller, operatorSet, dataRoot));
    }
}
