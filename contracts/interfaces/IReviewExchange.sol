// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SeatState, SessionState} from "../libraries/ExchangeStates.sol";
import {Amounts, Schedule} from "../libraries/ExchangeTerms.sol";

/// @title Review and exchange of raw data sets
/// @notice A collector buys one data set, the best of those that providers register in its session: it samples each,
/// compares features, reviews the samples of some candidates, and exchanges the reward for the master key of the
/// best, in one transaction. Reviewed providers that do not win are compensated.
///
/// Phases follow one another by the clock: registration, sampling, features, review, answer, choice, claim. Ends are
/// included. A phase that passes without the act that it is for ends that registration or that session; deposits of
/// those who did not fail, compensations, and what is left of the reward can then be taken back without a limit of
/// time. Silence forfeits a deposit in two cases only: features that are missing after an accusation, and a winner
/// that does not claim.
///
/// A session's id is the hash of its terms, and a registration is one slot, its provider's *seat*, that holds a hash of
/// all its facts. Values stand in events and call data, and each call hands in again what it needs.
///
/// Randomness of the sample. The collector commits itself to a secret when it opens the session, a provider to its
/// data when it registers; the seed is a hash of both, so neither chooses it and no block producer has a part in it.
/// The collector can refuse to reveal the secret; then nobody is sampled, and all deposits go back. It can also leave
/// out single registrations, knowing their samples, as it can leave out anyone at any step. Its secret must be 32 random bytes used once: whoever guesses it can choose a commitment to suit it. Sampling begins
/// {sampleDelaySec} after the end of registration, so that no reorganisation shorter than that lets a provider
/// register again when it has seen the secret. One registration has one sample; a provider that registers
/// the same data twice has two, so a collector should sample one seat of each provider.
///
/// What the chain judges: that sampled keys are those that were committed before the sample was known, and that a
/// master key is the committed one and derives the sampled keys. So a provider that committed m keys out of n that its
/// master key does not derive gets past with the probability that a sample misses all m: at most (1 - 1/p)^m where one
/// shard is sampled for each started p, or p is the number of shards over 64, rounded up, where that is more. Which
/// runs of shards one is sampled from is known beforehand; who spreads bad ones evenly over them has just that chance.
/// That each index has one leaf is not looked at: the collector builds the tree again from what was delivered.
///
/// What it does not judge: whether a ciphertext decrypts to anything, whether features belong to the data or the data
/// to its description, whether ciphertexts were delivered, and which data set is best. The collector finds out the
/// first two about the sample, before it chooses. Its name for the best is its own opinion; it may choose
/// nobody and pays the compensations alone.
///
/// Keys become public with the calls that reveal them. Ciphertexts must reach the collector alone, and a master
/// key must not be used twice.
interface IReviewExchange {
    /// @notice What a collector offers.
    struct SessionRequest {
        /// ERC-20 token of reward and deposits; zero is ETH.
        address token;
        uint88 reward;
        /// What each provider deposits.
        uint88 deposit;
        /// Share of the reward, in hundredths of a percent, that a reviewed provider gets when it does not win.
        uint16 samplingBps;
        uint32 minShards;
        /// One shard is sampled for each started so many, at most 64 of a data set.
        uint16 shardsPerSample;
        /// Last second of registration.
        uint40 registerBySec;
        /// Lengths of the phases that follow; sampling includes the delay before it.
        uint32 sampleSec;
        uint32 featuresSec;
        uint32 reviewSec;
        uint32 answerSec;
        uint32 optimalSec;
        uint32 claimSec;
        /// keccak256(abi.encode(secret)).
        bytes32 secretHash;
        /// Hash of the public feature extractor, whose last layer is obfuscated.
        bytes32 extractorHash;
        bytes32 descriptionHash;
    }

    /// @notice The terms of a session as calls repeat them. The session's id is
    /// H(collector, schedule, conditions), with conditions = H(token, amounts, context),
    /// context = H(secretHash, extractorHash, descriptionHash) and H = keccak256 of abi.encode.
    struct Terms {
        address collector;
        Schedule schedule;
        address token;
        Amounts amounts;
        bytes32 context;
    }

    /// @notice What a collector opens to sample.
    struct Opening {
        Schedule schedule;
        address token;
        Amounts amounts;
        bytes32 secret;
        bytes32 extractorHash;
        bytes32 descriptionHash;
    }

    /// @notice What a provider commits itself to. Its hash is the registration's first facts.
    struct Commitment {
        /// Root of an OpenZeppelin standard Merkle tree of (uint256 index, bytes32 ciphertextHash, bytes32 keyHash),
        /// with keyHash = keccak256(abi.encode(shard key)), indices from 0.
        bytes32 shardRoot;
        /// keccak256(abi.encode(master key)).
        bytes32 masterKeyHash;
        uint32 shardCount;
    }

