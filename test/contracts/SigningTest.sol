// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {JobState} from "../../contracts/libraries/JobStates.sol";
import {Vm} from "./Vm.sol";

/// @notice What all tests have: the runner's cheat codes, the keys of three operators, EIP-712, and assertions.
abstract contract SigningTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// Private keys of the signers, by index of the member.
    uint256[3] internal keys = [uint256(0x1001), 0x1002, 0x1003];

    // ---- signatures --------------------------------------------------------------------------------

    function _domainOf(uint256 chain, address verifier) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Symbolon"),
                keccak256("1"),
                chain,
                verifier
            )
        );
    }

    function _digest(bytes32 domain, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// r and the s with the parity of v in its highest bit (EIP-2098).
    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes32[2] memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return [r, bytes32(uint256(s) | (uint256(v - 27) << 255))];
    }

    function _signAll(bytes32 digest) internal view returns (bytes32[2][3] memory) {
        return [_sign(keys[0], digest), _sign(keys[1], digest), _sign(keys[2], digest)];
    }

    /// The lowest bit of one word, turned.
    function _flipped(bytes memory original, uint256 word) internal pure returns (bytes memory changed) {
        changed = bytes.concat(original);
        changed[word * 32 + 31] ^= 0x01;
    }

    // ---- assertions --------------------------------------------------------------------------------

    error NotEqual(uint256 found, uint256 expected, string what);
    error NotTrue(string what);

    function _eq(uint256 found, uint256 expected, string memory what) internal pure {
        if (found != expected) revert NotEqual(found, expected, what);
    }

    function _eq(JobState found, JobState expected) internal pure {
        if (found != expected) revert NotEqual(uint256(found), uint256(expected), "state");
    }

    function _true(bool holds, string memory what) internal pure {
        if (!holds) revert NotTrue(what);
    }
}
