// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/**
 * @notice The part of an offer that changes, in one storage slot. Zero is no offer.
 *
 * ```
 * 255          168 167      160 159             64 63               0
 * +---------------+------------+------------------+-----------------+
 * |   free, 88    | active, 8  |  priceWei, 96    |     id, 64      |
 * +---------------+------------+------------------+-----------------+
 * ```
 */
type ListingSlot is uint256;

using Listings for ListingSlot global;

library Listings {
    uint256 private constant ACTIVE = 1 << 160;

    /// @notice The slot of an offer that may be used.
    function listed(uint64 id_, uint96 priceWei_) internal pure returns (ListingSlot) {
        return ListingSlot.wrap(ACTIVE | (uint256(priceWei_) << 64) | id_);
    }

    /// @notice The slot of the same offer after its withdrawal.
    function withdrawn(ListingSlot slot) internal pure returns (ListingSlot) {
        return ListingSlot.wrap(ListingSlot.unwrap(slot) & ~ACTIVE);
    }

    function id(ListingSlot slot) internal pure returns (uint64) {
        return uint64(ListingSlot.unwrap(slot));
    }

    function priceWei(ListingSlot slot) internal pure returns (uint96) {
        return uint96(ListingSlot.unwrap(slot) >> 64);
    }

    function active(ListingSlot slot) internal pure returns (bool) {
        return ListingSlot.unwrap(slot) & ACTIVE != 0;
    }
}
