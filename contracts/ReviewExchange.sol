// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IReviewExchange} from "./interfaces/IReviewExchange.sol";
import {ExchangeHashes} from "./libraries/ExchangeHashes.sol";
import {ExchangeSlots, SeatSlot, SessionSlot} from "./libraries/ExchangeSlots.sol";
import {ExchangeStates, SeatState, SessionState} from "./libraries/ExchangeStates.sol";
import {Amounts, ExchangeTerms, Schedule} from "./libraries/ExchangeTerms.sol";
import {Payments} from "./libraries/Payments.sol";
import {ShardSamples} from "./libraries/ShardSamples.sol";

/// @title Review and exchange of raw data sets
/// @dev The contract has no owner. A collector's light calls do not name it: the caller stands in the hash of the
/// session, so that a call by another fits no seat.
contract ReviewExchange is IReviewExchange, ReentrancyGuardTransient {
    /// @dev A struct of one slot, so that a reference finds it once for reading and writing.
    struct Seat {
        SeatSlot slot;
    }

    /// @inheritdoc IReviewExchange
    uint256 public immutable sampleDelaySec;

    mapping(bytes32 session => SessionSlot) private _sessions;
    mapping(uint256 seat => Seat) private _seats;

    constructor(uint32 sampleDelaySec_) {
        sampleDelaySec = sampleDelaySec_;
    }

    // ---- collector ---------------------------------------------------------------------------------

    /// @inheritdoc IReviewExchange
    function open(SessionRequest calldata request) external payable nonReentrant returns (bytes32 session) {
        ExchangeTerms.requireValid(request, sampleDelaySec);
        bytes32 context = ExchangeHashes.words(request.secretHash, request.extractorHash, request.descriptionHash);
        session = ExchangeHashes.session(msg.sender, ExchangeTerms.schedule(request), ExchangeHashes.conditions(request.token, ExchangeTerms.amounts(request), context));
        _requireArrow(session, _sessions[session].state(), SessionState.Open);
        _sessions[session] = ExchangeSlots.opened();
        emit SessionOpened(session, msg.sender, request);
        Payments.collect(request.token, request.reward);
    }

    /// @inheritdoc IReviewExchange
    function sample(Opening calldata opening, uint256 seat, bytes32 commitment) external {
        bytes32 context =
            ExchangeHashes.words(keccak256(abi.encode(opening.secret)), opening.extractorHash, opening.descriptionHash);
        Schedule schedule = opening.schedule;
        bytes32 session =
            ExchangeHashes.session(msg.sender, schedule, ExchangeHashes.conditions(opening.token, opening.amounts, context));
        _from(session, schedule.registerBySec() + sampleDelaySec);
        _until(session, schedule.sampleBySec());
        _step(session, seat, commitment, SeatState.Sampled);
        bytes32 seed = keccak256(abi.encode(opening.secret, session, seat, commitment));
        _seats[seat].slot = ExchangeSlots.bound(SeatState.Sampled, ExchangeHashes.words(session, ExchangeHashes.words(commitment, seed)));
        emit ShardsSampled(session, seat, seed);
    }

    /// @inheritdoc IReviewExchange
    function accuse(Schedule schedule, bytes32 conditions, uint256 seat, bytes32 facts) external {
        bytes32 session = ExchangeHashes.session(msg.sender, schedule, conditions);
        _after(session, schedule.featuresBySec());
        _until(session, schedule.accuseBySec());
        _advance(session, seat, facts, SeatState.Accused);
        emit FeaturesMissed(session, seat);
    }

    /// @inheritdoc IReviewExchange
    function candidate(Schedule schedule, bytes32 conditions, uint256 seat, bytes32 facts, bytes32 featuresRoot)
        external
    {
        bytes32 session = ExchangeHashes.session(msg.sender, schedule, conditions);
        _until(session, schedule.reviewBySec());
        SeatSlot slot = _seats[seat].slot;
        SeatState state = slot.state();
        _requireArrow(seat, state, SeatState.Candidate);
        bytes32 next = ExchangeHashes.words(session, ExchangeHashes.words(facts, featuresRoot));
        // What was delivered after an accusation is bound already.
        bool known = slot.isBoundTo(state == SeatState.Delivered ? next : ExchangeHashes.words(session, facts));
        if (!known) revert FactsMismatch(seat);
        _seats[seat].slot = ExchangeSlots.bound(SeatState.Candidate, next);
        emit CandidateNamed(session, seat, featuresRoot);
    }

    /// @inheritdoc IReviewExchange
    function reviewSample(Schedule schedule, bytes32 conditions, uint256 seat, bytes32 facts) external {
        bytes32 session = ExchangeHashes.session(msg.sender, schedule, conditions);
        _until(session, schedule.reviewBySec());
        _advance(session, seat, facts, SeatState.Reviewing);
        emit ReviewAsked(session, seat);
    }

    /// @inheritdoc IReviewExchange
    function optimal(Schedule schedule, bytes32 conditions, uint256 seat) external {
        bytes32 session = ExchangeHashes.session(msg.sender, schedule, conditions);
        // Were a winner named earlier, an answer on its way would show its keys and be refused.
        _after(session, schedule.answerBySec());
        _until(session, schedule.optimalBySec());
        SessionSlot slot = _sessions[session];
        _requireArrow(session, slot.state(), SessionState.Won);
        // Whether the seat has answered is looked at by {claim} and {forfeit}, which open its facts anyway.
        _sessions[session] = slot.withWinner(seat);
        emit OptimalNamed(session, seat);
    }

    /// @inheritdoc IReviewExchange
    function close(Terms calldata terms) external nonReentrant {
        bytes32 session = sessionId(terms);
        SessionSlot slot = _sessions[session];
        SessionState state = slot.state();
        _requireArrow(session, state, SessionState.Closed);
        Schedule schedule = terms.schedule;
        _after(session, state == SessionState.Won ? schedule.claimBySec() : schedule.optimalBySec());
        // One compensation for each answer stays. That of a winner that did not claim is paid by {forfeit}, for
        // here it is not known whether the seat that was named has answered at all.
        uint256 refund = terms.amounts.reward() - slot.answered() * terms.amounts.compensation();
        _sessions[session] = slot.withState(SessionState.Closed);
        emit SessionClosed(session, refund);
        Payments.pay(terms.token, terms.collector, refund);
    }

    // ---- provider ----------------------------------------------------------------------------------

    /// @inheritdoc IReviewExchange
    function deposit(uint64 number) external payable {
        _credit(number, address(0), msg.value);
    }

    /// @inheritdoc IReviewExchange
    function depositToken(uint64 number, address token, uint256 amount) external nonReentrant {
        _credit(number, token, amount);
        Payments.collect(token, amount);
    }

    /// @inheritdoc IReviewExchange
    function withdraw(uint64 number, uint256 amount) external nonReentrant {
        uint256 seat = ExchangeSlots.seatId(msg.sender, number);
        SeatSlot slot = _seats[seat].slot;
        if (slot.state() != SeatState.Idle) revert SeatTransitionRefused(seat, slot.state(), SeatState.Idle);
        uint256 held = slot.amount();
        if (amount > held) revert DepositTooSmall(seat, held, amount);
        address token = slot.token();
        _seats[seat].slot = ExchangeSlots.idle(token, uint88(held - amount));
        emit DepositWithdrawn(seat, token, amount);
        Payments.pay(token, msg.sender, amount);
    }

    /// @inheritdoc IReviewExchange
    function register(Terms calldata terms, uint64 number, Commitment calldata commitment) external {
        bytes32 session = sessionId(terms);
        SessionState open_ = _sessions[session].state();
        if (open_ != SessionState.Open) revert SessionTransitionRefused(session, open_, SessionState.Open);
        _until(session, terms.schedule.registerBySec());
        uint256 least = terms.amounts.minShards();
        if (commitment.shardCount < least) revert TooFewShards(session, commitment.shardCount, least);

        uint256 seat = ExchangeSlots.seatId(msg.sender, number);
        SeatSlot slot = _seats[seat].slot;
        _requireArrow(seat, slot.state(), SeatState.Registered);
        uint256 needed = terms.amounts.deposit();
        if (slot.token() != terms.token || slot.amount() != needed) {
            revert DepositMismatch(seat, slot.token(), slot.amount(), needed);
        }
        bytes32 facts = ExchangeHashes.commitment(commitment);
        _seats[seat].slot = ExchangeSlots.bound(SeatState.Registered, ExchangeHashes.words(session, facts));
        emit ProviderRegistered(session, seat, commitment);
    }

    /// @inheritdoc IReviewExchange
    function features(bytes32 session, uint64 number, bytes32 featuresRoot) external {
        emit FeaturesCommitted(session, ExchangeSlots.seatId(msg.sender, number), featuresRoot);
    }

    /// @inheritdoc IReviewExchange
    function deliver(Terms calldata terms, uint64 number, bytes32 facts, bytes32 featuresRoot) external {
        bytes32 session = sessionId(terms);
        _until(session, terms.schedule.reviewBySec());
        uint256 seat = ExchangeSlots.seatId(msg.sender, number);
        _step(session, seat, facts, SeatState.Delivered);
        _seats[seat].slot =
            ExchangeSlots.bound(SeatState.Delivered, ExchangeHashes.words(session, ExchangeHashes.words(facts, featuresRoot)));
        emit FeaturesDelivered(session, seat, featuresRoot);
    }

    /// @inheritdoc IReviewExchange
    function answer(
        Terms calldata terms,
        uint64 number,
        Commitment calldata commitment,
        bytes32 seed,
        bytes32 featuresRoot,
        ShardOpening[] calldata openings
    ) external {
        bytes32 session = sessionId(terms);
        _after(session, terms.schedule.reviewBySec());
        _until(session, terms.schedule.answerBySec());
        uint256 seat = ExchangeSlots.seatId(msg.sender, number);
        bytes32 facts = ExchangeHashes.words(ExchangeHashes.words(ExchangeHashes.commitment(commitment), seed), featuresRoot);
        _step(session, seat, facts, SeatState.Answered);
        bytes32[] memory keys = ShardSamples.openedKeys(seat, terms.amounts, commitment, seed, openings);

        SessionSlot slot = _sessions[session];
        uint256 most = terms.amounts.maxAnswers();
        if (slot.answered() >= most) revert AnswersExhausted(session, most);
        _sessions[session] = slot.withAnswer();
        bytes32 next = ExchangeHashes.words(facts, keccak256(abi.encodePacked(keys)));
        _seats[seat].slot = ExchangeSlots.bound(SeatState.Answered, ExchangeHashes.words(session, next));
        emit ReviewAnswered(session, seat, keys);
    }

    /// @inheritdoc IReviewExchange
    function claim(Terms calldata terms, uint64 number, Claim calldata revealed) external nonReentrant {
        bytes32 session = sessionId(terms);
        _until(session, terms.schedule.claimBySec());
        uint256 seat = ExchangeSlots.seatId(msg.sender, number);
        SessionSlot slot = _sessions[session];
        _requireArrow(session, slot.state(), SessionState.Claimed);
        if (slot.winner() != seat) revert SeatHasNotWon(session, seat);
        _requireBound(session, seat, _seats[seat].slot, ShardSamples.claimedFacts(terms.amounts, revealed), SeatState.Answered);

        uint256 reward = terms.amounts.reward() - (slot.answered() - 1) * terms.amounts.compensation();
        _sessions[session] = slot.withState(SessionState.Claimed);
        _seats[seat].slot = ExchangeSlots.idle(terms.token, 0);
        emit RewardClaimed(session, seat, revealed.masterKey, reward);
        Payments.pay(terms.token, msg.sender, reward + terms.amounts.deposit());
    }

    // ---- anyone ------------------------------------------------------------------------------------

    /// @inheritdoc IReviewExchange
    function release(Terms calldata terms, uint256 seat, bytes32 facts) external {
        bytes32 session = sessionId(terms);
        SeatState state = _step(session, seat, facts, SeatState.Idle).state();
        // An accused provider delivers, or loses its deposit.
        if (state == SeatState.Accused) revert SeatTransitionRefused(seat, state, SeatState.Idle);
        uint256 compensation;
        if (state == SeatState.Answered) {
            SessionSlot slot = _sessions[session];
            if (slot.state() == SessionState.Open) _after(session, terms.schedule.optimalBySec());
            if (slot.winner() == seat) revert SeatHasWon(session, seat);
            compensation = terms.amounts.compensation();
        } else if (state == SeatState.Registered) {
            _after(session, terms.schedule.sampleBySec());
        } else if (state == SeatState.Reviewing) {
            _after(session, terms.schedule.answerBySec());
        } else {
            _after(session, terms.schedule.reviewBySec());
        }
        uint256 returned = terms.amounts.deposit();
        // {open} has checked that reward and deposit together fit.
        _seats[seat].slot = ExchangeSlots.idle(terms.token, uint88(returned + compensation));
        emit SeatReleased(session, seat, returned, compensation);
    }

    /// @inheritdoc IReviewExchange
    function forfeit(Terms calldata terms, uint256 seat, bytes32 facts) external nonReentrant {
        bytes32 session = sessionId(terms);
        SeatState state = _step(session, seat, facts, SeatState.Idle).state();
        if (state == SeatState.Accused) {
            _after(session, terms.schedule.reviewBySec());
        } else {
            if (state != SeatState.Answered || _sessions[session].winner() != seat) {
                revert SeatHasNotWon(session, seat);
            }
            _after(session, terms.schedule.claimBySec());
        }
        uint256 compensation = state == SeatState.Accused ? 0 : terms.amounts.compensation();
        uint256 lost = terms.amounts.deposit();
        _seats[seat].slot = ExchangeSlots.idle(terms.token, 0);
        emit DepositForfeited(session, seat, lost, compensation);
        Payments.pay(terms.token, terms.collector, lost + compensation);
    }

    // ---- reading -----------------------------------------------------------------------------------

    /// @inheritdoc IReviewExchange
    function sessionOf(bytes32 session)
        external
        view
        returns (SessionState state, uint256 answered, uint256 winner)
    {
        SessionSlot slot = _sessions[session];
        return (slot.state(), slot.answered(), slot.winner());
    }

    /// @inheritdoc IReviewExchange
    function seatOf(uint256 seat)
        external
        view
        returns (SeatState state, uint248 tag, address token, uint256 amount)
    {
        SeatSlot slot = _seats[seat].slot;
        state = slot.state();
        if (state == SeatState.Idle) (token, amount) = (slot.token(), slot.amount());
        else tag = slot.tag();
    }

    /// @inheritdoc IReviewExchange
    function sessionId(Terms calldata terms) public pure returns (bytes32) {
        return ExchangeHashes.session(
            terms.collector, terms.schedule, ExchangeHashes.conditions(terms.token, terms.amounts, terms.context)
        );
    }

    /// @inheritdoc IReviewExchange
    function sampledIndices(bytes32 seed, uint256 shardCount, uint256 shardsPerSample)
        external
        pure
        returns (uint256[] memory)
    {
        return ShardSamples.indices(seed, shardCount, ShardSamples.count(shardCount, shardsPerSample));
    }

    /// @inheritdoc IReviewExchange
    function shardKey(bytes32 masterKey, uint256 index) external pure returns (bytes32) {
        return ShardSamples.shardKey(masterKey, index);
    }

    /// @inheritdoc IReviewExchange
    function seatTransitionAllowed(SeatState from, SeatState to) external pure returns (bool) {
        return ExchangeStates.allowed(from, to);
    }

    /// @inheritdoc IReviewExchange
    function sessionTransitionAllowed(SessionState from, SessionState to) external pure returns (bool) {
        return ExchangeStates.allowed(from, to);
    }

    function _credit(uint64 number, address token, uint256 amount) private {
        uint256 seat = ExchangeSlots.seatId(msg.sender, number);
        SeatSlot slot = _seats[seat].slot;
        SeatState state = slot.state();
        // Not by the table: its other arrows to Idle end a registration.
        if (state > SeatState.Idle) revert SeatTransitionRefused(seat, state, SeatState.Idle);
        uint256 held = slot.amount();
        if (held != 0 && slot.token() != token) revert TokenMismatch(seat, slot.token(), token);
        if (amount > type(uint88).max - held) revert DepositTooLarge(seat, amount);
        _seats[seat].slot = ExchangeSlots.idle(token, uint88(held + amount));
        emit DepositAdded(seat, token, amount);
    }

    // ---- checks ------------------------------------------------------------------------------------

    /// @dev The slot of a seat that is bound to session and facts and may go to `to`.
    function _step(bytes32 session, uint256 seat, bytes32 facts, SeatState to)
        private
        view
        returns (SeatSlot slot)
    {
        slot = _seats[seat].slot;
        _requireArrow(seat, slot.state(), to);
        if (!slot.isBoundTo(ExchangeHashes.words(session, facts))) revert FactsMismatch(seat);
    }

    /// @dev Changes the state of a seat and nothing else.
    function _advance(bytes32 session, uint256 seat, bytes32 facts, SeatState to) private {
        Seat storage record = _seats[seat];
        SeatSlot slot = record.slot;
        _requireArrow(seat, slot.state(), to);
        if (!slot.isBoundTo(ExchangeHashes.words(session, facts))) revert FactsMismatch(seat);
        record.slot = slot.withState(to);
    }

    function _requireBound(bytes32 session, uint256 seat, SeatSlot slot, bytes32 facts, SeatState state)
        private
        pure
    {
        if (slot.state() != state) revert SeatTransitionRefused(seat, slot.state(), state);
        if (!slot.isBoundTo(ExchangeHashes.words(session, facts))) revert FactsMismatch(seat);
    }

    function _requireArrow(uint256 seat, SeatState from, SeatState to) private pure {
        if (!ExchangeStates.allowed(from, to)) revert SeatTransitionRefused(seat, from, to);
    }

    function _requireArrow(bytes32 session, SessionState from, SessionState to) private pure {
        if (!ExchangeStates.allowed(from, to)) revert SessionTransitionRefused(session, from, to);
    }

    function _from(bytes32 session, uint256 fromSec) private view {
        if (block.timestamp < fromSec) revert TooEarly(session, fromSec);
    }

    function _after(bytes32 session, uint256 bySec) private view {
        if (block.timestamp <= bySec) revert TooEarly(session, bySec + 1);
    }

    function _until(bytes32 session, uint256 bySec) private view {
        if (block.timestamp > bySec) revert TooLate(session, bySec);
    }
}