    /// @notice One sampled shard, opened.
    struct ShardOpening {
        bytes32 key;
        bytes32 ciphertextHash;
        bytes32[] proof;
    }

    /// @notice What a winner reveals, and the facts around it.
    struct Claim {
        bytes32 shardRoot;
        uint32 shardCount;
        bytes32 seed;
        bytes32 featuresRoot;
        bytes32 masterKey;
    }

    event SessionOpened(bytes32 indexed session, address indexed collector, SessionRequest request);
    event DepositAdded(uint256 indexed seat, address token, uint256 amount);
    event DepositWithdrawn(uint256 indexed seat, address token, uint256 amount);
    event ProviderRegistered(bytes32 indexed session, uint256 indexed seat, Commitment commitment);
    event ShardsSampled(bytes32 indexed session, uint256 indexed seat, bytes32 seed);
    /// @notice A provider's dated word; whether the seat is sampled in that session is not looked at.
    event FeaturesCommitted(bytes32 indexed session, uint256 indexed seat, bytes32 featuresRoot);
    event FeaturesMissed(bytes32 indexed session, uint256 indexed seat);
    event FeaturesDelivered(bytes32 indexed session, uint256 indexed seat, bytes32 featuresRoot);
    event CandidateNamed(bytes32 indexed session, uint256 indexed seat, bytes32 featuresRoot);
    /// @notice Without topics, which cost 119 gas each more than words of data.
    event ReviewAsked(bytes32 session, uint256 seat);
    event ReviewAnswered(bytes32 indexed session, uint256 indexed seat, bytes32[] keys);
    event OptimalNamed(bytes32 indexed session, uint256 indexed seat);
    event RewardClaimed(bytes32 indexed session, uint256 indexed seat, bytes32 masterKey, uint256 reward);
    event SeatReleased(bytes32 indexed session, uint256 indexed seat, uint256 deposit, uint256 compensation);
    event DepositForfeited(bytes32 indexed session, uint256 indexed seat, uint256 deposit, uint256 compensation);
    event SessionClosed(bytes32 indexed session, uint256 refund);

    /// @notice The table of states has no such arrow.
    error SeatTransitionRefused(uint256 seat, SeatState from, SeatState to);
    error SessionTransitionRefused(bytes32 session, SessionState from, SessionState to);
    /// @notice The terms or facts that were handed in, or the caller as collector, are not those of the seat.
    error FactsMismatch(uint256 seat);
    error TooEarly(bytes32 session, uint256 fromSec);
    error TooLate(bytes32 session, uint256 bySec);
    error RegistrationEndOutOfRange(uint256 registerBySec, uint256 earliestSec, uint256 latestSec);
    error PhaseOutOfRange(uint256 phase, uint256 durationSec, uint256 shortestSec, uint256 longestSec);
    error AmountsInvalid(uint256 reward, uint256 deposit, uint256 samplingBps);
    error ShardsInvalid(uint256 minShards, uint256 shardsPerSample);
    error TooFewShards(bytes32 session, uint256 shardCount, uint256 minShards);
    /// @notice The seat holds another deposit than the session asks for.
    error DepositMismatch(uint256 seat, address token, uint256 amount, uint256 needed);
    /// @notice The seat holds a deposit in another token.
    error TokenMismatch(uint256 seat, address held, address given);
    error DepositTooLarge(uint256 seat, uint256 amount);
    error DepositTooSmall(uint256 seat, uint256 amount, uint256 wanted);
    /// @notice Openings do not stand one for one for the sampled shards.
    error OpeningsMiscounted(uint256 seat, uint256 given, uint256 sampled);
    error OpeningInvalid(uint256 seat, uint256 index);
    /// @notice The reward pays for no further answers.
    error AnswersExhausted(bytes32 session, uint256 answers);
    /// @notice The seat has won, so it claims the reward or loses its deposit.
    error SeatHasWon(bytes32 session, uint256 seat);
    error SeatHasNotWon(bytes32 session, uint256 seat);

    // ---- collector ---------------------------------------------------------------------------------

    /// @notice Opens a session with the reward in escrow.
    /// @return session The hash of the terms; the same terms open once.
    function open(SessionRequest calldata request) external payable returns (bytes32 session);

    /// @notice Reveals the secret and so fixes which shards of a registration are sampled. The seed is
    /// H(secret, session, seat, H(commitment)); {sampledIndices} follows from it.
    /// @param commitment H(commitment) of the registration.
    function sample(Opening calldata opening, uint256 seat, bytes32 commitment) external;

    /// @notice Says that a provider did not deliver features in time. It can then lose its deposit.
    /// @param facts H(H(commitment), seed).
    function accuse(Schedule schedule, bytes32 conditions, uint256 seat, bytes32 facts) external;

    /// @notice Names a candidate after its features were evaluated.
    /// @param facts H(H(commitment), seed).
    /// @param featuresRoot The features that were evaluated; after an accusation exactly those delivered on chain.
    function candidate(Schedule schedule, bytes32 conditions, uint256 seat, bytes32 facts, bytes32 featuresRoot)
        external;

