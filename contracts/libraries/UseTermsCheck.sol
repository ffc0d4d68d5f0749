// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {IOfferRegistry} from "../interfaces/IOfferRegistry.sol";
import {ITerms} from "../interfaces/ITerms.sol";
import {ListingSlot, Listings} from "./Listings.sol";

/// @title Whether a job keeps the terms of an offer
/// @notice One function judges the terms in their order, and both the refusal and the explanation ask it.
/// @dev `contracts/use-terms.ts` mirrors this for the clients and the nodes; a test compares them.
library UseTermsCheck {
    /// @notice What a seller's own contract may spend on its answer.
    uint256 internal constant HOOK_GAS = 100_000;
    /// @dev A call passes on at most 63 of 64 parts of what is left after its own cost: this is enough for all of HOOK_GAS.
    uint256 private constant GAS_FOR_HOOK = 105_000;

    uint256 private constant BASIS_POINTS = 10_000;

    /// @notice What a use is judged by besides its terms.
    struct Circumstances {
        ListingSlot slot;
        /// Different sellers in the job.
        uint256 sellers;
        /// Whether the buyer has shown the issuer's word.
        bool vouched;
    }

    /// @notice The first term from `from` on that does not hold.
    /// @return fails Whether there is one.
    /// @return term Which; without meaning where none fails.
    function firstFailure(
        IOfferRegistry.Term from,
        IOfferRegistry.JobFacts memory facts,
        IOfferRegistry.OfferUse calldata use,
        Circumstances memory given
    ) internal view returns (bool fails, IOfferRegistry.Term term) {
        IOfferRegistry.UseTerms calldata terms = use.terms;
        if (from <= IOfferRegistry.Term.Expiry && block.timestamp > terms.expirySec) {
            return (true, IOfferRegistry.Term.Expiry);
        }
        if (from <= IOfferRegistry.Term.MaxRho && facts.microRho > terms.maxMicroRho) {
            return (true, IOfferRegistry.Term.MaxRho);
        }
        // An exact result spends more than any budget but the one without a limit.
        if (from <= IOfferRegistry.Term.Budget && facts.microRho > given.slot.budgetLeft()) {
            return (true, IOfferRegistry.Term.Budget);
        }
        if (from <= IOfferRegistry.Term.MinSellers && given.sellers < terms.minSellers) {
            return (true, IOfferRegistry.Term.MinSellers);
        }
        if (from <= IOfferRegistry.Term.Token && facts.token != tokenOf(use)) {
            return (true, IOfferRegistry.Term.Token);
        }
        if (terms.rulesHash == 0) return (false, term);

        IOfferRegistry.RulesUse calldata shown = use.rules[0];
        IOfferRegistry.Rules calldata rules = shown.rules;
        if (
            from <= IOfferRegistry.Term.Algorithm
                && !_in(rules.algorithms, facts.algorithm, shown.algorithmProof)
        ) return (true, IOfferRegistry.Term.Algorithm);
        if (
            from <= IOfferRegistry.Term.Buyer && !given.vouched
                && !_in(rules.buyers, _word(facts.buyer), shown.buyerProof)
        ) return (true, IOfferRegistry.Term.Buyer);
        if (
            from <= IOfferRegistry.Term.Purpose && !_in(rules.purposes, facts.purpose, shown.purposeProof)
        ) return (true, IOfferRegistry.Term.Purpose);
        if (from <= IOfferRegistry.Term.Hook && rules.hook != address(0) && !_agrees(rules.hook, facts, use)) {
            return (true, IOfferRegistry.Term.Hook);
        }
    }

    /// @notice What the job has and what the offer asks for, of a term that fails.
    function words(
        IOfferRegistry.Term term,
        IOfferRegistry.JobFacts memory facts,
        IOfferRegistry.OfferUse calldata use,
        Circumstances memory given
    ) internal view returns (bytes32 found, bytes32 asked) {
        IOfferRegistry.UseTerms calldata terms = use.terms;
        if (term == IOfferRegistry.Term.Expiry) return (bytes32(block.timestamp), bytes32(uint256(terms.expirySec)));
        if (term == IOfferRegistry.Term.MaxRho) {
            return (bytes32(uint256(facts.microRho)), bytes32(uint256(terms.maxMicroRho)));
        }
        if (term == IOfferRegistry.Term.Budget) {
            return (bytes32(uint256(facts.microRho)), bytes32(uint256(given.slot.budgetLeft())));
        }
        if (term == IOfferRegistry.Term.MinSellers) {
            return (bytes32(given.sellers), bytes32(uint256(terms.minSellers)));
        }
        if (term == IOfferRegistry.Term.Token) return (_word(facts.token), _word(tokenOf(use)));
        IOfferRegistry.Rules calldata rules = use.rules[0].rules;
        if (term == IOfferRegistry.Term.Algorithm) return (facts.algorithm, rules.algorithms);
        if (term == IOfferRegistry.Term.Buyer) return (_word(facts.buyer), rules.buyers);
        if (term == IOfferRegistry.Term.Purpose) return (facts.purpose, rules.purposes);
        return (_word(facts.buyer), _word(rules.hook));
    }

    /// @notice What a use costs, rounded up.
    function price(IOfferRegistry.OfferUse calldata use, uint64 microRho, bool vouched)
        internal
        pure
        returns (uint256 due)
    {
        IOfferRegistry.UseTerms calldata terms = use.terms;
        due = terms.price;
        // An exact result spends no budget: it is sold at the price of a use, where it is sold.
        if (microRho != Listings.UNLIMITED) due += uint256(terms.rhoPrice) * microRho;
        if (!vouched) return due;
        uint256 share = BASIS_POINTS - use.rules[0].rules.discountBps;
        return (due * share + BASIS_POINTS - 1) / BASIS_POINTS;
    }

    /// @notice What the prices are in. The caller has checked that rules are there where the terms have some.
    function tokenOf(IOfferRegistry.OfferUse calldata use) internal pure returns (address) {
        return use.terms.rulesHash == 0 ? address(0) : use.rules[0].rules.token;
    }

    function _in(bytes32 root, bytes32 value, bytes32[] calldata proof) private pure returns (bool) {
        if (root == 0) return true;
        bytes32 leaf = keccak256(abi.encode(keccak256(abi.encode(value))));
        return MerkleProof.verifyCalldata(proof, root, leaf);
    }

    /// @dev A static call, so whatever the contract does, it changes nothing here or elsewhere; nothing but one word of
    /// its answer is copied, so that a long one costs its own gas and not the buyer's. Where the limit cannot be passed
    /// on, the answer is a no: a contract that asks others and goes on when they fail must not be led to a yes by a
    /// buyer that sends too little gas for them.
    function _agrees(address hook, IOfferRegistry.JobFacts memory facts, IOfferRegistry.OfferUse calldata use)
        private
        view
        returns (bool agrees)
    {
        bytes memory data = abi.encodeCall(ITerms.check, (facts, use.seller, use.dataRoot));
        if (gasleft() < GAS_FOR_HOOK) return false;
        uint256 gasLimit = HOOK_GAS;
        assembly ("memory-safe") {
            mstore(0x00, 0)
            let success := staticcall(gasLimit, hook, add(data, 0x20), mload(data), 0x00, 0x20)
            agrees := and(and(success, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))
        }
    }

    function _word(address account) private pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }
}
