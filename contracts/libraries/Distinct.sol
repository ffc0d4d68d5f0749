// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title The number of different words in a list
library Distinct {
    /// @dev Words are kept in a hash table in memory, at most half full: a hundred cost less than a storage slot that
    /// was not touched. Zero is no word and is not counted.
    function count(bytes32[] memory words) internal pure returns (uint256 distinct) {
        uint256 length = words.length;
        if (length == 1) return words[0] == 0 ? 0 : 1;
        uint256 size = 2;
        while (size < 2 * length) size <<= 1;
        bytes32[] memory table = new bytes32[](size);
        for (uint256 i; i < length; ++i) {
            bytes32 word = words[i];
            if (word == 0) continue;
            uint256 place = uint256(keccak256(abi.encode(word))) & (size - 1);
            while (table[place] != 0 && table[place] != word) place = (place + 1) & (size - 1);
            if (table[place] == word) continue;
            table[place] = word;
            ++distinct;
        }
    }
}
