// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IOfferRegistry} from "../interfaces/IOfferRegistry.sol";

/// @title The number of different sellers of a job's offers
library SellerCount {
    /// @notice Exact where an offer asks for more than one seller; 1 where none does, which nobody asks then.
    /// @dev A job's offers come in the order of their ids, and so their sellers in none. Sellers are kept in a hash
    /// table in memory, at most half full: a hundred offers cost less than a storage slot that was not touched.
    function distinct(IOfferRegistry.OfferUse[] calldata uses) internal pure returns (uint256 count) {
        uint256 length = uses.length;
        bool asked;
        for (uint256 i; i < length && !asked; ++i) asked = uses[i].terms.minSellers > 1;
        if (!asked) return 1;
        uint256 size = 2;
        while (size < 2 * length) size <<= 1;
        address[] memory table = new address[](size);
        for (uint256 i; i < length; ++i) {
            address seller = uses[i].seller;
            // The zero address sells nothing: its offers are unknown, and the job is refused for that.
            if (seller == address(0)) continue;
            uint256 place = uint256(keccak256(abi.encode(seller))) & (size - 1);
            while (table[place] != address(0) && table[place] != seller) place = (place + 1) & (size - 1);
            if (table[place] == seller) continue;
            table[place] = seller;
            ++count;
        }
    }
}
