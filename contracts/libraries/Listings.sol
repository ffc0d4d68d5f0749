// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/**
 * @notice All that the registry keeps of an offer, in one storage slot. Zero is no offer.
 *
 * ```
 * 255                          66 65                2     1        0
 * +------------------------------+-------------------+--------+---------+
 * |        termsTag, 190         |  budgetLeft, 64   | active | listed  |
 * +------------------------------+-------------------+--------+---------+
 * ```
 *
 * `termsTag` is the upper bits of keccak256(UseTerms): nobody finds other terms that fit it.
 * `budgetLeft` counts micro-rho, and never goes up but by what a job gives back; `UNLIMITED` stays as it is.
 */
type ListingSlot is uint256;

using Listings for ListingSlot global;

library Listings {
    /// @notice The budget of a data set whose seller asks for no differential privacy.
    uint64 internal constant UNLIMITED = type(uint64).max;

    uint256 private constant LISTED = 1;
    uint256 private constant ACTIVE = 2;
    uint256 private constant BUDGET_AT = 2;
    uint256 private constant TAG_AT = 66;

    /// @notice The slot of an offer that may be used.
    function listed(uint64 budgetLeft_, bytes32 termsHash) internal pure returns (ListingSlot) {
        return ListingSlot.wrap(
            ((uint256(termsHash) >> TAG_AT) << TAG_AT) | (uint256(budgetLeft_) << BUDGET_AT) | ACTIVE | LISTED
        );
    }

    /// @notice The slot of the same offer after its withdrawal.
    function withdrawn(ListingSlot slot) internal pure returns (ListingSlot) {
        return ListingSlot.wrap(ListingSlot.unwrap(slot) & ~ACTIVE);
    }

    /// @notice The slot with another budget.
    function withBudget(ListingSlot slot, uint64 budgetLeft_) internal pure returns (ListingSlot) {
        uint256 cleared = ListingSlot.unwrap(slot) & ~(uint256(type(uint64).max) << BUDGET_AT);
        return ListingSlot.wrap(cleared | (uint256(budgetLeft_) << BUDGET_AT));
    }

    /// @notice Whether the data set was ever offered.
    function known(ListingSlot slot) internal pure returns (bool) {
        return ListingSlot.unwrap(slot) != 0;
    }

    function budgetLeft(ListingSlot slot) internal pure returns (uint64) {
        return uint64(ListingSlot.unwrap(slot) >> BUDGET_AT);
    }

    function active(ListingSlot slot) internal pure returns (bool) {
        return ListingSlot.unwrap(slot) & ACTIVE != 0;
    }

    function termsTag(ListingSlot slot) internal pure returns (uint192) {
        return uint192(ListingSlot.unwrap(slot) >> TAG_AT);
    }

    /// @notice Whether `termsHash` is the hash of the terms that the offer has now.
    function hasTerms(ListingSlot slot, bytes32 termsHash) internal pure returns (bool) {
        return slot.termsTag() == uint192(uint256(termsHash) >> TAG_AT);
    }
}
