// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Registry of data offers
/// @notice An offer is a data set, shared once to the operators of one set, under terms of use that its seller may
/// change for jobs to come. The chain keeps one slot of it, found by (seller, operator set, data root); all else
/// stands in events, and whoever uses the offer repeats what is needed. A data set has one listing, so its privacy
/// budget is one whatever terms it had, and no job can draw it twice.
/// @dev Privacy is accounted in zero-concentrated differential privacy, in units of 10^-6 rho ("micro-rho").
interface IOfferRegistry {
    /// @notice What a seller allows, and its price. All terms must hold.
    struct UseTerms {
        /// Price of one use.
        uint96 priceWei;
        /// Price of each micro-rho that a use spends, on top.
        uint96 rhoPriceWei;
        /// Most that one job may spend; `type(uint64).max` allows exact results.
        uint64 maxMicroRho;
        /// Last second in which a job can be created.
        uint40 expirySec;
        /// Smallest number of different sellers in a job.
        uint16 minSellers;
        /// Merkle root of the algorithms that may run; 0 for all that the operators approve. Roots are those of
        /// OpenZeppelin's standard trees, of one value a leaf.
        bytes32 algorithms;
        /// Merkle root of the accounts that may buy; 0 for everybody.
        bytes32 buyers;
        /// Merkle root of the purposes, each the keccak256 of a text, that a buyer may declare; 0 for any.
        bytes32 purposes;
        /// sha256 of the document that has the lists behind the roots, or 0 where all three are 0.
        bytes32 document;
    }

    /// @notice What a seller publishes.
    struct OfferInput {
        /// The operators in the order of their points: to whom the shares are sealed.
        address[3] members;
        /// keccak256 of the canonical JSON of the schema.
        bytes32 schemaHash;
        uint32 rows;
        uint16 columns;
        /// Drawn by the seller; makes the commitments of equal data different.
        bytes32 nonce;
        /// sha256 of the sealed share of each point.
        bytes32[3] ciphertextHashes;
        /// Micro-rho that all jobs together may spend, for ever; `type(uint64).max` for no limit.
        uint64 budgetMicroRho;
        UseTerms terms;
    }

    /// @notice Names an offer by what its slot is found by, next to the operator set, with its terms and the
    /// proofs that they ask for; empty where a root is 0 or has one leaf.
    struct OfferUse {
        address seller;
        bytes32 dataRoot;
        UseTerms terms;
        bytes32[] algorithmProof;
        bytes32[] buyerProof;
        bytes32[] purposeProof;
    }

    /// @notice What the terms of a job's offers are held against.
    struct JobFacts {
        address buyer;
        bytes32 operatorSet;
        bytes32 algorithm;
        /// What the result costs in privacy; `type(uint64).max` for an exact result.
        uint64 microRho;
        /// keccak256 of the text, or 0 where none is declared.
        bytes32 purpose;
    }

    enum Term {
        Listing,
        Terms,
        Expiry,
        MaxRho,
        Budget,
        Algorithm,
        Buyer,
        Purpose,
        MinSellers
    }

    /// @notice A term that does not hold: what the job has and what the offer asks for, each as a word.
    struct TermFailure {
        uint256 offerId;
        address seller;
        bytes32 dataRoot;
        Term term;
        bytes32 found;
        bytes32 asked;
    }

    /// @notice The slot of an offer; see `libraries/Listings.sol`.
    struct Listing {
        uint64 id;
        uint64 budgetLeftMicroRho;
        bool active;
        uint120 termsTag;
    }

    event OfferPublished(
        uint256 indexed offerId,
        address indexed seller,
        bytes32 indexed operatorSet,
        bytes32 schemaHash,
        uint32 rows,
        uint16 columns,
        bytes32 nonce,
        bytes32[3] ciphertextHashes,
        uint64 budgetMicroRho,
        UseTerms terms,
        bytes32 dataRoot
    );
    event OfferRelisted(uint256 indexed offerId, UseTerms terms);
    event OfferWithdrawn(uint256 indexed offerId);
    /// @notice A job ended before the operators joined it, so what it would have spent can be spent again.
    event BudgetReturned(uint256 indexed offerId, uint64 microRho);

    /// @notice The same commitments were published before, perhaps withdrawn since.
    error DataSetKnown(uint256 offerId);
    error OfferUnknown(address seller, bytes32 dataRoot);
    error OfferInactive(uint256 offerId);
    /// @notice The offer has other terms now.
    error TermsChanged(uint256 offerId);
    /// @notice A term of an offer does not hold; {IJobEscrow-explain} names all that do not.
    error TermRefused(uint256 offerId, Term term, bytes32 found, bytes32 asked);
    error OffersEmpty();
    /// @notice Offers of a job come in ascending order of their ids, each once.
    error OffersNotAscending(uint256 previousId, uint256 offerId);
    error ShapeInvalid(uint256 rows, uint256 columns);

    /// @notice Publishes an offer of the caller.
    /// @return offerId Counted from 1.
    function publish(OfferInput calldata input) external returns (uint256 offerId);

    /// @notice Ends an offer of the caller. Jobs that are funded are not affected. {relist} brings it back.
    function withdraw(bytes32 operatorSet, bytes32 dataRoot) external;

    /// @notice Offers a data set of the caller under these terms from now on, also one that was withdrawn. Its
    /// privacy budget stays what is left of it.
    function relist(bytes32 operatorSet, bytes32 dataRoot, UseTerms calldata terms) external;

    /// @notice The slot of an offer; id 0 for an unknown one.
    function listing(address seller, bytes32 operatorSet, bytes32 dataRoot) external view returns (Listing memory);

    function offerCount() external view returns (uint256);
}
