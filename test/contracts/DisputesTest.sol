// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IDisputes} from "../../contracts/interfaces/IDisputes.sol";
import {IJobEscrow} from "../../contracts/interfaces/IJobEscrow.sol";
import {MarketTest} from "./MarketTest.sol";

/// @notice Results in three shares, committed to and opened as {IDisputes} says, computed here a second time.
abstract contract DisputesTest is MarketTest {
    uint256 internal constant ATTEMPT = 2;
    /// Two whole chunks and one of six.
    uint32 internal constant TOTAL = 134;
    uint8 internal constant BITS = 61;
    bytes32 internal constant PAYOUTS = keccak256("payouts");

    /// The shares of a result, by point and coordinate.
    struct Shares {
        uint8 bits;
        uint128[][3] values;
    }

    /// An attested job and what its operators would have to say about it.
    struct Told {
        bytes32 job;
        IJobEscrow.JobTerms terms;
        IJobEscrow.Outcome outcome;
        IJobEscrow.ResultParts parts;
        Shares shares;
    }


    // ---- shares ------------------------------------------------------------------------------------

    function _modulus(uint8 bits) internal pure returns (uint256) {
        return 2 ** uint256(bits) - 1;
    }

    /// A line through each secret: the share at point x is secret + slope * x.
    function _shared(uint8 bits, uint32 total, uint256 seed) internal pure returns (Shares memory shares) {
        shares.bits = bits;
        uint256 p = _modulus(bits);
        for (uint256 x = 1; x <= 3; ++x) shares.values[x - 1] = new uint128[](total);
        for (uint256 i; i < total; ++i) {
            uint256 secret = uint256(keccak256(abi.encode(seed, i))) % p;
            uint256 slope = uint256(keccak256(abi.encode(seed, i, "slope"))) % p;
            for (uint256 x = 1; x <= 3; ++x) shares.values[x - 1][i] = uint128((secret + slope * x) % p);
        }
    }

    /// Moves one share away from the line, to another number of the field.
    function _bend(Shares memory shares, uint256 point, uint256 coordinate, uint256 by) internal pure {
        uint128[] memory values = shares.values[point - 1];
        values[coordinate] = uint128((values[coordinate] + by) % _modulus(shares.bits));
    }

    // ---- commitments -------------------------------------------------------------------------------

    function _elements(Shares memory shares, uint256 point, uint256 chunk)
        internal
        pure
        returns (bytes memory bytes_)
    {
        uint128[] memory values = shares.values[point - 1];
        for (uint256 i = chunk * 64; i < values.length && i < chunk * 64 + 64; ++i) {
            bytes_ = bytes.concat(bytes_, bytes16(values[i]));
        }
    }

    function _saltOf(bytes32 job, uint256 point, uint256 chunk) internal pure returns (bytes32) {
        return keccak256(abi.encode("salt", job, point, chunk));
    }

    function _resultLeaf(bytes32 job, Shares memory shares, uint256 point, uint256 chunk)
        internal
        view
        returns (bytes32)
    {
        return keccak256(
            bytes.concat(
                keccak256(
                    abi.encode(
                        _saltOf(job, point, chunk),
                        job,
                        ATTEMPT,
                        members[point - 1],
                        point,
                        chunk,
                        shares.values[0].length,
                        keccak256(_elements(shares, point, chunk))
                    )
                )
            )
        );
    }

    /// Of one to three leaves: the third hangs beside the node of the first two.
    function _resultTree(bytes32 job, Shares memory shares, uint256 point, uint256 chunk)
        internal
        view
        returns (bytes32 root, bytes32[] memory proof)
    {
        uint256 chunks = (shares.values[0].length + 63) / 64;
        root = _resultLeaf(job, shares, point, 0);
        if (chunks == 1) return (root, proof);
        bytes32 first = root;
        bytes32 second = _resultLeaf(job, shares, point, 1);
        root = _pair(first, second);
        if (chunks == 2) return (root, _proof(chunk == 0 ? second : first));
        bytes32 third = _resultLeaf(job, shares, point, 2);
        proof = new bytes32[](chunk == 2 ? 1 : 2);
        proof[proof.length - 1] = chunk == 2 ? root : third;
        if (chunk < 2) proof[0] = chunk == 0 ? second : first;
        root = _pair(root, third);
    }

    function _partsOf(bytes32 job, Shares memory shares) internal view returns (IJobEscrow.ResultParts memory parts) {
        for (uint256 point = 1; point <= 3; ++point) {
            (parts.roots[point - 1],) = _resultTree(job, shares, point, 0);
            parts.ciphertextHashes[point - 1] = keccak256(abi.encode("ciphertext", job, point));
        }
        parts.fieldBits = shares.bits;
        parts.total = uint32(shares.values[0].length);
    }

    /// A job of the buyer whose operators attested to these shares.
    function _tell(Shares memory shares) internal returns (Told memory told) {
        return _tellTo(BUYER, shares);
    }

    function _tellTo(address buyer, Shares memory shares) internal returns (Told memory told) {
        (told.job, told.terms) = _fundAs(buyer);
        _join(told.terms);
        told.shares = shares;
        told.parts = _partsOf(told.job, shares);
        _attest(told.terms, told.parts, PAYOUTS);
        told.outcome = IJobEscrow.Outcome(buyer, told.terms.token, _resultRoot(told.parts), PAYOUTS);
    }

    function _opening(Told memory told, uint256 point, uint256 chunk)
        internal
        view
        returns (IDisputes.ChunkOpening memory opening)
    {
        opening.salt = _saltOf(told.job, point, chunk);
        opening.attempt = ATTEMPT;
        opening.elements = _elements(told.shares, point, chunk);
        (, opening.proof) = _resultTree(told.job, told.shares, point, chunk);
    }

    function _openings(Told memory told, uint256 chunk)
        internal
        view
        returns (IDisputes.ChunkOpening[3] memory openings)
    {
        for (uint256 point = 1; point <= 3; ++point) openings[point - 1] = _opening(told, point, chunk);
    }

    // ---- steps -------------------------------------------------------------------------------------

    function _contest(Told memory told, uint32 chunk, uint8 place) internal {
        IDisputes.ChunkOpening[3] memory openings = _openings(told, chunk);
        vm.prank(STRANGER);
        disputes.contest(told.terms, told.outcome, told.parts, chunk, place, openings);
    }

    function _challenge(Told memory told, uint8 point, uint32 chunk) internal {
        vm.prank(told.terms.buyer);
        disputes.challenge{value: CHALLENGE_FEE}(told.terms, told.outcome, told.parts, point, chunk);
    }

    function _respond(Told memory told, uint8 point, uint32 chunk) internal {
        IDisputes.ChunkOpening memory opening = _opening(told, point, chunk);
        vm.prank(STRANGER);
        disputes.respond(told.terms, told.outcome, told.parts, point, chunk, opening);
    }

    function _expose(Told memory told, uint8 point, uint32 chunk) internal {
        vm.prank(STRANGER);
        disputes.expose(told.terms, told.outcome, point, chunk);
    }

    /// What a buyer, or anybody for it, fetches after a dispute that it won.
    function _fetch(Told memory told) internal {
        escrow.refund(told.terms);
        disputes.withdrawFees(told.terms.buyer);
    }

    function _bondsStand() internal view {
        for (uint256 i; i < 3; ++i) _eq(operators.operators(members[i]).bondWei, BOND, "a bond");
    }
}