    /// @notice Asks a candidate to open its sample; it is owed a compensation from its answer on.
    /// @param facts H(H(H(commitment), seed), featuresRoot).
    function reviewSample(Schedule schedule, bytes32 conditions, uint256 seat, bytes32 facts) external;

    /// @notice Names the winner, once, after all answers are in. A collector should look first whether the seat has
    /// answered in its session: a winner that has not can neither claim nor lose anything, and the collector gets
    /// back what it would have got back without a winner, only later.
    function optimal(Schedule schedule, bytes32 conditions, uint256 seat) external;

    /// @notice Pays the collector what nobody is owed: when no winner was named, or the winner did not claim.
    /// Anyone may call.
    function close(Terms calldata terms) external;

    // ---- provider ----------------------------------------------------------------------------------

    /// @notice Adds to the deposit of the caller's seat of that number. A seat takes one registration at a time; an
    /// account has 2^64 of them.
    function deposit(uint64 number) external payable;

    /// @notice The same in an ERC-20 token, of which `amount` was approved.
    function depositToken(uint64 number, address token, uint256 amount) external;

    /// @notice Pays out from an idle seat: deposits that went back, and compensations.
    function withdraw(uint64 number, uint256 amount) external;

    /// @notice Registers a data set; the seat's deposit, which is exactly the session's, is bound to it.
    function register(Terms calldata terms, uint64 number, Commitment calldata commitment) external;

    /// @notice States the features of a sampled data set. An event alone, which the collector checks before it names
    /// a candidate; nothing is stored. Where the collector denies that it was sent, {deliver} stores it.
    function features(bytes32 session, uint64 number, bytes32 featuresRoot) external;

    /// @notice Puts the features on chain after an accusation, until the end of the review phase.
    /// @param facts H(H(commitment), seed).
    function deliver(Terms calldata terms, uint64 number, bytes32 facts, bytes32 featuresRoot) external;

    /// @notice Opens the sampled keys after a review was asked. Answers begin when no more reviews can be asked: count
    /// {ReviewAsked} of the session first, for the reward pays for reward / compensation answers, and more are refused.
    /// Not answering costs the compensation, never the deposit.
    /// @param openings In the order of {sampledIndices}.
    function answer(
        Terms calldata terms,
        uint64 number,
        Commitment calldata commitment,
        bytes32 seed,
        bytes32 featuresRoot,
        ShardOpening[] calldata openings
    ) external;

    /// @notice Reveals the master key of the winner and pays it the reward less the compensations of the others, and
    /// its deposit. The key is public once this is sent, so it must be mined in time: send it early.
    function claim(Terms calldata terms, uint64 number, Claim calldata revealed) external;

    // ---- anyone ------------------------------------------------------------------------------------

    /// @notice Ends a registration that can go no further: its deposit, and the compensation for an answered
    /// review, are the seat's to {withdraw} or to register again with.
    function release(Terms calldata terms, uint256 seat, bytes32 facts) external;

    /// @notice Pays the collector the deposit of a provider that was accused and delivered nothing, or of a winner
    /// that did not claim; of the latter its compensation too. The facts of an answered registration are
    /// H(H(H(H(commitment), seed), featuresRoot), keysHash), with keysHash = keccak256 of the sampled keys in a row.
    function forfeit(Terms calldata terms, uint256 seat, bytes32 facts) external;

    // ---- reading -----------------------------------------------------------------------------------

    /// @notice What the chain keeps of a session. `winner` is a seat, 0 while there is none.
    function sessionOf(bytes32 session) external view returns (SessionState state, uint256 answered, uint256 winner);

    /// @notice What the chain keeps of the seat account << 64 | number: a tag of session and facts, or what it holds while idle.
    function seatOf(uint256 seat)
        external
        view
        returns (SeatState state, uint248 tag, address token, uint256 amount);

    function sessionId(Terms calldata terms) external pure returns (bytes32);

    /// @notice Which shards a seed samples, in ascending order: one of each of as many strata. Of n shards and s
    /// samples, the strata are runs of n / s shards, of one more in the first n mod s of them. In the one that begins
    /// at shard f, it is the shard f + H(seed, f) mod the stratum's size.
    function sampledIndices(bytes32 seed, uint256 shardCount, uint256 shardsPerSample)
        external
        pure
        returns (uint256[] memory);

    /// @notice The key of a shard: H(master key, index).
    function shardKey(bytes32 masterKey, uint256 index) external pure returns (bytes32);

    function seatTransitionAllowed(SeatState from, SeatState to) external pure returns (bool);

    function sessionTransitionAllowed(SessionState from, SessionState to) external pure returns (bool);

    /// @notice How long after the end of registration sampling begins.
    function sampleDelaySec() external view returns (uint256);
}
