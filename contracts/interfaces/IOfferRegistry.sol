// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Registry of data offers
/// @notice An offer is a data set, shared once to the operators of one set, under terms of use that its seller may
/// change for jobs to come. It is named by its data root, the hash of its commitments. The chain keeps one slot of it,
/// found by (seller, operator set, data root); all else stands in events, and whoever uses the offer repeats what is
/// needed. A data set has one listing, so its privacy budget is one whatever terms it had, and no job can draw it twice.
/// @dev Privacy is accounted in zero-concentrated differential privacy, in units of 10^-6 rho ("micro-rho").
interface IOfferRegistry {
    /// @notice What a seller allows, and its price. All terms must hold. Prices are in the smallest unit of the token
    /// of the rules, in wei where there are none.
    struct UseTerms {
        /// Price of one use.
        uint96 price;
        /// Price of each micro-rho that a use spends, on top.
        uint96 rhoPrice;
        /// Most that one job may spend; `type(uint64).max` allows exact results.
        uint64 maxMicroRho;
        /// Last second in which a job can be created.
        uint40 expirySec;
        /// Smallest number of different sellers in a job.
        uint16 minSellers;
        /// keccak256(abi.encode(Rules)), or 0 where there are none.
        bytes32 rulesHash;
    }

    /// @notice What most offers have no need of: without rules, payment is in ETH, and anybody may run any algorithm
    /// that the operators approve for any purpose.
    struct Rules {
        /// ERC-20 token of the prices; zero is ETH.
        address token;
        /// Whose {Credential} lets a buyer in that is not on the list, and gives it the discount; zero for nobody.
        address issuer;
        /// What is taken off the price for who has a credential, in hundredths of a percent; 10,000 makes it free.
        uint16 discountBps;
        /// The seller's own contract, an {ITerms}, that must agree; zero for none.
        address hook;
        /// Merkle root of the algorithms that may run; 0 for all that the operators approve. Roots are those of
        /// OpenZeppelin's standard trees, of one value a leaf.
        bytes32 algorithms;
        /// Merkle root of the accounts that may buy; 0 for everybody. A root that nobody has a list for leaves the
        /// offer to those with a credential.
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
        /// None or one.
        Rules[] rules;
    }

    /// @notice An issuer's word that an account belongs to those whom it vouches for, say the staff of a hospital.
    /// Signed as EIP-712 Credential(address buyer,uint64 expirySec) in the escrow's domain.
    struct Credential {
        /// Last second in which a job can be created with it.
        uint64 expirySec;
        /// Compact (EIP-2098).
        bytes32[2] signature;
    }

    /// @notice The rules of an offer and what they ask to be shown; proofs are empty where a root is 0 or has one leaf.
    struct RulesUse {
        Rules rules;
        bytes32[] algorithmProof;
        bytes32[] buyerProof;
        bytes32[] purposeProof;
        /// None or one.
        Credential[] credential;
    }

    /// @notice Names an offer by what its slot is found by, next to the operator set, with its terms.
    struct OfferUse {
        address seller;
        bytes32 dataRoot;
        UseTerms terms;
        /// One where the terms have rules.
        RulesUse[] rules;
    }

    /// @notice What the terms of a job's offers are held against.
    struct JobFacts {
        address buyer;
        bytes32 operatorSet;
        bytes32 algorithm;
        /// What is paid in; zero is ETH.
        address token;
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
        MinSellers,
        Token,
        Algorithm,
        Buyer,
        Purpose,
        Hook
    }

    /// @notice A term that does not hold: what the job has and what the offer asks for, each as a word.
    struct TermFailure {
        address seller;
        bytes32 dataRoot;
        Term term;
        bytes32 found;
        bytes32 asked;
    }

    /// @notice The slot of an offer; see `libraries/Listings.sol`.
    struct Listing {
        bool known;
        bool active;
        /// For good.
        bool replaced;
        uint64 budgetLeftMicroRho;
        uint192 termsTag;
    }

    event OfferPublished(
        bytes32 indexed dataRoot,
        address indexed seller,
        bytes32 indexed operatorSet,
        bytes32 schemaHash,
        uint32 rows,
        uint16 columns,
        bytes32 nonce,
        bytes32[3] ciphertextHashes,
        uint64 budgetMicroRho,
        UseTerms terms,
        Rules[] rules
    );
    event OfferRelisted(bytes32 indexed dataRoot, UseTerms terms, Rules[] rules);
    event OfferWithdrawn(bytes32 indexed dataRoot);
    /// @notice The data set was shared anew, to another set of operators. Its budget went along.
    event OfferReplaced(bytes32 indexed dataRoot, bytes32 indexed replacement, uint64 budgetLeftMicroRho);
    /// @notice The buyer of a job used the offer by a credential of its issuer. Stands before the job's own event.
    event OfferVouched(bytes32 indexed job, bytes32 dataRoot);
    /// @notice A job ended before anything was opened, so what it would have spent can be spent again: one event for
    /// each of its offers. `microRho` is 0 where the budget has no limit.
    event BudgetReturned(bytes32 indexed job, bytes32 indexed dataRoot, uint64 microRho);

    /// @notice The same commitments were published before, perhaps withdrawn since.
    error DataSetKnown(bytes32 dataRoot);
    error OfferUnknown(address seller, bytes32 dataRoot);
    error OfferInactive(bytes32 dataRoot);
    /// @notice The data set was shared anew in the place of this one, which ended for good.
    error AlreadyReplaced(bytes32 dataRoot);
    /// @notice The offer has other terms now.
    error TermsChanged(bytes32 dataRoot);
    /// @notice The rules are missing, too many, or not those of the terms.
    error RulesMismatch(bytes32 dataRoot);
    /// @notice A credential gives at most the whole price back.
    error DiscountInvalid(uint256 discountBps);
    /// @notice A term of an offer does not hold; {IJobEscrow-explain} names all that do not.
    error TermRefused(bytes32 dataRoot, Term term, bytes32 found, bytes32 asked);
    error OffersEmpty();
    /// @notice A job draws a data set once.
    error OffersNotDistinct(uint256 offers, uint256 distinct);
    error ShapeInvalid(uint256 rows, uint256 columns);

    /// @notice Publishes an offer of the caller.
    /// @return dataRoot Its name.
    function publish(OfferInput calldata input) external returns (bytes32 dataRoot);

    /// @notice Publishes an offer of the caller whose data it offered before, to other operators: what is left of the
    /// budget of the old one goes to the new one, and the old one ends for good: no job uses it again, and {relist} and
    /// {publish} refuse it. Jobs that are funded are not affected; what they give back later goes to the old one, and
    /// from there in the same way to one more replacement.
    /// @param input Its `budgetMicroRho` must not exceed what is left; the rest is given up.
    function replace(OfferInput calldata input, bytes32 oldSet, bytes32 oldRoot) external returns (bytes32 dataRoot);

    /// @notice Ends an offer of the caller. Jobs that are funded are not affected. {relist} brings it back.
    function withdraw(bytes32 operatorSet, bytes32 dataRoot) external;

    /// @notice Offers a data set of the caller under these terms from now on, also one that was withdrawn, but not one
    /// that was replaced. Its privacy budget stays what is left of it.
    function relist(bytes32 operatorSet, bytes32 dataRoot, UseTerms calldata terms, Rules[] calldata rules) external;

    /// @notice The slot of an offer.
    function listing(address seller, bytes32 operatorSet, bytes32 dataRoot) external view returns (Listing memory);
}
