// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOperatorRegistry} from "./IOperatorRegistry.sol";

/// @title Registry of data offers
/// @notice An offer is a data set, shared once to the operators of one set, at a price for each use. The chain
/// keeps one slot of it, found by (seller, operator set, data root); all else stands in the event, and whoever
/// uses the offer repeats what is needed.
interface IOfferRegistry {
    /// @notice What a seller publishes.
    struct OfferInput {
        /// The operators in the order of their points: to whom the shares are sealed.
        address[3] members;
        /// keccak256 of the canonical JSON of the schema.
        bytes32 schemaHash;
        uint32 rows;
        uint16 columns;
        /// Drawn by the seller; makes the commitments of equal data different.
        bytes32 nonce;
        /// sha256 of the sealed share of each point.
        bytes32[3] ciphertextHashes;
        /// Price of one use.
        uint96 priceWei;
    }

    /// @notice Names an offer by what its slot is found by, next to the operator set.
    struct OfferRef {
        address seller;
        bytes32 dataRoot;
    }

    /// @notice The mutable part of an offer: one slot.
    ///
    /// ```
    /// 255          168 167    160 159               64 63                0
    /// +---------------+----------+-------------------+-------------------+
    /// |  free, 88     | active 8 |   priceWei, 96    |      id, 64       |
    /// +---------------+----------+-------------------+-------------------+
    /// ```
    struct Listing {
        uint64 id;
        uint96 priceWei;
        bool active;
    }

    event OfferPublished(
        uint256 indexed offerId,
        address indexed seller,
        bytes32 indexed operatorSet,
        bytes32 schemaHash,
        uint32 rows,
        uint16 columns,
        bytes32 nonce,
        bytes32[3] ciphertextHashes,
        uint256 priceWei,
        bytes32 dataRoot
    );
    event OfferPriceSet(uint256 indexed offerId, uint256 priceWei);
    event OfferWithdrawn(uint256 indexed offerId);

    /// @notice The same commitments were published before, perhaps withdrawn since.
    error DataSetKnown(uint256 offerId);
    error OfferUnknown(address seller, bytes32 dataRoot);
    error OfferInactive(uint256 offerId);
    error OffersEmpty();
    /// @notice Offers of a job come in ascending order of their ids, each once.
    error OffersNotAscending(uint256 previousId, uint256 offerId);
    error ShapeInvalid(uint256 rows, uint256 columns);

    /// @notice Publishes an offer of the caller.
    /// @return offerId Counted from 1.
    function publish(OfferInput calldata input) external returns (uint256 offerId);

    /// @notice Ends an offer of the caller. Jobs that are funded are not affected.
    function withdraw(bytes32 operatorSet, bytes32 dataRoot) external;

    /// @notice Sets the price of an offer of the caller for jobs to come.
    function setPrice(bytes32 operatorSet, bytes32 dataRoot, uint96 priceWei) external;

    /// @notice The slot of an offer; id 0 for an unknown one.
    function listing(address seller, bytes32 operatorSet, bytes32 dataRoot) external view returns (Listing memory);

    /// @notice Ids and price of offers that one job may use together. Reverts unless all are active offers of the
    /// set, in ascending order of their ids.
    function quoteOffers(bytes32 operatorSet, OfferRef[] calldata offers)
        external
        view
        returns (uint256[] memory offerIds, uint256 pricesWei);

    function offerCount() external view returns (uint256);

    function operatorRegistry() external view returns (IOperatorRegistry);
}
