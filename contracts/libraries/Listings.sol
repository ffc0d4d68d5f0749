// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/**
 * @notice All that the registry keeps of an offer, in one storage slot. Zero is no offer.
 *
 * ```
 * 255                          66 65                2 1         0
 * +------------------------------+-------------------+-----------+
 * |        termsTag, 190         |  budgetLeft, 64   | status, 2 |
 * +------------------------------+-------------------+-----------+
 * ```
 *
 * `status` is 1 while jobs may use the offer, 2 after its withdrawal, 3 for good once it was replaced.
 * `termsTag` is the upper bits of keccak256(UseTerms): nobody finds other terms that fit it.
 * `budgetLeft` counts micro-rho, and never goes up but by what a job gives back; `UNLIMITED` stays as it is.
 */
type ListingSlot is uint256;

using Listings for ListingSlot global;

library Listings {
    /// @notice The budget of a data set whose seller asks for no differential privacy.
    uint64 internal constant UNLIMITED = type(uint64).max;

    /// @notice The status of an offer that jobs may use.
    uint256 internal constant ACTIVE = 1;
    uint256 private constant WITHDRAWN = 2;
    uint256 private constant REPLACED = 3;
    uint256 private constant STATUS = 3;
    uint256 private constant BUDGET_AT = 2;
    uint256 private constant TAG_AT = 66;

    /// @notice The slot of an offer that may be used.
    function listed(uint64 budgetLeft_, bytes32 termsHash) internal pure returns (ListingSlot) {
        return ListingSlot.wrap(
            ((uint256(termsHash) >> TAG_AT) << TAG_AT) | (uint256(budgetLeft_) << BUDGET_AT) | ACTIVE
        );
    }

    /// @notice The slot of the same offer after its withdrawal.
    function withdrawn(ListingSlot slot) internal pure returns (ListingSlot) {
        return _withStatus(slot, WITHDRAWN);
    }

    /// @notice The slot of the same offer once another has taken its place and its budget. {UNLIMITED} stays, as the
    /// mark that no job has reserved anything: nothing may come back to it.
    function replaced(ListingSlot slot) internal pure returns (ListingSlot) {
        ListingSlot ended = _withStatus(slot, REPLACED);
        return slot.budgetLeft() == UNLIMITED ? ended : ended.withBudget(0);
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

    /// @notice What an offer in the place of this one may have at most. A budget without a limit goes along once.
    function budgetToPassOn(ListingSlot slot) internal pure returns (uint64) {
        return slot.isReplaced() && slot.budgetLeft() == UNLIMITED ? 0 : slot.budgetLeft();
    }

    function budgetLeft(ListingSlot slot) internal pure returns (uint64) {
        return uint64(ListingSlot.unwrap(slot) >> BUDGET_AT);
    }

    function active(ListingSlot slot) internal pure returns (bool) {
        return slot.status() == ACTIVE;
    }

    function isReplaced(ListingSlot slot) internal pure returns (bool) {
        return slot.status() == REPLACED;
    }

    function status(ListingSlot slot) internal pure returns (uint256) {
        return ListingSlot.unwrap(slot) & STATUS;
    }

    function termsTag(ListingSlot slot) internal pure returns (uint192) {
        return uint192(ListingSlot.unwrap(slot) >> TAG_AT);
    }

    /// @notice Whether `termsHash` is the hash of the terms that the offer has now.
    function hasTerms(ListingSlot slot, bytes32 termsHash) internal pure returns (bool) {
        return slot.termsTag() == uint192(uint256(termsHash) >> TAG_AT);
    }

    function _withStatus(ListingSlot slot, uint256 status_) private pure returns (ListingSlot) {
        return ListingSlot.wrap((ListingSlot.unwrap(slot) & ~STATUS) | status_);
    }
}
