// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IOfferRegistry} from "../interfaces/IOfferRegistry.sol";
import {ListingSlot, Listings} from "./Listings.sol";

/// @title Whether a job keeps the terms of an offer
/// @notice One function judges a term, and both the refusal and the explanation ask it. The number of sellers is
/// counted over the whole job and judged by the caller.
/// @dev `contracts/use-terms.ts` mirrors this for the clients and the nodes; a test compares them.
library UseTermsCheck {
    /// @notice Terms that are judged for an offer by itself, in the order of the enum.
    IOfferRegistry.Term internal constant FIRST = IOfferRegistry.Term.Expiry;
    IOfferRegistry.Term internal constant LAST = IOfferRegistry.Term.Purpose;

    /// @return holds Whether the term holds.
    /// @return found What the job has, and `asked` what the offer asks for, each as a word.
    function judge(
        IOfferRegistry.Term term,
        IOfferRegistry.JobFacts memory facts,
        IOfferRegistry.OfferUse calldata use,
        ListingSlot slot
    ) internal view returns (bool holds, bytes32 found, bytes32 asked) {
        IOfferRegistry.UseTerms calldata terms = use.terms;
        if (term == IOfferRegistry.Term.Expiry) {
            return (block.timestamp <= terms.expirySec, bytes32(block.timestamp), bytes32(uint256(terms.expirySec)));
        }
        if (term == IOfferRegistry.Term.MaxRho) {
            return (
                facts.microRho <= terms.maxMicroRho,
                bytes32(uint256(facts.microRho)),
                bytes32(uint256(terms.maxMicroRho))
            );
        }
        if (term == IOfferRegistry.Term.Budget) {
            // An exact result spends more than any budget but the one without a limit.
            uint64 left = slot.budgetLeft();
            return (facts.microRho <= left, bytes32(uint256(facts.microRho)), bytes32(uint256(left)));
        }
        if (term == IOfferRegistry.Term.Algorithm) {
            return (_in(terms.algorithms, facts.algorithm, use.algorithmProof), facts.algorithm, terms.algorithms);
        }
        if (term == IOfferRegistry.Term.Buyer) {
            bytes32 buyer = bytes32(uint256(uint160(facts.buyer)));
            return (_in(terms.buyers, buyer, use.buyerProof), buyer, terms.buyers);
        }
        return (_in(terms.purposes, facts.purpose, use.purposeProof), facts.purpose, terms.purposes);
    }

    /// @notice What a use costs.
    function priceWei(IOfferRegistry.UseTerms calldata terms, uint64 microRho) internal pure returns (uint256) {
        // An exact result spends no budget: it is sold at the price of a use, where it is sold.
        if (microRho == Listings.UNLIMITED) return terms.priceWei;
        return terms.priceWei + uint256(terms.rhoPriceWei) * microRho;
    }

    function _in(bytes32 root, bytes32 value, bytes32[] calldata proof) private pure returns (bool) {
        if (root == 0) return true;
        bytes32 leaf = keccak256(abi.encode(keccak256(abi.encode(value))));
        return MerkleProof.verifyCalldata(proof, root, leaf);
    }
}
