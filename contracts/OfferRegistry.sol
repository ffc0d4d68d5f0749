// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IOfferRegistry} from "./interfaces/IOfferRegistry.sol";
import {Distinct} from "./libraries/Distinct.sol";
import {ListingSlot, Listings} from "./libraries/Listings.sol";
import {MarketHashes} from "./libraries/MarketHashes.sol";
import {UseTermsCheck} from "./libraries/UseTermsCheck.sol";

/// @title Registry of data offers
/// @notice A part of the escrow: what a job reserves of a budget and what it pays are one decision in one transaction,
/// and no other contract could be trusted with the budgets. A call between two contracts would cost more than all
/// the checks of the terms.
abstract contract OfferRegistry is IOfferRegistry, EIP712 {
    bytes32 private constant CREDENTIAL_TYPE = keccak256("Credential(address buyer,uint64 expirySec)");

    /// @dev By {_key}. One slot serves as the listing and as the mark that these commitments are known: the data
    /// root binds the seller, so nobody can take another seller's place by being first.
    mapping(bytes32 key => ListingSlot) private _listings;

    /// @inheritdoc IOfferRegistry
    function publish(OfferInput calldata input) external returns (bytes32 dataRoot) {
        return _publish(input);
    }

    /// @inheritdoc IOfferRegistry
    function replace(OfferInput calldata input, bytes32 oldSet, bytes32 oldRoot) external returns (bytes32 dataRoot) {
        bytes32 oldKey = _key(msg.sender, oldSet, oldRoot);
        ListingSlot old = _known(oldKey, msg.sender, oldRoot);
        uint64 left = old.budgetToPassOn();
        // What a job gave back after the replacement can still be taken along.
        if (old.isReplaced() && left == 0) revert AlreadyReplaced(oldRoot);
        if (input.budgetMicroRho > left) {
            revert TermRefused(oldRoot, Term.Budget, bytes32(uint256(input.budgetMicroRho)), bytes32(uint256(left)));
        }
        // Not known before, so not the old one itself.
        dataRoot = _publish(input);
        _listings[oldKey] = old.replaced();
        emit OfferReplaced(oldRoot, dataRoot, input.budgetMicroRho);
    }

    /// @inheritdoc IOfferRegistry
    function withdraw(bytes32 operatorSet, bytes32 dataRoot) external {
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        _listings[key] = _active(key, msg.sender, dataRoot).withdrawn();
        emit OfferWithdrawn(dataRoot);
    }

    /// @inheritdoc IOfferRegistry
    function relist(bytes32 operatorSet, bytes32 dataRoot, UseTerms calldata terms, Rules[] calldata rules) external {
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        ListingSlot slot = _known(key, msg.sender, dataRoot);
        if (slot.isReplaced()) revert AlreadyReplaced(dataRoot);
        _requireRules(dataRoot, terms, rules);
        _listings[key] = Listings.listed(slot.budgetLeft(), MarketHashes.useTerms(terms));
        emit OfferRelisted(dataRoot, terms, rules);
    }

    /// @inheritdoc IOfferRegistry
    function listing(address seller, bytes32 operatorSet, bytes32 dataRoot) external view returns (Listing memory) {
        ListingSlot slot = _listings[_key(seller, operatorSet, dataRoot)];
        return Listing({
            known: slot.known(),
            active: slot.active(),
            replaced: slot.isReplaced(),
            budgetLeftMicroRho: slot.budgetToPassOn(),
            termsTag: slot.termsTag()
        });
    }

    /// @dev Takes offers into a job: as {_quote}, and reserves what the job spends of each budget.
    function _reserve(JobFacts memory facts, OfferUse[] calldata uses)
        internal
        returns (bytes32[] memory dataRoots, uint256 prices)
    {
        (dataRoots, prices) = _quote(facts, uses);
        if (facts.microRho == 0 || facts.microRho == Listings.UNLIMITED) return (dataRoots, prices);
        for (uint256 i; i < uses.length; ++i) {
            bytes32 key = _key(uses[i].seller, facts.operatorSet, uses[i].dataRoot);
            ListingSlot slot = _listings[key];
            if (slot.budgetLeft() == Listings.UNLIMITED) continue;
            _listings[key] = slot.withBudget(slot.budgetLeft() - facts.microRho);
        }
    }

    /// @dev Says which offers of a job the buyer got by an issuer's word, so that everybody can tell what it paid.
    function _tellVouched(bytes32 job, address buyer, OfferUse[] calldata uses) internal {
        for (uint256 i; i < uses.length; ++i) {
            if (_vouched(buyer, uses[i])) emit OfferVouched(job, uses[i].dataRoot);
        }
    }

    /// @dev Gives back what a job reserved. The caller has checked that it did, and that nothing was given back before.
    /// An offer that was replaced meanwhile gets its part all the same: {replace} may take that along too.
    function _giveBack(
        bytes32 job,
        bytes32 operatorSet,
        uint64 microRho,
        address[] calldata sellers,
        bytes32[] calldata dataRoots
    ) internal {
        for (uint256 i; i < dataRoots.length; ++i) {
            bytes32 key = _key(sellers[i], operatorSet, dataRoots[i]);
            ListingSlot slot = _known(key, sellers[i], dataRoots[i]);
            bool reserved = slot.budgetLeft() != Listings.UNLIMITED;
            if (reserved) _listings[key] = slot.withBudget(slot.budgetLeft() + microRho);
            emit BudgetReturned(job, dataRoots[i], reserved ? microRho : 0);
        }
    }

    /// @dev Names and price of offers that one job may use together. Reverts unless all are different active offers
    /// of the set and all their terms hold.
    function _quote(JobFacts memory facts, OfferUse[] calldata uses)
        internal
        view
        returns (bytes32[] memory dataRoots, uint256 prices)
    {
        uint256 length = uses.length;
        if (length == 0) revert OffersEmpty();
        dataRoots = new bytes32[](length);
        for (uint256 i; i < length; ++i) dataRoots[i] = uses[i].dataRoot;
        uint256 distinct = Distinct.count(dataRoots);
        if (distinct != length) revert OffersNotDistinct(length, distinct);

        UseTermsCheck.Circumstances memory given;
        given.sellers = _sellers(uses);
        for (uint256 i; i < length; ++i) {
            OfferUse calldata use = uses[i];
            bytes32 dataRoot = use.dataRoot;
            given.slot = _active(_key(use.seller, facts.operatorSet, dataRoot), use.seller, dataRoot);
            if (!given.slot.hasTerms(MarketHashes.useTerms(use.terms))) revert TermsChanged(dataRoot);
            if (!_rulesFit(use)) revert RulesMismatch(dataRoot);
            given.vouched = _vouched(facts.buyer, use);
            (bool fails, Term term) = UseTermsCheck.firstFailure(Term.Listing, facts, use, given);
            if (fails) {
                (bytes32 found, bytes32 asked) = UseTermsCheck.words(term, facts, use, given);
                revert TermRefused(dataRoot, term, found, asked);
            }
            prices += UseTermsCheck.price(use, facts.microRho, given.vouched);
        }
    }

    /// @dev Every term that does not hold, of every offer.
    function _explain(JobFacts memory facts, OfferUse[] calldata uses)
        internal
        view
        returns (TermFailure[] memory failures)
    {
        failures = new TermFailure[](uses.length * (uint256(type(Term).max) + 1));
        uint256 count;
        UseTermsCheck.Circumstances memory given;
        given.sellers = _sellers(uses);
        for (uint256 i; i < uses.length; ++i) {
            OfferUse calldata use = uses[i];
            given.slot = _listings[_key(use.seller, facts.operatorSet, use.dataRoot)];
            if (!given.slot.active()) {
                failures[count++] = TermFailure(
                    use.seller,
                    use.dataRoot,
                    Term.Listing,
                    bytes32(given.slot.status()),
                    bytes32(Listings.ACTIVE)
                );
                continue;
            }
            bytes32 termsHash = MarketHashes.useTerms(use.terms);
            if (!given.slot.hasTerms(termsHash) || !_rulesFit(use)) {
                bytes32 tag = bytes32(uint256(given.slot.termsTag()) << 66);
                failures[count++] = TermFailure(use.seller, use.dataRoot, Term.Terms, termsHash, tag);
                continue;
            }
            given.vouched = _vouched(facts.buyer, use);
            Term from = Term.Listing;
            while (true) {
                (bool fails, Term term) = UseTermsCheck.firstFailure(from, facts, use, given);
                if (!fails) break;
                (bytes32 found, bytes32 asked) = UseTermsCheck.words(term, facts, use, given);
                failures[count++] = TermFailure(use.seller, use.dataRoot, term, found, asked);
                if (term == type(Term).max) break;
                from = Term(uint8(term) + 1);
            }
        }
        assembly ("memory-safe") {
            mstore(failures, count)
        }
    }

    function _publish(OfferInput calldata input) private returns (bytes32 dataRoot) {
        if (input.rows == 0 || input.columns == 0) revert ShapeInvalid(input.rows, input.columns);
        bytes32 operatorSet = MarketHashes.operatorSet(input.members);
        dataRoot = MarketHashes.dataRoot(msg.sender, input);
        bytes32 key = _key(msg.sender, operatorSet, dataRoot);
        ListingSlot before = _listings[key];
        if (before.known()) {
            if (before.isReplaced()) revert AlreadyReplaced(dataRoot);
            revert DataSetKnown(dataRoot);
        }
        _requireRules(dataRoot, input.terms, input.rules);
        _listings[key] = Listings.listed(input.budgetMicroRho, MarketHashes.useTerms(input.terms));
        emit OfferPublished(
            dataRoot,
            msg.sender,
            operatorSet,
            input.schemaHash,
            input.rows,
            input.columns,
            input.nonce,
            input.ciphertextHashes,
            input.budgetMicroRho,
            input.terms,
            input.rules
        );
    }

    /// @dev The number of different sellers, where an offer asks for more than one; 1 where none does.
    function _sellers(OfferUse[] calldata uses) private pure returns (uint256) {
        bool asked;
        for (uint256 i; i < uses.length && !asked; ++i) asked = uses[i].terms.minSellers > 1;
        if (!asked) return 1;
        bytes32[] memory sellers = new bytes32[](uses.length);
        for (uint256 i; i < uses.length; ++i) sellers[i] = bytes32(uint256(uint160(uses[i].seller)));
        return Distinct.count(sellers);
    }

    /// @dev Whether the rules of a use are those of its terms.
    function _rulesFit(OfferUse calldata use) private pure returns (bool) {
        bytes32 rulesHash = use.terms.rulesHash;
        if (rulesHash == 0) return use.rules.length == 0;
        return use.rules.length == 1 && MarketHashes.rules(use.rules[0].rules) == rulesHash;
    }

    function _requireRules(bytes32 dataRoot, UseTerms calldata terms, Rules[] calldata rules) private pure {
        if (terms.rulesHash == 0 && rules.length == 0) return;
        if (rules.length != 1 || MarketHashes.rules(rules[0]) != terms.rulesHash) revert RulesMismatch(dataRoot);
        if (rules[0].discountBps > 10_000) revert DiscountInvalid(rules[0].discountBps);
    }

    /// @dev Whether the buyer shows a word of the issuer that is still good. A false one counts as none: the job may
    /// do without.
    function _vouched(address buyer, OfferUse calldata use) private view returns (bool) {
        if (use.rules.length == 0 || use.rules[0].credential.length == 0) return false;
        Credential calldata credential = use.rules[0].credential[0];
        if (block.timestamp > credential.expirySec) return false;
        bytes32 digest = _hashTypedDataV4(keccak256(abi.encode(CREDENTIAL_TYPE, buyer, credential.expirySec)));
        (address recovered,,) = ECDSA.tryRecover(digest, credential.signature[0], credential.signature[1]);
        // A malformed signature recovers to the zero address, which is nobody.
        return recovered != address(0) && recovered == use.rules[0].rules.issuer;
    }

    function _active(bytes32 key, address seller, bytes32 dataRoot) private view returns (ListingSlot slot) {
        slot = _known(key, seller, dataRoot);
        if (!slot.active()) {
            if (slot.isReplaced()) revert AlreadyReplaced(dataRoot);
            revert OfferInactive(dataRoot);
        }
    }

    function _known(bytes32 key, address seller, bytes32 dataRoot) private view returns (ListingSlot slot) {
        slot = _listings[key];
        if (!slot.known()) revert OfferUnknown(seller, dataRoot);
    }

    function _key(address seller, bytes32 operatorSet, bytes32 dataRoot) private pure returns (bytes32) {
        return keccak256(abi.encode(seller, operatorSet, dataRoot));
    }
}
